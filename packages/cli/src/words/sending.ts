/** What the commands that send say, and those that follow what was sent. */
import type { Part } from "./Part.ts"

export const theMessageThatThisAnswersByIts =
  "The message that this answers, by its id or the first 8 characters or more of that"

export const isNotAMessagesIdWhichHas = (typed: Part): string =>
  `${typed} is not a message's id, which has 8 to 32 of the digits 0 to 9 and a to f.`

export const thereIsNoMessage = (id: Part): string => `There is no message ${id}.`

export const noMessageWasShownOnThisMachine = (id: Part, part: Part): string =>
  `No message ${id} was shown on this machine lately, so ${part}. Nothing was sent.`

export const theIdsInboxHistory = (command: Part): string => `The ids: ${command} inbox --history`

export const itCannotBeAnswered = "it cannot be answered"

export const itIsNotKnownWhoAsked = "it is not known who asked"

export const itIsNotProvedWhoWroteMessage = (id: Part): string =>
  `It is not proved who wrote message ${id}. Nothing was sent.`

export const sayWhoGetsTheAnswer = (command: Part, id: Part): string =>
  `Say who gets the answer: ${command} send <who> <text> --reply-to ${id}`

export const nowAtOnceAlsoWhenTheyAre =
  "now: at once, also when they are busy; next: when they are idle; low: when they look (default next). In dnd nothing is handed over until they look, or it ends"

export const howLongItWaitsForThemBefore =
  "How long it waits for them before it is erased: 30m, 12h, 2d (default, and at most: as long as the broker keeps it)"

export const aCommandWaitsUntilTheMessageWas = (command: Part): string =>
  `a command waits until the message was shown, and for no reply: that comes with ${command} inbox --follow. Nothing was sent`

export const isNothingToWaitForWriteWait = (what: Part): string =>
  `${what} is nothing to wait for: write --wait, or --wait shown. Nothing was sent`

export const shownOrNothingBehindItWaitUntil =
  "shown, or nothing behind it: wait until it was shown to them, for 2 minutes at most; exit code 1 if it was not"

export const waitingTheMessageToOnIsOn = (to: Part, slug: Part, messageId: Part): string =>
  `waiting: the message to ${to} on ${slug} is on this machine (${messageId})`

export const theBrokerDidNotAnswer = "The broker did not answer"

export const theNextCommandOrAgentOfYours = "The next command or agent of yours that reaches it sends the message."

export const toSeeItOrCancelItOutbox = (command: Part): string => `To see it or cancel it: ${command} outbox`

export const itWasNotShownYetItHas = "It was not shown yet: it has not left this machine."

export const itExpiredAndWasNeverShown = "It expired and was never shown."

export const itWasNotShownWithinMinutesAnd = (value: Part): string =>
  `It was not shown within ${value} minutes, and waits on.`

export const seeMessageStatus = (command: Part, messageId: Part): string =>
  `See: ${command} message-status ${messageId}`

export const theMessageIsInThisFileFor = "The message is in this file; - for stdin"

export const giveATextOrFileAndNot = "Give a text or --file, and not both. Nothing was sent."

export const thereIsNoTextGiveOneOr = "There is no text. Give one, or pipe one in. Nothing was sent."

export const typeTheMessageCtrlDOnAn = "claudemesh: Type the message; Ctrl-D on an empty line ends it."

export const theTextIsEmptyNothingWasSent = "The text is empty. Nothing was sent. Give a text."

export const theTextIsNotUtf8Nothing = "The text is not UTF-8. Nothing was sent."

export const stdinCannotBeReadNothingWasSent = (message: Part): string =>
  `stdin cannot be read: ${message}. Nothing was sent.`

export const itIsAFolderNothingWasSent = (path: Part): string => `${path}: it is a folder. Nothing was sent.`

export const hasMoreThanMiBAndAMessage = (where: Part, value: Part): string =>
  `${where} has more than ${value} MiB, and a message is much smaller. Nothing was sent.`

export const sendAPartOfIt = "Send a part of it, or say where it is."

export const isNothingWasSent = (where: Part, isWhat: Part): string => `${where} is ${isWhat}. Nothing was sent.`

export const convertItFirst = "Convert it first, such as with iconv."

export const whatSendSaidInBracketsOrThe = "What send said in brackets, or the first 8 characters or more of it"

export const noMessageOfThisMachineBeginsWith = (id: Part): string => `No message of this machine begins with ${id}.`

export const writeTheWholeIdToAskFor = "Write the whole id to ask for one that was sent from another machine."

export const severalMessagesBeginWith = (id: Part, ids: Part): string => `Several messages begin with ${id}: ${ids}.`

export const whetherItWaitsIsInASession =
  "whether it waits, is in a session, was shown or is expired, for each who was to get it"

export const theBrokerDoesNotKnowTheMessage = (messageId: Part): string =>
  `the broker does not know the message ${messageId}, which was written on this machine: it was refused or cancelled and never sent, or was sent too long ago`

export const theBrokerKnowsNoMessageOfYours = (messageId: Part): string =>
  `the broker knows no message ${messageId} of yours: the id is wrong, or the message was sent too long ago`

export const onNobodyWasThereToGetIt = (sentToNobody: Part, mesh: Part): string =>
  `${sentToNobody} on ${mesh}: nobody was there to get it`

export const waitingToBeSent = "waiting to be sent"

export const theMessageByItsIdOrThe = "The message, by its id or the first 8 characters or more of that"

export const noMessageWaitsToBeSent = (id: Part): string => `No message ${id} waits to be sent.`

export const listThemWithOutbox = (command: Part): string => `List them with: ${command} outbox`

export const writeMoreOfTheId = "Write more of the id."

export const theMessageToHasLeftThisMachine = (entry: Part): string =>
  `The message to ${entry} has left this machine and may have arrived. It cannot be cancelled any more.`

export const theMessageToWasSentAMoment = (entry: Part): string => `The message to ${entry} was sent a moment ago.`

export const cancelledTheMessageToIsNotSent = (entry: Part): string => `Cancelled: the message to ${entry} is not sent.`

export const cancelAMessageThatHasNotLeft = "Cancel a message that has not left this machine"

export const asClaudemeshOutboxListsIt = "As `claudemesh outbox` lists it"

export const nothingWaitsToBeSent = "Nothing waits to be sent."

export const whatWaitsForABrokerThatIs = "What waits for a broker that is away"

export const notToSendOneOfThem = "Not to send one of them"

export const theMessageByTheIdThatInbox =
  "The message, by the id that inbox prints, or the first 8 characters or more of it"

export const theAnswerOrNothingFromStdin = "The answer; - or nothing: from stdin"

export const byTheIdThatClaudemeshInboxPrints = "By the id that claudemesh inbox prints"

export const withATextFromAFile = "With a text from a file"

export const aNameAPublicKeyKeySession =
  "A name, a public key, key/session, '#channel', tag:label or '*'; slug:target where several meshes have it"

export const theMessageOrNothingFromStdin = "The message; - or nothing: from stdin"

export const whatAnotherProgramPrints = "What another program prints"

export const inOneOfSeveralMeshesUrgently = "In one of several meshes, urgently"

export const andWaitUntilBobWasShownIt = "And wait until bob was shown it"

export const toEveryoneWhoJoinedAChannel = "To everyone who joined a channel"

export const toAllAlsoThoseWhoAreAway = "To all, also those who are away"

export const behindNothingIsAFlag = "Behind -- nothing is a flag"
