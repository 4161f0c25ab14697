/** What the commands about an identity that is written to a file say. */
import type { Part } from "./Part.ts"

export const aPassphraseIsNeeded = "a passphrase is needed, and nobody is here to ask."

export const runThisInATerminalOrSet = (variable: Part): string => `Run this in a terminal, or set ${variable}.`

export const aPassphraseForTheFile = "A passphrase for the file"

export const theTwoPassphrasesDifferNothingWasWritten = "the two passphrases differ; nothing was written"

export const whereToWriteItAFileThat = "Where to write it; a file that is there is left alone"

export const writeTheConfigOfTheFirstClients =
  "Write the config of the first clients instead, which no passphrase protects, if you are certified for them"

export const isThereAlready = (path: Part): string => `${path} is there already.`

export const giveAnotherName = "Give another name."

export const whoeverHasTheFileCanActAs =
  "Whoever has the file can act as you there. Keep it to yourself, and put it where the first client looks for its config.json."

export const whoeverHasTheFileAndItsPassphrase = "Whoever has the file and its passphrase can act as you there."

export const wroteYourIdentityInTo = (slugs: Part, path: Part, warning: Part): string =>
  `Wrote your identity in ${slugs} to ${path}. ${warning}`

export const allMeshesThePassphraseIsAskedFor =
  "All meshes; the passphrase is asked for, or taken from CLAUDEMESH_PASSPHRASE"

export const theConfigJsonOfAFirstClient =
  "The config.json of a first client, for a mesh that was joined with --allow-first-clients"

export const yourCertificateInDoesNotAllowThe = (refused: Part): string =>
  `your certificate in ${refused} does not allow the first clients. Nothing was written.`

export const joinThereAsAnotherMember = (command: Part): string =>
  `Join there as another member, for them: CLAUDEMESH_HOME=<another folder> ${command} join '<link>' --allow-first-clients`

export const whatClaudemeshExportWrote = "What `claudemesh export` wrote"

export const nothingToTakeOverYouAreIn = (identities: Part): string =>
  `nothing to take over: you are in ${identities} here already`

export const nothingWasTakenOver = (message: Part): string => `${message}. Nothing was taken over.`

export const leaveThatOneFirst = "Leave that one first, or import into another CLAUDEMESH_HOME."

export const youAreInOnThisMachineToo = (taken: Part): string => `You are in ${taken} on this machine, too.`

export const youWereInHereAlready = (others: Part): string => `You were in ${others} here already.`

export const thePassphraseIsAskedForOrTaken = "The passphrase is asked for, or taken from CLAUDEMESH_PASSPHRASE"
