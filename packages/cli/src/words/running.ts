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
