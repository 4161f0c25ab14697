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
import * as does from "./words/commands.ts"

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
  entry("create", does.makeAMeshAndItsOwnerKey, async () => (await import("./commands/create.ts")).create),
  entry("invite", does.makeALinkByWhichOthersJoin, async () => (await import("./commands/invite.ts")).invite),
  entry("join", does.joinAMeshByAnInviteLink, async () => (await import("./commands/join.ts")).join),
  entry("invites", does.listTheInviteLinksOfAMesh, async () => (await import("./commands/invites.ts")).invites),
  entry(
    "revoke-invite",
    does.endAnInviteLinkOfAMesh,
    async () => (await import("./commands/revokeInvite.ts")).revokeInvite,
  ),
  entry("revoke", does.removeAMemberFromAMeshFor, async () => (await import("./commands/revoke.ts")).revoke),
  entry("leave", does.leaveAMeshForGoodYourKey, async () => (await import("./commands/leave.ts")).leave),
  entry("verify", does.compareKeysWithAMemberByVoice, async () => (await import("./commands/verify.ts")).verify),
  entry("whoami", does.showWhoYouAreInEachMesh, async () => (await import("./commands/whoami.ts")).whoami),
  entry("rename", does.callAMemberOtherwiseOnThisMachine, async () => (await import("./commands/rename.ts")).rename),
  entry("list", does.listTheMeshesYouHaveJoined, async () => (await import("./commands/list.ts")).list),
  entry("peers", does.showWhoIsInYourMeshesAnd, async () => (await import("./commands/peers.ts")).peers),
  entry("channels", does.showTheChannelsOfYourMeshesAnd, async () => (await import("./commands/channels.ts")).channels),
  entry("send", does.sendAMessageEndToEndEncrypted, async () => (await import("./commands/send.ts")).send),
  entry("reply", does.answerAMessageThatWasShownOn, async () => (await import("./commands/reply.ts")).reply),
  entry(
    "message-status",
    does.showWhatBecameOfAMessageYou,
    async () => (await import("./commands/messageStatus.ts")).messageStatus,
  ),
  entry("inbox", does.readTheMessagesThatWaitForYou, async () => (await import("./commands/inbox.ts")).inbox),
  entry("outbox", does.listTheMessagesOfThisMachineThat, async () => (await import("./commands/outbox.ts")).outbox),
  entry("status", does.showWhetherYourMeshesAreReachedAnd, async () => (await import("./commands/status.ts")).status),
  entry("move", does.followAMeshWhoseBrokerHasAnother, async () => (await import("./commands/move.ts")).move),
  entry("privacy", does.showOrChangeWhatYourSessionsTell, async () => (await import("./commands/privacy.ts")).privacy),
  entry(
    "export",
    does.writeYourIdentityAndItsKeysTo,
    async () => (await import("./commands/exportIdentity.ts")).exportIdentity,
  ),
  entry(
    "import",
    does.takeOverAnIdentityThatWasExported,
    async () => (await import("./commands/importIdentity.ts")).importIdentity,
  ),
  entry("install", does.connectClaudeCodeOrAnotherHostOf, async () => (await import("./commands/install.ts")).install),
  entry(
    "uninstall",
    does.removeWhatInstallHasPutIntoAgents,
    async () => (await import("./commands/uninstall.ts")).uninstall,
  ),
  entry("doctor", does.checkThisMachineTheBrokersAndThe, async () => (await import("./commands/doctor.ts")).doctor),
  entry("mcp", does.serveMcpOnStdioForAnAgents, async () => (await import("./commands/mcp.ts")).mcp),
  entry(
    "broker",
    does.runTheBrokerItsSettingsAreEnvironment,
    async () => (await import("./commands/broker.ts")).broker,
  ),
  entry("audit", does.exportCheckAndShowTheAudit, async () => (await import("./commands/audit.ts")).audit),
  entry(
    "completion",
    does.printAScriptThatCompletesCommandsPeers,
    async () => (await import("./commands/completion.ts")).completion,
  ),
  entry("help", does.showHowACommandIsCalledWith, async () => (await import("./commands/help.ts")).help),
  entry("demo", does.showTwoPeersExchangingAMessageThrough, async () => (await import("./commands/demo.ts")).demo),
  entry(
    "seed-test-mesh",
    does.makeAMeshWithTestMembersOn,
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
    Command.withDescription(does.endToEndEncryptedMessagesBetweenPeoples),
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
    if (topic !== undefined) return yield* new Misused({ reason: does.thereIsNoCommandToHelpWith(topic) })
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
