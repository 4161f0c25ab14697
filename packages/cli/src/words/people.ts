/** What the commands about members, and about oneself, say. */
import type { Part } from "./Part.ts"

export const anAgentJoinsOneByItsTool = "An agent joins one by its tool, or as it starts"

export const noChannelsAnAgentJoinsOneWith = "No channels: an agent joins one with join_channel."

export const tryAgainOnceTheBrokerIsThere = (command: Part, line: Part): string =>
  `Try again once the broker is there. If it is gone for good: ${command} leave ${line} --forget`

export const theMeshToLeaveByItsSlug = "The mesh to leave, by its slug"

export const ofAMeshThatYouOwnIts = "Of a mesh that you own: its owner's key is lost, unless you have exported it"

export const ofAMeshWhoseBrokerIsGone = "Of a mesh whose broker is gone: forget it here, without asking that broker"

export const youOwnNobodyCouldMakeItsAdmins = (slug: Part): string =>
  `you own ${slug}: nobody could make its admins any more.`

export const keepTheKeyThenLeave = (command: Part, slug: Part, slug2: Part): string =>
  `Keep the key with: ${command} export ${slug}.json --mesh ${slug2}; then leave with --give-up-owner-key`

export const yourKeyThereIsForgottenAndNot = (pubkey: Part): string =>
  `Your key there is forgotten, and not revoked: where the mesh goes on without this machine, others still encrypt to it. Its owner can revoke it: ${pubkey}.`

export const yourKeyThereIsRevokedAndForgotten = (slug: Part): string =>
  `Your key there is revoked and forgotten: nobody encrypts to you any more, and your sessions in ${slug} end.`

export const whatWaitsForYouAndWasNot =
  "What waits for you and was not read is lost, and so is what this machine has kept of the mesh."

export const toComeBackYouNeedANew = "To come back you need a new invite, and others have to compare your new key."

export const youOwnItUnlessYouHaveExported =
  "You own it: unless you have exported its owner's key, nobody can make admins there any more."

export const isForgottenHereYourKeyIsNot = (slug: Part): string =>
  `${slug} is forgotten here. Your key is not revoked there.`

export const yourKeyInIsForgottenHereAnd = (slug: Part, pubkey: Part): string =>
  `Your key in ${slug} is forgotten here, and still good there: one of the first clients joined it. To end it, ask the mesh's owner to revoke ${pubkey}.`

export const yourKeyInWasRevokedBeforeAs = (slug: Part): string =>
  `Your key in ${slug} was revoked before, as its broker says. It is forgotten here.`

export const youHaveLeftYourKeyIsRevoked = (slug: Part): string =>
  `You have left ${slug}. Your key is revoked there, and forgotten here.`

export const toComeBackYouNeedANew2 = "To come back you need a new invite"

export const whereItsBrokerIsGone = "Where its broker is gone"

export const noMeshIsJoinedMakeOneCreate = (command: Part, command2: Part): string =>
  `No mesh is joined. Make one: ${command} create my-team, or join one: ${command2} join '<link>'`

export const stayAndShowWhoComesGoesAnd = "Stay, and show who comes, goes and changes"

export const moreKeysAreNotAsTheyShould = (more: Part): string =>
  `${more} more keys are not as they should be: see --json`

export const itIsNotCertified = "it is not certified"

export const theBrokerListsTheKeyAs = (key: Part, brokerSays: Part, why: Part, todo: Part): string =>
  `the broker lists the key ${key} as ${brokerSays}; ${why}. ${todo}`

export const theBrokerDoesNotListWhoIs = (displayName: Part, key: Part): string =>
  `the broker does not list ${displayName} (${key}), who is certified: it hides them, or has lost them`

export const allFolderHostAndBranchNothingNone =
  "all: folder, host and branch; nothing: none of them (default: show what is told)"

export const aSessionHereTellsMembers = "A SESSION HERE TELLS MEMBERS"

export const whatASessionInThisFolderTells = "What a session in this folder tells the members; a broker never sees it"

export const noFolderHostAndBranchForOne = "No folder, host and branch for one mesh"

export const forAllMeshesAlsoThoseThatYou = "For all meshes, also those that you join later"

export const whatYouCallThemFromNowOn = "What you call them from now on, on this machine"

export const callThemByTheirOwnNameAgain = "Call them by their own name again"

export const giveTheNewNameOrUndoTo = "Give the new name, or --undo to call them by their own name again."

export const thatIsYouYourOwnNameIs = (slug: Part): string =>
  `That is you. Your own name is in your certificate, which was signed when you joined ${slug}.`

export const toBeCalledOtherwiseAskFor = (command: Part, slug: Part, command2: Part, name: Part): string =>
  `To be called otherwise ask for a new invite, then: ${command} leave ${slug}; ${command2} join '<link>' --as ${name}`

export const isCalledSoAlreadyOrLooksSo = (displayName: Part, pubkey: Part): string =>
  `${displayName} (${pubkey}) is called so already, or looks so.`

export const chooseAnotherName = "Choose another name."

export const isCalledByTheirOwnNameAgain = (memberName: Part, key: Part): string =>
  `${memberName} ${key} is called by their own name again on this machine.`

export const isFromNowOnOnThisMachine = (
  memberName: Part,
  key: Part,
  memberName2: Part,
  command: Part,
  pubkey: Part,
): string =>
  `${memberName} ${key} is ${memberName2} from now on, on this machine. They are not told. To undo it: ${command} rename ${pubkey} --undo`

export const theOneWithThisKey = "The one with this key"

export const byTheirOwnNameAgain = "By their own name again"

export const thatIsYou = "That is you."

export const toLeaveTheMesh = (command: Part, slug: Part): string => `To leave the mesh: ${command} leave ${slug}`

export const isOutOfAlready = (member: Part, slug: Part, standing: Part): string =>
  `${member} is out of ${slug} already: ${standing}.`

export const theKeyIsNotCertifiedSoThis =
  "The key is not certified, so this machine does not know whose it is. It cannot become a member any more."

export const theirSessionsEndAtOnceAndNobody = "Their sessions end at once, and nobody encrypts to them any more."

export const itIsForGoodAndForEverybody =
  "It is for good and for everybody: to come back they need a new invite, and get a new key."

export const whatTheyWereSentBeforeStaysWith =
  "What they were sent before stays with them. Members who joined by their invites stay."

export const isRevokedInItIsNotCertified = (member: Part, slug: Part): string =>
  `${member} is revoked in ${slug}. It is not certified, so this machine does not know whose it is: it cannot become a member any more.`

export const isOutOfTheirSessionsAreEnded = (member: Part, slug: Part): string =>
  `${member} is out of ${slug}: their sessions are ended, and nobody encrypts to them any more.`

export const membersWhoJoinedByTheirInvitesStay = (kept: Part): string =>
  `Members who joined by their invites stay: ${kept}.`

export const byTheNameInHisCertificateIt = "By the name in his certificate; it asks first"

export const byTheBeginningOfTheKeyWhere = "By the beginning of the key, where names are alike"

export const youHaveComparedTheNumberAndIt = "You have compared the number, and it is the same: remember that"

export const nameAnotherMemberTo = "Name another member to compare keys with."

export const youHaveComparedThisNumberWithAnd = (displayName: Part, pubkey: Part): string =>
  `You have compared this number with ${displayName} (${pubkey}), and it was the same:`

export const readThisNumberToWhoSeesIt = (displayName: Part, pubkey: Part, displayName2: Part): string =>
  `Read this number to ${displayName} (${pubkey}), who sees it with: claudemesh verify ${displayName2}`

export const ifItIsTheSameForBoth = (same: Part): string => `If it is the same for both of you: ${same}`

export const theNumberBobRunsTheSameWith = "The number; bob runs the same with your name"

export const onceYouBothSeeTheSameThe = "Once you both see the same: the line that was printed, with bob's whole key"

export const whatOthersSeeAndTheDigitsThat = "What others see, and the digits that are yours in a safety number"

export const ownerTheMeshsJoinShowsItTo = (ownerFingerprint: Part): string =>
  `  owner        ${ownerFingerprint} (the mesh's: join shows it to whoever is invited)`

export const tellsASessionHereToTheMembers = (tells: Part, command: Part): string =>
  `  tells        ${tells} (a session here, to the members alone; change it with: ${command} privacy)`
