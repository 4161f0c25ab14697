/**
 * Every command by its name. Only the one that is called is loaded, with what it stands on: help and a host's first answer
 * wait for no other. What it does is said here as well, for the list of them all (a test holds the two together).
 */
import * as BunServices from "@effect/platform-bun/BunServices"
import { Console, Effect, Layer } from "effect"
import { CliError, CliOutput, Command, type HelpDoc } from "effect/unstable/cli"
import { coloured } from "./Coloured.ts"
import { withDashedWords } from "./DashedWords.ts"
import { Misused } from "./Failed.ts"
import { groupNames, placeOf } from "./usage/Groups.ts"
import { colours, helpText } from "./usage/HelpText.ts"
import { programVersion } from "./usage/ProgramVersion.ts"
import { patience, Timeout } from "./usage/Timeout.ts"
import { waits } from "./usage/Waits.ts"

const services = Layer.unwrap(Effect.promise(async () => (await import("./Services.ts")).services)).pipe(
  Layer.merge(patience),
  Layer.merge(waits),
)

const entry = <Name extends string, Input, Context, E, R>(
  name: Name,
  does: string,
  load: () => Promise<Command.Command<Name, Input, Context, E, R>>,
) => ({ name, does, load: async () => Command.provide(await load(), services) })

export const catalogue = [
  entry(
    "create",
    "Make a mesh and its owner key, with yourself as its first member",
    async () => (await import("./commands/create.ts")).create,
  ),
  entry(
    "invite",
    "Make a link by which others join a mesh of yours",
    async () => (await import("./commands/invite.ts")).invite,
  ),
  entry("join", "Join a mesh by an invite link", async () => (await import("./commands/join.ts")).join),
  entry(
    "invites",
    "List the invite links of a mesh that you own or are an admin of",
    async () => (await import("./commands/invites.ts")).invites,
  ),
  entry(
    "revoke-invite",
    "End an invite link of a mesh; who has joined by it stays",
    async () => (await import("./commands/revokeInvite.ts")).revokeInvite,
  ),
  entry(
    "revoke",
    "Remove a member from a mesh for good; only its owner and its admins can",
    async () => (await import("./commands/revoke.ts")).revoke,
  ),
  entry(
    "leave",
    "Leave a mesh for good: your key is revoked there, and nobody encrypts to it any more",
    async () => (await import("./commands/leave.ts")).leave,
  ),
  entry(
    "verify",
    "Compare keys with a member by voice, and remember that you did",
    async () => (await import("./commands/verify.ts")).verify,
  ),
  entry(
    "whoami",
    "Show who you are in each mesh: name, key, fingerprint, role and broker",
    async () => (await import("./commands/whoami.ts")).whoami,
  ),
  entry(
    "rename",
    "Call a member otherwise on this machine, such as one of two with one name",
    async () => (await import("./commands/rename.ts")).rename,
  ),
  entry("list", "List the meshes you have joined", async () => (await import("./commands/list.ts")).list),
  entry(
    "peers",
    "Show who is in your meshes, and who is connected",
    async () => (await import("./commands/peers.ts")).peers,
  ),
  entry(
    "channels",
    "Show the channels of your meshes, and how many are in them",
    async () => (await import("./commands/channels.ts")).channels,
  ),
  entry("send", "Send a message, end-to-end encrypted", async () => (await import("./commands/send.ts")).send),
  entry(
    "reply",
    "Answer a message that was shown on this machine",
    async () => (await import("./commands/reply.ts")).reply,
  ),
  entry(
    "message-status",
    "Show what became of a message you sent",
    async () => (await import("./commands/messageStatus.ts")).messageStatus,
  ),
  entry(
    "inbox",
    "Read the messages that wait for you; each is shown once",
    async () => (await import("./commands/inbox.ts")).inbox,
  ),
  entry(
    "outbox",
    "List the messages of this machine that wait to be sent; cancel one",
    async () => (await import("./commands/outbox.ts")).outbox,
  ),
  entry(
    "status",
    "Show whether your meshes are reached, and what waits for you",
    async () => (await import("./commands/status.ts")).status,
  ),
  entry(
    "move",
    "Follow a mesh whose broker has another address now",
    async () => (await import("./commands/move.ts")).move,
  ),
  entry(
    "privacy",
    "Show or change what your sessions tell a mesh about where they run",
    async () => (await import("./commands/privacy.ts")).privacy,
  ),
  entry(
    "export",
    "Write your identity and its keys to a file, encrypted with a passphrase",
    async () => (await import("./commands/exportIdentity.ts")).exportIdentity,
  ),
  entry(
    "import",
    "Take over an identity that was exported on another machine",
    async () => (await import("./commands/importIdentity.ts")).importIdentity,
  ),
  entry(
    "install",
    "Connect Claude Code, or another host of agents, to your meshes",
    async () => (await import("./commands/install.ts")).install,
  ),
  entry(
    "uninstall",
    "Remove what install has put into agents' hosts; your keys and meshes stay",
    async () => (await import("./commands/uninstall.ts")).uninstall,
  ),
  entry(
    "doctor",
    "Check this machine, the brokers and the agents' hosts, and say what to do",
    async () => (await import("./commands/doctor.ts")).doctor,
  ),
  entry("mcp", "Serve MCP on stdio, for an agent's host to start", async () => (await import("./commands/mcp.ts")).mcp),
  entry(
    "broker",
    "Run the broker; its settings are environment variables, see README.md",
    async () => (await import("./commands/broker.ts")).broker,
  ),
  entry(
    "completion",
    "Print a script that completes commands, peers, meshes and channels in your shell",
    async () => (await import("./commands/completion.ts")).completion,
  ),
  entry("help", "Show how a command is called, with examples", async () => (await import("./commands/help.ts")).help),
  entry(
    "demo",
    "Show two peers exchanging a message through a broker of their own, then what it stored",
    async () => (await import("./commands/demo.ts")).demo,
  ),
  entry(
    "seed-test-mesh",
    "Make a mesh with test members on a broker of this machine; their keys are printed",
    async () => (await import("./commands/seedTestMesh.ts")).seedTestMesh,
  ),
]

/** What asks for every flag of every command. */
const needsAll = (word: string): boolean => word.startsWith("--completions") || word === "--wizard"

/** Those are there for programs, and would be more than half of the page. */
const hidden: ReadonlySet<string> = new Set(["completions", "wizard"])

const rootFor = async (line: ReadonlyArray<string>) => {
  const all = line.some(needsAll)
  const commands = await Promise.all(
    catalogue.map(async ({ does, load, name }) =>
      all || line.includes(name) ? await load() : Command.make(name).pipe(Command.withDescription(does)),
    ),
  )
  const inGroup = (group: string) =>
    commands
      .filter(({ name }) => placeOf(name)?.group === group)
      .toSorted((one, other) => (placeOf(one.name)?.at ?? 0) - (placeOf(other.name)?.at ?? 0))
  return Command.make("claudemesh").pipe(
    Command.withDescription("End-to-end encrypted messages between people's coding agents"),
    Command.withSubcommands(
      groupNames.flatMap((group) => {
        const [first, ...more] = inGroup(group)
        return first === undefined ? [] : [{ group, commands: [first, ...more] as const }]
      }),
    ),
    Command.withGlobalFlags([Timeout]),
  )
}

/** `help send` is `send --help`. */
const asFlags = (line: ReadonlyArray<string>): ReadonlyArray<string> => {
  const [first, ...about] = line
  return first === "help" ? ["--help", ...about] : line
}

const unknownTopic = (line: ReadonlyArray<string>): string | undefined => {
  const [first, about] = line
  if (first !== "help" || about === undefined || about.startsWith("-")) return undefined
  return catalogue.some(({ name }) => name === about) ? undefined : about
}

const printedMan = Effect.gen(function* () {
  const [{ commandLine }, { manPage }] = yield* Effect.promise(() =>
    Promise.all([import("./usage/CommandLine.ts"), import("./usage/ManPage.ts")]),
  )
  yield* Console.log(manPage(yield* commandLine).trimEnd())
})

/** Where the framework prints a page of help, this stands in its place until it is known what the page is for. */
const page = "\u0000help"

/**
 * The program that a line asks for, in which those commands are whole that it may call. A word of a message may be a
 * command's name, too: then one is loaded that is not called. Help that was asked for goes to stdout; nothing else does.
 */
export const run = async (asked: ReadonlyArray<string>) => {
  const topic = unknownTopic(asked)
  const line = asFlags(asked)
  const root = await rootFor(line)
  return Effect.gen(function* () {
    if (asked[0] === "help" && asked[1] === "--man") return yield* printedMan
    if (topic !== undefined) return yield* new Misused({ reason: `There is no command "${topic}" to help with.` })
    const console = yield* Console.Console
    let help: string | undefined
    const program = Command.runWith(root, { version: programVersion(), renderErrors: false })(
      withDashedWords(line),
    ).pipe(
      Effect.provideService(
        CliOutput.Formatter,
        formatter((doc) => void (help = helpText(withoutHidden(doc), coloured ? colours : undefined))),
      ),
      Effect.provideService(Console.Console, withoutPage(console)),
    )
    yield* Effect.tapError(program, (error) =>
      isAskedFor(error) ? Effect.sync(() => console.log(help ?? "")) : Effect.void,
    )
    if (help !== undefined) console.log(help)
  }).pipe(Effect.provide(BunServices.layer))
}

const formatter = (take: (doc: HelpDoc.HelpDoc) => void): CliOutput.Formatter =>
  Object.assign(CliOutput.defaultFormatter({ colors: false }), {
    formatVersion: (name: string, version: string) => `${name} v${version}`,
    formatHelpDoc: (doc: HelpDoc.HelpDoc) => {
      take(doc)
      return page
    },
  })

/** No command at all is a wish for help. */
const isAskedFor = (error: unknown): boolean =>
  CliError.isCliError(error) && error._tag === "ShowHelp" && error.errors.length === 0

const withoutPage = (console: Console.Console): Console.Console =>
  Object.assign(Object.create(console), {
    log: (...texts: ReadonlyArray<unknown>) => (texts[0] === page ? undefined : console.log(...texts)),
  })

const withoutHidden = (doc: HelpDoc.HelpDoc): HelpDoc.HelpDoc => ({
  ...doc,
  globalFlags: (doc.globalFlags ?? []).filter(({ name }) => !hidden.has(name)),
})

/** The help of the command that a line calls, whatever is wrong with the line. */
export const helpOf = (line: ReadonlyArray<string>): Effect.Effect<HelpDoc.HelpDoc | undefined> =>
  Effect.gen(function* () {
    const called = line.slice(0, line.includes("--") ? line.indexOf("--") : undefined)
    const root = yield* Effect.promise(() => rootFor(called))
    let found: HelpDoc.HelpDoc | undefined
    yield* Command.runWith(root, { version: "", renderErrors: false })(["--help", ...withDashedWords(called)]).pipe(
      Effect.provideService(
        CliOutput.Formatter,
        formatter((doc) => void (found = withoutHidden(doc))),
      ),
      Effect.updateService(Console.Console, withoutPage),
      Effect.provide(BunServices.layer),
      Effect.ignore,
    )
    return found
  })
