/** What `doctor` finds, and what it says can be done. */
import type { Part } from "./Part.ts"

export const notLookedAtSinceWasNotReached = (host: Part): string => `not looked at, since ${host} was not reached`

export const notLookedAtSinceTheBrokerWas = "not looked at, since the broker was not reached"

export const thereIsNoAddressForLookAt = (hostname: Part): string =>
  `there is no address for ${hostname}. Look at the name, and at this machine's network.`

export const withoutTlsOverANetworkWhoeverIs =
  "without TLS, over a network: whoever is on the way sees what the broker sees"

export const askTheOperatorForAWssAddress = "Ask the operator for a wss:// address"

export const portIsOpenWithoutTlsOnThis = (port: Part): string => `port ${port} is open; without TLS, on this machine`

export const theBrokersCertificateEndsIn = (days: Part): string => `the broker's certificate ends in ${days}`

export const theCertificateIsGoodFor = (days: Part): string => `the certificate is good for ${days}`

export const nothingListensOnPortOfIsThe = (port: Part, hostname: Part): string =>
  `nothing listens on port ${port} of ${hostname}. Is the broker running?`

export const theCertificateOfIsNotTrustedNothing = (hostname: Part, code: Part): string =>
  `the certificate of ${hostname} is not trusted (${code}). Nothing was sent. Tell the broker's operator.`

export const versionUpForItsDatabaseAnswers = (version: Part, Math: Part): string =>
  `version ${version}, up for ${Math}, its database answers`

export const versionRunsAndItsDatabaseDoesNot = (version: Part): string =>
  `version ${version} runs, and its database does not answer`

export const tellItsOperatorMessagesWaitOnThis = "Tell its operator. Messages wait on this machine meanwhile"

export const notLookedAtSinceThereIsNo = "not looked at, since there is no connection"

export const theBrokerKnowsSKeyProtocol2 = (displayName: Part): string =>
  `the broker knows ${displayName}'s key, protocol 2`

export const nothingIsKeptOfItsAudit = "nothing is kept of the broker's audit yet"

export const itsAuditGoesOn = (block: Part, at: Part): string =>
  `all that the broker has told of its audit goes on from one block to the next, up to block ${block} at ${at}`

export const askTheOperatorWhatWasDone =
  "Ask the broker's operator whether a backup was restored. What was kept: claudemesh audit head --records"

export const sFromTheBrokers = (value: Part): string => `${value} s from the broker's`

export const setTheClockOfThisMachineOr =
  "Set the clock of this machine, or tell the broker's operator: messages are not readable otherwise"

export const notSentSinceTheClockIsOff = "not sent, since the clock is off"

export const thereIsNoCommandClaudeOnThe = "there is no command claude on the PATH"

export const whichRunsNoMonitorsOfPluginsAn = (version: Part): string =>
  `${version}, which runs no monitors of plugins: an idle session is not woken`

export const updateItClaudeUpdate = "Update it: claude update"

export const claudeCodeWasNotAsked = "Claude Code was not asked"

export const itIsInstalledAndSwitchedOff = "it is installed and switched off"

export const runClaudePluginEnable = (pluginId: Part): string => `Run: claude plugin enable ${pluginId}`

export const claudeCodeHasNoPluginOfClaudemesh = "Claude Code has no plugin of claudemesh"

export const notUsedTheServerIsIn = (path: Part): string => `not used: the server is in ${path}`

export const itIsEnabledAndItsFolderIs = (folder: Part): string => `it is enabled, and its folder ${folder} is gone`

export const enabledAndReadFromInsteadOf = (folder: Part, home: Part): string =>
  `enabled, and read from ${folder} instead of ${home}`

export const theOneInUsesTheKeysIn = (path: Part, home: Part, home2: Part): string =>
  `the one in ${path} uses the keys in ${home}, and this is about those in ${home2}`

export const toLookAtThoseClaudemeshHomeDoctor = (home: Part, command: Part, scope: Part): string =>
  `To look at those: CLAUDEMESH_HOME=${home} ${command} doctor. To give it up: claude mcp remove claudemesh --scope ${scope}`

export const noHostWasFoundThatStartsIt = "no host was found that starts it"

export const itIsThereTwiceAndIn = (beside: Part, path: Part): string => `it is there twice: ${beside}, and in ${path}`

export const runClaudeMcpRemoveClaudemeshScope = (scope: Part): string =>
  `Run: claude mcp remove claudemesh --scope ${scope}`

export const inItIsThereTwiceByThe = (elsewhere: Part): string =>
  `in ${elsewhere} it is there twice: by the plugin, and added by hand`

export const runThereClaudeMcpRemoveClaudemeshScope = "Run there: claude mcp remove claudemesh --scope local"

export const youHaveToldClaudeCodeNotTo = (path: Part): string =>
  `you have told Claude Code not to start the one in ${path}`

export const runClaudeMcpResetProjectChoices = "Run: claude mcp reset-project-choices"

export const itsRuntimeIsGoneOrCannotBe = (home: Part): string => `its runtime ${home} is gone or cannot be run`

export const disableAllHooksIsSetInMessagesAreShown = (hooksOffIn: Part): string =>
  `disableAllHooks is set in ${hooksOffIn}: messages are shown by check_messages alone`

export const ofThePluginMessagesComeAtThe = "of the plugin: messages come at the next step, and at the end of a turn"

export const thePluginHasNone = "the plugin has none"

export const noneMessagesAreShownOnlyWhenThe = "none: messages are shown only when the agent calls check_messages"

export const noHostWasFoundThatHasThem = "no host was found that has them"

export const noSessionIsOpenNow = "no session is open now"

export const byThePluginsMonitor = "by the plugin's monitor"

export const nothingWakesAnIdleSession = "nothing wakes an idle session"

export const noneWasWokenYet = (by: Part, sessions: Part): string => `${by}; ${sessions}; none was woken yet`

export const theLastOneBeganATurn = (by: Part, sessions: Part, woken: Part): string =>
  `${by}; ${sessions}; the last one began a turn, ${woken}`

export const theLastThatDidWas = (agoWords: Part): string => `the last that did was ${agoWords}`

export const theLastOneBeganNoTurnAnd = (by: Part, sessions: Part, woken: Part, ever: Part): string =>
  `${by}; ${sessions}; the last one began no turn, ${woken}, and ${ever}`

export const startTheSessionsAnewThatWereOpen =
  "Start the sessions anew that were open before the installation, and look in one of them at /plugin"

export const doesNotNameClaudemesh = (path: Part): string => `${path} does not name claudemesh`

export const whatItHasOfClaudemeshIsOf = "what it has of claudemesh is of an older version, or not whole"

export const startsWhichIsGone = (path: Part, home: Part): string => `${path} starts ${home}, which is gone`

export const forYouAloneMode = (home: Part, home2: Part): string => `${home}, for you alone (mode ${home2})`

export const isNotThereYet = (home: Part): string => `${home} is not there yet`

export const makeAMeshCreateMyTeamOr = (command: Part, command2: Part): string =>
  `Make a mesh: ${command} create my-team, or join one: ${command2} join '<link>'`

export const noMeshIsJoined = "no mesh is joined"

export const moveItAwayWhatWaitsToBe =
  "Move it away: what waits to be sent and what was shown is forgotten, keys are not in it"

export const tryAgainAndLookAtWhatIs = "Try again, and look at what is slow"

export const notSentMessagesWaitForYouRead = (remaining: Part): string =>
  `not sent: ${remaining} messages wait for you. Read them: they come first`

export const aTestOfClaudemeshDoctorYouCan = (value: Part): string =>
  `A test of claudemesh doctor (${value}). You can ignore it.`

export const itWasSentAndDidNotCome = "it was sent, and did not come back to this session"

export const anotherSessionOfYoursMayHaveRead = "Another session of yours may have read it; try again"

export const itCameBackAndCannotBeOpened = "it came back and cannot be opened with your key"

export const keysOfTwoMachinesAreMixedUp =
  "Keys of two machines are mixed up, or the broker changed it: export your identity where it works, and import it here"

export const itCameBackAndYourOwnKey = "it came back, and your own key is not certified in this mesh"

export const askForANewInvite = "Ask for a new invite"

export const sealedSentReceivedAndOpenedInMs = (took: Part): string => `sealed, sent, received and opened in ${took} ms`

export const doesNotAnswerAsAnMcpServer = (entry: Part): string =>
  `${entry} does not answer as an MCP server. Install it again.`
