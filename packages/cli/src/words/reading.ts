/** What the commands that read say: inbox and status. */
import type { Part } from "./Part.ts"

export const followingCtrlCEndsThis = (meshes: Part): string => `claudemesh: Following ${meshes}. Ctrl-C ends this.`

export const endedItWasToldToStop = "claudemesh: Ended: it was told to stop."

export const yourAgentIsConnectedSessionSoWhat = (slug: Part, shortSession: Part): string =>
  `claudemesh: ${slug}: your agent is connected (session ${shortSession}), so what comes is its. With --take it is printed here instead.`

export const noAgentOfYoursIsConnectedAny = (slug: Part): string =>
  `claudemesh: ${slug}: no agent of yours is connected any more: what comes is printed here.`

export const theConnectionIsLost = "The connection is lost"

export const itIsTriedAgain = (what: Part, lastError: Part): string => `${what}: ${lastError}. It is tried again.`

export const stayAndPrintMessagesAsTheyCome =
  "Stay, and print messages as they come; while an agent of yours is connected they are its"

export const printWhatWaitsWithoutTakingItIt = "Print what waits without taking it: it waits on"

export const printAgainWhatWasShownOnThis = "Print again what was shown on this machine lately"

export const alsoWhatWasSentToASession =
  "Also what was sent to a session of yours alone that is away; with --follow also what comes while an agent is connected"

export const giveOnlyOneOfFollowPeekAnd = "Give only one of --follow, --peek and --history."

export const takeTakesMessagesItGoesWithNeither = "--take takes messages: it goes with neither --peek nor --history."

export const whatWasNotWrittenStillWaits = (message: Part): string => `${message} What was not written still waits.`

export const whatWaitsNowAnswerWithClaudemeshReply = "What waits now; answer with: claudemesh reply <id> <text>"

export const oneJsonObjectALineAsThey = "One JSON object a line, as they come"

export const whatWaitsWithoutTakingIt = "What waits, without taking it"

export const whatWasShownOnThisMachineIn = "What was shown on this machine in the last days"

export const alsoWhatWaitsInASessionOf = "Also what waits in a session of yours that is away"

export const onPeekTakesNothing = (part: Part): string => `claudemesh: ${part} on: --peek takes nothing.`

export const untilThisMachinesClockIsRight = (slug: Part, forClock: Part): string =>
  `claudemesh: ${slug}: ${forClock} until this machine's clock is right.`

export const inYourSession = (slug: Part, count: Part, sessionId: Part): string =>
  `claudemesh: ${slug}: ${count} in your session ${sessionId}`

export const sentToThatSessionAloneOrBeing = (where: Part): string =>
  `${where}: sent to that session alone, or being read there. It is connected: its agent gets them.`

export const whichIsAwaySentToThatSession = (where: Part, command: Part): string =>
  `${where}, which is away: sent to that session alone. To read them here: ${command} inbox --take`

export const nothingWasShownOnThisMachineLately = "Nothing was shown on this machine lately.\n"

export const sayItForYourAgentsOnThis =
  "Say it for your agents on this machine: not to be disturbed, or to be disturbed again"

export const howLongDndLasts30m2h1d = "How long dnd lasts: 30m, 2h, 1d (default: until you say idle)"

export const aStatusIsSaidInAllMeshes = "A status is said in all meshes: leave out --mesh and --watch."

export const forGoesWithDndClaudemeshStatusDnd = "--for goes with dnd: claudemesh status dnd --for 30m"

export const forAScriptExitCode1If = "For a script; exit code 1 if one is away"

export const stayAndShowWhatChanges = "Stay, and show what changes"

export const nothingIsHandedToYourAgentsHere =
  "Nothing is handed to your agents here, urgent messages neither, unless they look, for so long"

export const forGoesWithDndAlone = "--for goes with dnd alone."

export const yourAgentsOnThisMachineMayBe = "Your agents on this machine may be disturbed again."

export const nothingWakesThemOrIsHandedTo = (value: Part, command: Part): string =>
  `${value} Nothing wakes them or is handed to them meanwhile, urgent messages neither: they get what waits when they look for messages, or when this ends. To end it: ${command} status idle`

export const yourAgentsOnThisMachineAreNot = (part: Part): string =>
  `Your agents on this machine are not to be disturbed ${part}.`

export const untilYouSayOtherwise = "until you say otherwise"

export const ofTheseInYourSessionAlone = (mesh: Part, messages: Part, sessionId: Part): string =>
  `${mesh}: of these, ${messages} in your session ${sessionId} alone.`

export const toBeSentOutbox = (part: Part, command: Part): string => `${part} to be sent: ${command} outbox`

export const toEndItStatusIdle = (value: Part, command: Part): string => `${value} To end it: ${command} status idle`
