/** What the commands that run something, or connect a host, say. */
import type { Part } from "./Part.ts"

export const on1270017900With = "On 127.0.0.1:7900, with its data in ~/.claudemesh/broker"

export const needsNothingLeavesNothingBehind = "Needs nothing, leaves nothing behind"

export const forAScriptExitCode1If = "For a script; exit code 1 if a check failed"

export const theCommandToExplain = "The command to explain"

export const theSameAsClaudemeshSendHelp = "The same as claudemesh send --help"

export const withoutAPluginServerAndHooksIn =
  "Without a plugin: server and hooks in the settings of Claude Code, yours or this folder's"

export const anotherHostThanClaudeCode = "Another host than Claude Code"

export const onlyShowTheDifference = "Only show the difference"

export const settingsIsForClaudeCodeAndFor =
  "--settings is for Claude Code, and --for is for another host: give one of them"

export const asAPluginOfClaudeCode = "As a plugin of Claude Code"

export const showWhatWouldBeWrittenWithoutA = "Show what would be written without a plugin"

export const aLabelOfThisSessionForTag = "A label of this session, for tag:label; may be repeated"

export const aChannelToJoinWithoutMayBe = "A channel to join, without #; may be repeated"

export const connectClaudeCodeWhichStartsThisBy = "Connect Claude Code, which starts this by itself then"

export const asOneOfAGroupFromThe = "As one of a group from the start"

export const whatTheMeshIsCalledDefaultTest = "What the mesh is called (default test)"

export const howManyAliceBobCarolDefault2 = "How many: alice, bob, carol, … (default 2)"

export const writeDirNameConfigJsonForEach = "Write DIR/<name>/config.json for each member, for CLAUDEMESH_HOME"

export const isNotOnThisMachineTestMeshes = (url: Part): string =>
  `${url} is not on this machine; test meshes are made on a loopback broker only`

export const madeTheTestMeshOn = (slug: Part, meshId: Part, url: Part): string =>
  `Made the test mesh ${slug} (${meshId}) on ${url}.\n`

export const nextClaudemeshHomeSendHello = (first: Part, command: Part, value: Part): string =>
  `\nNext:  CLAUDEMESH_HOME=${first} ${command} send ${value} "hello"`

export const twoMembersEachWithAHomeOf =
  "Two members, each with a home of its own: CLAUDEMESH_HOME=./test-homes/alice claudemesh peers"

export const fiveMembersAsJson = "Five members, as JSON"

export const hasAMeshAlready = (folder: Part, slug: Part): string => `${folder} has a mesh ${slug} already.`

export const giveTheNewOneAnotherName = "Give the new one another name with --slug, or write --into another folder."

export const showWhatWouldBeRemoved = "Show what would be removed"

export const bashZshOrFish = "bash, zsh or fish"

export const namesForScripts = "For the scripts: the names that there are, one a line"

export const sayForWhichShell = "Say for which shell: bash, zsh or fish."

export const inTheShellsOwnFile = "In ~/.bashrc; the same with zsh in ~/.zshrc"

export const whereTheBackupGoes = "Where the backup goes; nothing may be there"

export const postgresHasItsOwnBackups = "DATABASE_URL is set, and Postgres has backups of its own."

export const backPostgresUpWithPgDump = "Back it up with pg_dump, see docs/operations.md."

export const ofTheFolderThatTheBrokerUses = "Of ~/.claudemesh/broker, or of BROKER_DATA_DIR"

export const copyItWhileItRuns = "Copy what it has stored, while it runs"

export const backedUp = (made: { file: Part; bytes: Part; meshes: Part; waiting: Part }): string =>
  `${made.file}: ${made.bytes} bytes, ${made.meshes} meshes, ${made.waiting} messages that wait. It was looked through and is whole.`

export const moveTheStore = "Move all that the broker has stored to another database; the broker must be stopped"

export const whereTheStoreGoes =
  "Where it goes: the URL of an empty Postgres database, or, from Postgres, a folder for the embedded store"

export const toPostgres = "From BROKER_DATA_DIR, or ~/.claudemesh/broker, to Postgres"

export const backToAFolder = "And back: DATABASE_URL says from where"

export const bothArePostgres = "DATABASE_URL is set, so what is to be moved is in Postgres already."

export const unsetDatabaseUrl =
  "Unset DATABASE_URL to move the embedded store; from one Postgres to another use pg_dump and pg_restore."

export const bothAreFolders = "DATABASE_URL is not set, so what is to be moved is in a folder already."

export const copyTheFile =
  "Give the URL of a Postgres database; to another folder, move broker.sqlite while the broker is stopped."

export const targetUrlIsWrong = (why: Part): string => `The database to move to cannot be used: ${why}.`

export const asMuchIsMoved = (kind: Part, done: Part, of: Part): string => `${kind}: ${done} of ${of}`

export const movedFromTo = (source: Part, target: Part): string =>
  `Moved from ${source} to ${target}. Counted on both sides:`

export const startOnTheNewOne = (setting: Part): string =>
  `The old store is as it was. Start the broker with ${setting}, and no broker on the old store any more: what it accepted would be missing here.`

export const inPostgresNow = "the new DATABASE_URL"

export const inAFolderNow = (folder: Part): string => `BROKER_DATA_DIR=${folder} and without DATABASE_URL`

export const noStoreThere = (file: Part): string => `There is no ${file}.`

export const setTheDataDir = "Set BROKER_DATA_DIR as the broker has it."

export const aBrokerUses = (store: Part): string => `A broker is using ${store}. Nothing was moved.`

export const stopTheBrokerFirst = "Stop it, then move. On Postgres an audit command that runs counts as one, too."

export const isNotEmpty = (what: Part): string => `The target is not empty (${what}). Nothing was moved.`

export const giveAnEmptyTarget =
  "Give another database or folder. If nothing there is needed, DROP SCHEMA mesh CASCADE empties the database, and a folder is empty without broker.sqlite."

export const sourceUnusable = (why: Part): string => `What is stored cannot be read: ${why}. Nothing was moved.`

export const targetUnusable = (why: Part): string => `The target cannot be used: ${why}. Nothing was moved.`

export const moveAgain = "The source is as it was. Mend the cause, then move again."

export const textsOfGroups = "texts of group messages that wait"

export const entriesFromBefore = "audit entries from before the chain"

export const ackedDeliveries = "deliveries that were acked"
