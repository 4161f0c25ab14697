/** What is said of agents' hosts and their files when something is put into them, or taken out. */
import type { Part } from "./Part.ts"

export const theProgramCannotBePutThere = (directory: Part, error: Part): string =>
  `${directory}: the program cannot be put there (${error})`

export const itCouldNotBeBuilt = (said: Part): string => `it could not be built: ${said}`

export const thePluginIsInAndClaudeCode = (home: Part): string =>
  `The plugin is in ${home}, and Claude Code has it from the next session on (in an open one: /reload-plugins).`

export const serverAndHooksInTheSettingsWhich = "Server and hooks in the settings, which did the same, are removed."

export const claudeCodeAsksBeforeItUsesA = (userSettings: Part): string =>
  `Claude Code asks before it uses a tool for the first time. To allow all of ours, add "mcp__plugin_claudemesh_claudemesh" to permissions.allow in ${userSettings}.`

export const checkItWithDoctorUndoItWith = (command: Part, command2: Part): string =>
  `Check it with: ${command} doctor. Undo it with: ${command2} uninstall`

export const thePluginIsRemovedFromClaudeCode = "The plugin is removed from Claude Code."

export const thereIsNoCommandClaudeOnThe = (command: Part): string =>
  `there is no command claude on the PATH, and the plugin is installed by it. Run this where claude starts, or write the settings without it: ${command} install --settings user`

export const claudeFailedUpdateClaudeCodeIfIt = (args: Part, answer: Part, command: Part): string =>
  `claude ${args} failed: ${answer}. Update Claude Code if it has no plugins, or write the settings without them: ${command} install --settings user`

export const claudeCodeDoesNotTakeCommentsIn = (path: Part, line: Part): string =>
  `${path}: Claude Code does not take comments in that file (line ${line}). Nothing was changed. Take them out, then try again.`

export const wouldPutThePluginIntoAndRun = (home: Part): string => `Would put the plugin into ${home}, and run:`

export const claudeCodeTookThePluginAndSays = (state: Part, pluginId: Part): string =>
  `Claude Code took the plugin and says that it is ${state}. Look with: claude plugin list. Enable it with: claude plugin enable ${pluginId}`

export const inTheServerWasAddedByHand = (folder: Part): string =>
  `In ${folder} the server was added by hand, too, and is there twice now. Remove it there with: claude mcp remove claudemesh --scope local`

export const nothingWouldBeChanged = "Nothing would be changed."

export const serverAndHooksAreInTheSettings = (changes: Part): string =>
  `Server and hooks are in the settings already: ${changes}`

export const serverAndHooksAreWrittenIntoThey = (written: Part): string =>
  `Server and hooks are written into ${written}. They count from the next session on.`

export const claudeCodeAsksEachPersonOfThis =
  "Claude Code asks each person of this project once whether the server of .mcp.json may be started."

export const theFilesNameTheyAreOfUse = (home: Part): string =>
  `The files name ${home}: they are of use on this machine only.`

export const claudeCodeAsksBeforeItUsesA2 =
  'Claude Code asks before it uses a tool for the first time. To allow all of ours, add "mcp__claudemesh" to permissions.allow in the settings.'

export const checkItWithDoctorUndoItWith2 = (command: Part, undo: Part): string =>
  `Check it with: ${command} doctor. Undo it with: ${undo}`

export const claudeCodeHasThePluginAlreadyAnd = (command: Part): string =>
  `Claude Code has the plugin already, and both would be two servers. Remove it first: ${command} uninstall`

export const noNewlineAtEndOfFile = "\\ No newline at end of file"

export const didNotEndInS = (program: Part, args: Part, value: Part): string =>
  `${program} ${args} did not end in ${value} s`

export const isMissingThisCopyOfClaudemeshIs = (path: Part): string =>
  `${path} is missing: this copy of claudemesh is not whole. Get it again.`

export const hasAServerClaudemeshThatUsesThe = (
  path: Part,
  other: Part,
  home: Part,
  other2: Part,
  command: Part,
): string =>
  `${path} has a server claudemesh that uses the keys in ${other}, and this is about those in ${home}. Nothing was changed. To install for those keys: CLAUDEMESH_HOME=${other2} ${command} install. To give them up there: claude mcp remove claudemesh --scope user, then install again.`

export const anOlderEntryOfClaudemeshInIs = (path: Part): string =>
  `An older entry of claudemesh in ${path} is replaced.`

export const itWasStartedWithAndThisOne = (flags: Part): string =>
  `It was started with ${flags}, and this one is not: join channels by join_channel.`

export const theServerAndTheHooks = "the server and the hooks"

export const hasFromItsNextStartOnWritten = (host: Part, what: Part, paths: Part): string =>
  `${host} has ${what} from its next start on, written into ${paths}.`

export const anOlderEntryOfClaudemeshThereIs = "An older entry of claudemesh there is replaced."

export const messagesComeToASessionAtEach =
  "Messages come to a session at each prompt, urgent ones after a tool, too, and the rest at the end of a turn. An idle session is not woken."

export const itTellsNobodyByItselfThatMessages =
  "It tells nobody by itself that messages wait: let the agent call check_messages now and then."

export const undoItWithUninstallFor = (command: Part, host: Part): string =>
  `Undo it with: ${command} uninstall --for ${host}`

export const codexRunsNoHookThatYouHave =
  "Codex runs no hook that you have not reviewed: it asks at its next start, or type /hooks there."

export const itAsksBeforeAToolAsYour =
  "It asks before a tool as your approval policy says. See the server with: codex mcp list"

export const geminiCliAsksBeforeEachToolAlways =
  'Gemini CLI asks before each tool; "Always allow" in its question is for all of this server. It starts servers in trusted folders only.'

export const turnItOnInSettingsMcpCursor =
  "Turn it on in Settings, MCP; Cursor asks before each tool unless you allow it there."

export const seeTheServerWithOpencodeMcpList = "See the server with: opencode mcp list"

export const thePluginCannotBePutThere = (to: Part, error: Part): string =>
  `${to}: the plugin cannot be put there (${error})`

export const nothingWasChangedMendThatThenTry = (path: Part, problem: Part): string =>
  `${path}: ${problem}. Nothing was changed. Mend that, then try again.`

export const isNotAList = (path: Part): string => `"${path}" is not a list`

export const isThereAndIsNotAnEntry = (path: Part, found: Part): string =>
  `"${path}" is there and is not an entry of claudemesh${found}`

export const isWrittenByAnotherProgramAllThe = (path: Part, nothingChanged: Part): string =>
  `${path} is written by another program all the time. ${nothingChanged}. Try again.`

export const itIsAFolderAndNotA = "it is a folder and not a file"

export const itIsNotARegularFile = "it is not a regular file"

export const itIsLargerThanBytes = (settingsBytesMax: Part): string => `it is larger than ${settingsBytesMax} bytes`

export const lookWhatIsInIt = "Look what is in it"

export const itIsNotUtf8Text = "it is not UTF-8 text"

export const saveItAsUtf8 = "Save it as UTF-8"

export const itsLinksLeadInACircle = "its links lead in a circle"

export const anotherProgramHoldsTryAgainOrRemove = (lock: Part, nothingChanged: Part): string =>
  `another program holds ${lock}. ${nothingChanged}. Try again, or remove that folder if no Claude Code runs.`

export const cannotBeUsedThenTryAgain = (path: Part, problem: Part, nothingChanged: Part, todo: Part): string =>
  `${path} cannot be used: ${problem}. ${nothingChanged}. ${todo}, then try again.`

export const itsDiskIsReadOnly = "its disk is read-only"

export const noSpaceIsLeftOnTheDisk = "no space is left on the disk"

export const aFolderOnItsWayIsA = "a folder on its way is a file"

export const thereWasNothingToRemove = "There was nothing to remove."

export const removedKeysAndMessagesStayIn = (folders: Part, home: Part): string =>
  `Removed ${folders}. Keys and messages stay in ${home}.`

export const isThereAndNotOurs = (path: Part): string => `"${path}" is there and is not an entry of claudemesh`

export const notValidToml = (why: Part): string => `it is not valid TOML (${why})`

export const notValidJson = (line: Part, column: Part, what: Part): string =>
  `it is not valid JSON (line ${line}, column ${column}${what})`

export const isNotForPrograms = "it is written in a form that is not changed by a program"

export const partIsNotForPrograms = (path: Part): string =>
  `"${path}" is written in a form that is not changed by a program`

export const isNotAnObject = (path: Part, kind: Part): string => `${path} is ${kind} and not an object`

export const theFolderThatThisWasStartedIn =
  "The folder that this was started in is gone. Nothing was changed. Go to the project's folder, then try again."
