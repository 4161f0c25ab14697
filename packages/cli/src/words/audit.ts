/** What `audit` says. */
import type { Part } from "./Part.ts"

export const writeTheAuditToBeChecked = "Write the audit as lines of JSON that can be checked elsewhere, or its events"

export const checkThatNothingOfTheAuditWasAltered =
  "Check that nothing of the audit was altered, in the store or in an export; exit code 1 if it was"

export const showTheLastEvents = "Show the last events of the audit"

export const signTheLastBlockOfEachMesh =
  "Sign the last block of each mesh and print that, to be kept where the broker's operator cannot change it"

export const showTheHeadThatThisMachineKeeps =
  "Show the last block of each mesh's audit as its broker signed it for this machine, to be compared with another member's"

export const toCompareWithAnotherMember = "Whoever has the same block number must see the same hash"

export const asCheckpointsForVerify = "As lines of JSON, for claudemesh audit verify --kept"

export const forVerifyAsKept = "For who checks an export: claudemesh audit verify audit.jsonl --kept kept.jsonl"

export const theBrokerIsAway = (why: Part): string => `${why} What was kept earlier is shown.`

export const noHeadIsKept = (mesh: Part): string => `${mesh}: its broker has told nothing of its audit yet.`

export const keptHead = (one: { mesh: Part; block: Part; hash: Part; at: Part; key: Part }): string =>
  `${one.mesh}: block ${one.block} ${one.hash}, signed at ${one.at} by the audit key ${one.key}`

export const foundThen = (at: Part, what: Part): string => `  found at ${at}: ${what}.`

export const letAnotherKeySign =
  "Let another audit key sign from now on; the one before signs that, so whoever knows it follows by itself"

export const whileNoBrokerRunsOnTheFolder =
  "With DATABASE_URL while the broker runs; with BROKER_DATA_DIR while none does"

export const keyWasRotated = (before: Part, now: Part): string =>
  `The audit key is ${now} from now on. It was ${before}, which has signed that; its secret half is erased.\nWho checks the audit by the earlier key follows by itself. Note the new one where you noted that.`

export const onlyThisMeshByItsId = "Only the mesh with this id"

export const onlyWhatThisMemberDid = "Only what the member with this id did"

export const onlyThisMessage = "Only what is of the message with this id"

export const notBeforeThisTime = "Nothing before this time, such as 2026-11-24 or 2026-11-24T07:59:58.000Z"

export const beforeThisTime = "Nothing of this time or later"

export const stayAndShowWhatComes = "Stay, and show events as they come, until Ctrl-C"

export const whatThisMemberDoes = "What this member does, from now on"

export const followingTheAudit = "claudemesh: Following the audit. Ctrl-C ends this."

export const cannotBeReadNow = (why: Part): string => `claudemesh: ${why} It is tried again.`

export const howManyEvents = "How many events (default 20)"

export const blocksEventsOrCsv = "blocks, to be checked (default); events, as JSON; or csv"

export const theExportToCheck = "An export; without it the store of the broker is checked"

export const theBrokersPublicAuditKey =
  "The broker's public audit key, as you know it: 64 hex digits. Without it the key that the store or the export names is believed"

export const whatWasKept = "A file of what was kept earlier: checkpoints that were printed, or an earlier export"

export const ofTheBrokerThatItsVariablesName = "Of the broker whose BROKER_DATA_DIR or DATABASE_URL is set here"

export const anExportAgainstAKeyAndWhatWasKept = "An export, by a key that you know, against what you kept"

export const forAFileToKeepElsewhere = "Once a week, to a file that is kept elsewhere"

export const forASpreadsheet = "For a spreadsheet"

export const notATimeOfTheAudit = (text: Part): string =>
  `"${text}" is not a time. Write it like 2026-11-24 or 2026-11-24T07:59:58.000Z.`

export const filtersAreForEvents =
  "--from, --to, --member and --message choose events, and blocks are checked as a whole: add --format events or csv"

export const notAnAuditKey = (text: Part): string => `"${text}" is not an audit key, which is 64 hex digits.`

export const isNotARecord = (file: Part, line: Part): string =>
  `${file}, line ${line}: this is not a line of an export. The file is incomplete or was changed.`

export const cannotBeRead = (file: Part, why: Part): string => `${file} cannot be read: ${why}.`

export const hasNoAudit = (mesh: Part): string => `No audit of a mesh ${mesh} was found.`

export const nothingToCheck = "Nothing is recorded yet."

export const blocksChecked = (count: Part): string => `${count} blocks checked`

export const believedKey = (key: Part): string =>
  `Checked by the key ${key}, which is believed because the export names it. Give --key with the key that you know.`

export const isWhole = (one: { mesh: Part; blocks: Part; events: Part; first: Part; last: Part }): string =>
  `${one.mesh}: whole. ${one.blocks} blocks (${one.first} to ${one.last}), ${one.events} events`

export const signedUpTo = (number: Part): string => `, signed up to block ${number}.`

export const notSignedYet = ", not signed yet."

export const wasChanged = (mesh: Part, number: Part): string =>
  `${mesh}: block ${number} was changed. It is not what its hash was made of.`

export const isMissing = (mesh: Part, blocks: Part): string => `${mesh}: ${blocks} missing.`

export const wasInserted = (mesh: Part, number: Part): string =>
  `${mesh}: block ${number} was put in. It is not of the chain.`

export const wasReordered = (mesh: Part, number: Part): string =>
  `${mesh}: block ${number} stands in another place. The order was changed.`

export const wasCut = (mesh: Part, blocks: Part): string =>
  `${mesh}: ${blocks} missing at the end. The broker has signed that there were more.`

export const wasRewritten = (mesh: Part, number: Part): string =>
  `${mesh}: the history was rewritten. Block ${number} is another one than the broker has signed.`

export const isUnsigned = (mesh: Part, number: Part): string =>
  `${mesh}: the checkpoint of block ${number} is not signed by the audit key.`

export const beforeItAllIsWhole = (last: Part): string => ` Up to block ${last} it is whole.`

export const blockIs = (number: Part): string => `block ${number} is`

export const blocksAre = (first: Part, last: Part): string => `blocks ${first} to ${last} are`

export const wasAltered = (meshes: Part): string => `The audit was altered in ${meshes}.`
