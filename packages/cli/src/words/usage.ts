/** Of the line itself: what was wrong with it, and what the environment may hold. */
import type { Part } from "./Part.ts"

export const thisIsAMistakeInClaudemeshAnd = (what: Part): string =>
  `This is a mistake in claudemesh, and not yours: ${what}`

export const pleaseReportItWithTheOutputOf = (command: Part): string =>
  `Please report it, with the output of: ${command} --version`

export const folderOfYourKeysAndMeshesDefault = "Folder of your keys and meshes (default ~/.claudemesh)"

export const brokerOfNewMeshesWhereBrokerDoes = "Broker of new meshes, where --broker does not say it"

export const howLongToWaitForABroker = "How long to wait for a broker, where --timeout does not say it, such as 60s"

export const passphraseOfExportAndImportWhereNo = "Passphrase of export and import, where no terminal is there to ask"

export const fileOrKeychainWhereYourSecretKeys = "file or keychain: where your secret keys are kept (default file)"

export const howManyShownMessagesStayReadableHere =
  "How many shown messages stay readable here (default 200; 0 for none)"

export const andForHowManyDaysDefault7 = "And for how many days (default 7)"

export const noneYourSessionsTellTheMeshNeither = "none: your sessions tell the mesh neither folder, host nor branch"

export const howOftenAnIdleClaudeCodeMay = "How often an idle Claude Code may be woken (default 20; 0 for never)"

export const theBrokersAdminTokenForCreate = "The broker's admin token, for create"

export const throughWhichProxyBrokersAreReachedNever =
  "Through which proxy brokers are reached; never those of this machine"

export const noColoursColoursAlsoWhereNoTerminal = "No colours; colours also where no terminal is"

export const mayBeLeftOut = " (may be left out)"

export const claudemeshHelpCommandItsFlagsAndExamples = "  claudemesh help <command>: its flags, and examples"

export const howLongToWaitForABroker2 = "How long to wait for a broker that does not answer: 5s, 2m (default 30s)"

export const writeAWholeNumber = "Write a whole number."

export const aTextThatBeginsWithADash = " A text that begins with a dash stands behind --."

export const isMoreThanThisCommandTakesPut = (words: Part): string =>
  `${words} is more than this command takes. Put a text of several words in quotes.`

export const isMoreThanThisCommandTakes = (words: Part): string => `${words} is more than this command takes.`

export const chooseAMeshWithMesh = " Choose a mesh with --mesh."

export const takesNoArgumentAndIsOne = (called: Part, words: Part, hint: Part): string =>
  `${called} takes no argument, and ${words} is one.${hint}`

export const isNotACommand = (subcommand: Part, suggestions: Part): string =>
  `"${subcommand}" is not a command.${suggestions}`

export const isNotAFlag = (option: Part, part: Part, suggestions: Part, command: Part): string =>
  `${option} is not a flag${part}.${suggestions}${command}`

export const isNotATime = (text: Part, like: Part): string => `${text} is not a time; ${like}`

export const hasNoneOfTheUnits = (text: Part, listed: Part, like: Part): string =>
  `${text} has none of the units ${listed}; ${like}`

export const isNoTimeAtAll = (text: Part, like: Part): string => `${text} is no time at all; ${like}`

export const whereSpansOfMessagesAreExported =
  "Where spans of messages are exported, by OTLP; the other OTEL_* are read as usual"
