/** What is said where a mesh moves to another broker. */
import type { Part } from "./Part.ts"

export const theStatementIsIncomplete = "The statement is incomplete or damaged. Copy the whole word again."

export const staysAt = (slug: Part, from: Part, why: Part): string => `${slug} stays at ${from}: ${why}`

export const aStatementWasFollowed = "this statement, or a later one, was followed."

export const aLaterMoveIsKnown = "a later move is known."

export const useAWssUrl = "Use a wss:// URL."

export const ifItIsNotUpYet = (command: Part, slug: Part, to: Part): string =>
  `If it is not up yet: ${command} move ${slug} ${to} --unchecked`

export const toFollowForYourselfAlone = (command: Part, slug: Part, to: Part): string =>
  `To follow for yourself alone, before it is up: ${command} move ${slug} ${to} --unchecked`

export const isThereAlready = (slug: Part, to: Part): string => `${slug} is at ${to} already.`

export const isThereForYou = (slug: Part, to: Part): string =>
  `${slug} is at ${to} now, for you. Your key and what waits on this machine stay; your agents here follow.`

export const theOwnerMovesEverybody = (command: Part, slug: Part, to: Part): string =>
  `The mesh's owner moves everybody with the same command. Without the owner, the others run: ${command} move ${slug} ${to}`

export const theMeshWhoseBrokerHasMoved = "The mesh whose broker has moved, by its slug"

export const whereItsBrokerIsNow =
  "Where its broker is now, such as wss://mesh.example.com; or the owner's statement of it"

export const writeItDownWithoutAsking = "Write it down for oneself without asking that broker, which may not be up yet"

export const theNewBrokersAdminToken =
  "For the owner: the new broker's admin token, where it is not on this machine (or BROKER_ADMIN_TOKEN)"

export const asTheOwnerEverybodyFollows =
  "As the owner: everybody follows. Else: asks that broker first whether it knows you"

export const noProofOfYourOwnMembership = (slug: Part): string =>
  `this machine has no proof of your own membership in ${slug}.`

export const moveItWithAllItsMembers = (slug: Part): string => `Move ${slug} with all its members?`

export const fromTo = (from: Part, to: Part): string => `From ${from} to ${to}.`

export const theNewBrokerIsGivenWhatProves = (members: Part): string =>
  `The new broker is given what proves its ${members} members; nobody needs a new invite.`

export const messagesThatNobodyHasReadStay =
  "Messages that the old broker has accepted and nobody has read stay there. Links made before lead there, too: make new ones."

export const theOldBrokerTells = "The old broker tells everybody, now and for as long as it runs."

export const theOldBrokerDoesNotAnswer =
  "The old broker does not answer: members who joined lately may be missing, and you hand your statement to everybody."

export const recordsWereNotTaken = (left: Part): string =>
  `claudemesh: ${left} records of members who were revoked were not taken there.`

export const hasMovedYourAgentsFollow = (slug: Part, to: Part): string =>
  `${slug} has moved to ${to}. Your agents here follow.`

export const theOldBrokerTellsAllMembers =
  "The old broker tells all members; each client follows when it hears of it, by your signature. Leave that broker running until all have."

export const theOldBrokerCouldNotBeTold = "The old broker could not be told."

export const whoeverDoesNotHearOfIt = (command: Part, slug: Part, statement: Part): string =>
  `Whoever does not hear of it runs: ${command} move ${slug} ${statement}`

export const wasMovedByItsOwner = (slug: Part, to: Part, when: Part): string =>
  `${slug} was moved to ${to} by its owner, ${when}.`

export const beforeItIsUp = "Before it is up"
