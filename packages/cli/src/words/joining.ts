/** What the commands that make, join and invite say. */
import type { Part } from "./Part.ts"

export const theAdminTokenAdminTokenOrBroker =
  "The admin token (--admin-token, or BROKER_ADMIN_TOKEN) has a space or a character in it that cannot be sent. Nothing was sent. Copy it again."

export const warningTheAdminTokenGoesToUnencrypted = (url: Part): string =>
  `claudemesh: warning: the admin token goes to ${url} unencrypted, so everybody on the way there can read it. Use a wss:// URL. If others may have read the token, give the broker another one (BROKER_ADMIN_TOKEN).`

export const nothingWasDoneNobodyIsAtA = (question: Part, effects: Part): string =>
  `${question} ${effects} Nothing was done: nobody is at a terminal to be asked.`

export const addYesIfYouMeanIt = "Add --yes if you mean it."

export const daysTheLongestThatABrokerKeeps = (brokerDaysMax: Part): string =>
  `${brokerDaysMax} days, the longest that a broker keeps a message`

export const theBrokerKeepsAMessageForDays = (brokerDays: Part): string =>
  `The broker keeps a message for ${brokerDays} days at most, unless its operator set more: it may be erased before the time that you gave it.`

export const such30m12hOr7d = "30m, 12h or 7d"

export const itIsNotKnownWhatYouAre = "It is not known what you are called, and nobody is here to ask."

export const giveYourNameWithAs = "Give your name with --as."

export const whatAreYouCalledInTheMesh = "What are you called in the mesh?"

export const thatIsTheNameThatItWas = "That is the name that it was begun with, and it stays."

export const yourKeysAreInKeepThatFile = (configPath: Part): string =>
  `Your keys are in ${configPath}; keep that file to yourself.`

export const nextConnectClaudeCode = "Next, connect Claude Code:"

export const aNameInOneWritingSystemWithout = "a name in one writing system, without / or :"

export const beginsWithWhichIsNotAllowedAt = (name: Part, atStart: Part): string =>
  `${name} begins with ${atStart}, which is not allowed at the start of a name`

export const hasInItWhichIsNotAllowed = (name: Part, inside: Part): string =>
  `${name} has ${inside} in it, which is not allowed in a name`

export const theNameHasTheCharacterUIn = (code: Part): string =>
  `The name has the character U+${code} in it, which nobody sees`

export const looksLikeAKey = (name: Part): string => `${name} looks like a key`

export const isNotANameOneWritingSystem = (name: Part): string =>
  `${name} is not a name: one writing system, no two spaces in a row, and not too long`

export const isNotABrokersUrlWriteIt = (part: Part): string =>
  `${part} is not a broker's URL; write it like wss://mesh.example.com/ws`

export const thisBrokerAsksForAnAdminToken = "this broker asks for an admin token."

export const giveItWithAdminTokenOr = "Give it with --admin-token, or in BROKER_ADMIN_TOKEN."

export const whatTheMeshIsCalledLowerCase = "What the mesh is called: lower-case letters, digits and -"

export const theBrokersAdminTokenWhereItIs =
  "The broker's admin token, where it is not on this machine (or BROKER_ADMIN_TOKEN)"

export const giveTheNewOneAnotherSlug = "Give the new one another slug."

export const madeTheMeshOnYouAre = (slug: Part, url: Part, displayName: Part): string =>
  `Made the mesh ${slug} on ${url}. You are ${displayName}.`

export const onTheBrokerOfThisMachine = "On the broker of this machine"

export const onABrokerElsewhereUnderAnotherName = "On a broker elsewhere, under another name"

export const whatTheyBecomeAnAdminMayInvite =
  "What they become: an admin may invite and revoke; only the mesh's owner makes admins"

export const howManyMayJoinByTheLink = (inviteUsesMax: Part): string =>
  `How many may join by the link (default 1, at most ${inviteUsesMax})`

export const howLongTheLinkIsGood30m = "How long the link is good: 30m, 12h, 7d (default 7d)"

export const whatYouCallTheInviteInClaudemesh =
  "What you call the invite in `claudemesh invites` (default: for whom it is)"

export const drawTheLinkAsACodeFor = "Draw the link as a code for a camera, too, on a terminal"

export const whoeverHasThisLinkJoinsAsUntil = (slug: Part, role: Part, part: Part, expiresAt: Part): string =>
  `Whoever has this link joins ${slug} as ${role}, ${part}, until ${expiresAt}:`

export const theBrokerIsAtSoTheLink = (host: Part): string =>
  `the broker is at ${host}, so the link works on this machine only. For others, use a broker that they can reach.`

export const noCodeIsDrawnOfItNo = "No code is drawn of it: no other machine could use it."

export const sendItOverAChannelYouTrust = "send it over a channel you trust. They run:  claudemesh join '<link>'"

export const whoeverJoinsIsShownThisNumberAnd = (owner: Part): string =>
  `whoever joins is shown this number, and compares it with you:  ${owner}`

export const forOnePersonGoodForAWeek = "For one person, good for a week"

export const forAWholeTeamToday = "For a whole team, today"

export const forACameraToo = "For a camera, too"

export const forSomebodyWhoMayInviteAndRevoke = "For somebody who may invite and revoke"

export const theInviteIsMadeAndThisMachine = (message: Part): string =>
  `claudemesh: the invite is made, and this machine cannot remember it: ${message}`

export const noInvitesMakeOneInvite = (command: Part): string => `No invites. Make one: ${command} invite`

export const ofOneOfSeveralMeshes = "Of one of several meshes"

export const notListedByTheBroker = "not listed by the broker"

export const theBrokerListsAnInviteWithThe = (publicKey: Part, doubt: Part, command: Part, publicKey2: Part): string =>
  `the broker lists an invite with the key ${publicKey} that is not genuine: ${doubt}. It is left out. To revoke its key all the same: ${command} revoke-invite ${publicKey2}`

export const moreSuchInvitesAreLeftOut = (value: Part): string => `${value} more such invites are left out`

export const theInviteLinkInQuotesAlsoWith =
  "The invite link, in quotes, also with text around it; - reads it from stdin, where no list of processes shows it"

export const whatToCallTheMeshHereDefault = "What to call the mesh here (default: as its owner does)"

export const beCertifiedForTheFirstClientsToo =
  "Be certified for the first clients, too. The cost: what they send and are sent is not bound to its time and its target, so the broker can repeat it, and move it between you and the other side"

export const joinWithoutAskingOnATerminalToo = "Join without asking, on a terminal, too"

export const joinedOnYouAre = (slug: Part, part: Part, brokerUrl: Part, displayName: Part): string =>
  `Joined ${slug}${part} on ${brokerUrl}. You are ${displayName}.`

export const withALinkFromAChat = "With a link from a chat"

export const withALinkFromAFile = "With a link from a file"

export const forAMemberWhoseAgentsUseOne = "For a member whose agents use one of the first clients"

export const theLinkIsMissing = "The link is missing."

export const theTextHasDifferentInviteLinksIn = (count: Part): string =>
  `The text has ${count} different invite links in it. Nothing was sent.`

export const giveOneOfThem = "Give one of them."

export const compareThisNumberWithWhoeverInvited = (command: Part): string =>
  `        Compare this number with whoever invited you, in a call or face to face: they see it with ${command} whoami.`

export const roleWithALinkThatIsGood = (role: Part, expiresAt: Part): string =>
  `Role    ${role}, with a link that is good until ${expiresAt}`

export const youHaveNotJoinedNothingWasSent = "You have not joined. Nothing was sent."

export const callThisOneOtherwiseWithSlug = "Call this one otherwise with --slug."

export const seeWhoIsThereWithPeersMesh = (command: Part, slug: Part): string =>
  `See who is there with: ${command} peers --mesh ${slug}; to join as somebody else, set CLAUDEMESH_HOME to another folder`

export const youMayUseTheFirstClientsHere = (command: Part, slug: Part): string =>
  `You may use the first clients here. What they send and are sent is not bound to its time and its target: the broker can repeat it, and move it. Write their config with: ${command} export config.json --mesh ${slug} --first-clients`

export const youMayNotUseTheFirstClients =
  "You may not use the first clients: this key was certified without them before."

export const asClaudemeshInvitesListsItItsName =
  "As `claudemesh invites` lists it: its name, or the first 8 characters or more of its key"

export const isRevokedAlreadySince = (what: Part, at: Part): string => `${what} is revoked already, since ${at}.`

export const isRevokedInNeitherTheOwnerNor = (what: Part, slug: Part): string =>
  `${what} is revoked in ${slug}. Neither the owner nor an admin is known to have signed an invite with it.`

export const isRevokedNobodyJoinsByItAny = (what: Part, slug: Part): string =>
  `${what} is revoked: nobody joins ${slug} by it any more.`

export const noMemberHadJoinedWithIt = "No member had joined with it."

export const membersWhoJoinedWithItStay = (kept: Part): string => `Members who joined with it stay: ${kept}.`

export const asClaudemeshInvitesListsIt = "As `claudemesh invites` lists it"

export const thisIsTheKeyOfTheMember = (displayName: Part): string =>
  `This is the key of the member ${displayName}, and not of an invite. Nothing was revoked.`

export const toRemoveThemRevoke = (command: Part, pubkey: Part): string => `To remove them: ${command} revoke ${pubkey}`

export const noCodeWithoutTerminal = "(No code is drawn: this is not a terminal.)"

export const noCodeInSoFewColumns = (width: Part): string =>
  `(No code is drawn: the terminal needs ${width} columns for it.)`

export const pasteTheInviteLink = "claudemesh: Paste the invite link, then press Enter. Two empty lines end it."
