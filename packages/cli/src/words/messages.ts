/** What is said of a message and of whoever wrote it, in terminals and to models alike. */
import type { Part } from "./Part.ts"

export const inSessionNotConfirmedAsShown = "in session, not confirmed as shown"

export const noMeshIsJoined = "no mesh is joined."

export const noMeshOfThisSlugIsJoined = (value: Part): string => `no mesh ${value} is joined.`

export const joinedMeshes = (near: Part, slugs: Part): string => `${near}Joined meshes: ${slugs}.`

export const severalMeshesAreJoined = "several meshes are joined."

export const sayWhichWithMesh = (slugs: Part): string => `Say which one with --mesh: ${slugs}.`

export const notSentYourMessageToWasRefused = (to: Part, messageId: Part, explanation: Part): string =>
  `Not sent: your message to ${to} (${messageId}) was refused: ${explanation}`

export const inASessionNotShownYet = "In a session, not shown yet"

export const waitingUntilASessionOfTheirsTakes = "Waiting until a session of theirs takes it"

export const refusedBecauseTheInboxIsFull = "Refused, because the inbox is full"

export const inSSessionNotShownYet = (name: Part): string => `In ${name}'s session, not shown yet.`

export const heldDoesNotWantToBeDisturbed = (name: Part, until: Part): string =>
  `Held: ${name} does not want to be disturbed${until}. It goes to their session after that, once they are idle, or when they look for messages.`

export const heldWhileIsBusyItGoesTo = (name: Part): string =>
  `Held while ${name} is busy. It goes to their session once they are idle, or look for messages.`

export const waitsUntilSSessionConnects = (name: Part): string => `Waits until ${name}'s session connects.`

export const waitsUntilLooksForMessages = (name: Part): string => `Waits until ${name} looks for messages.`

export const waitsUntilSSessionTakesIt = (name: Part): string => `Waits until ${name}'s session takes it.`

export const refusedBecauseTheInboxOfIsFull = (name: Part): string =>
  `Refused, because the inbox of ${name} is full. Send it again later.`

export const leftOutBecauseNoneOfTheirKeys = (got: Part, unsealed: Part): string =>
  `${got} Left out, because none of their keys is known or their client cannot open it: ${unsealed}.`

export const nobodyElseIsInTheMesh = "nobody else is in the mesh"

export const noOtherSessionIsIn = (spec: Part): string => `no other session is in ${spec}`

export const noOtherSessionHasTheTag = "no other session has the tag"

export const theBrokerDeliversItWithThanIts = (what: Part): string =>
  `the broker delivers it with ${what} than its sender wrote. Tell your user: the broker may be changing messages.`

export const itWasWrittenForAnotherMesh = "it was written for another mesh."

export const itWasWrittenToSomebodyElseOr = "it was written to somebody else, or to another group."

export const anotherMessageThatItAnswers = "another message that it answers"

export const theSendersClockIsMoreThan5 =
  "the sender's clock is more than 5 minutes ahead. Ask them to set it and send again."

export const itsContentIsDamagedAskItsSender = "its content is damaged. Ask its sender to send it again."

export const itIsMoreThan31DaysOld = "it is more than 31 days old, so it is a copy that somebody kept."

export const itIsSealedTheWayTheFirst =
  "it is sealed the way the first clients do, and its sender's client does not do that."

export const theSendersKeyIsNotAValid = "the sender's key is not a valid key."

export const itWasNotEncryptedForThisMembers =
  "it was not encrypted for this member's key by its sender. Ask its sender to send it again."

export const itIsNotText = "it is not text."

export const theMemberThatItNamesDidNot = "the member that it names did not write it."

export const itCameUnencryptedAndThisMeshTakes = "it came unencrypted, and this mesh takes encrypted messages only."

export const revokedNotAMemberAnyMoreSo = "revoked: not a member any more, so nothing can be sent back"

export const uncertifiedNobodyProvesThatThisKeyIs =
  "uncertified: nobody proves that this key is a member's, so nothing is sent back; ask its owner to join by an invite link"

export const notEncryptedWhoWroteItIsNot = "not encrypted: who wrote it is not proved"

export const theMessageToOnWritten = (report: Part, mesh: Part, since: Part): string =>
  `the message to ${report} on ${mesh}, written ${since},`

export const notSentYetWaitsOnThisMachine = (message: Part): string =>
  `Not sent yet: ${message} waits on this machine to be sent.`

export const sentNotAnsweredYetMayHaveReached = (message: Part): string =>
  `Sent, not answered yet: ${message} may have reached the broker.`

export const notSentWasRefused = (message: Part, explanation: Part): string =>
  `Not sent: ${message} was refused: ${explanation}`

export const thisMachineKnowsNobodyCalled = (who: Part, why: Part): string =>
  `This machine knows nobody called ${who}, and the broker cannot be asked: ${why}.`

export const theBrokerWasNotAsked = (why: Part): string =>
  `This is about the members that this machine knows, since the broker cannot be asked: ${why}.`
