/** `completion`: a script for a shell, and the names that the script asks for. Nothing that fails is said: somebody presses Tab. */
import { nameAmongWords } from "@claudemesh/client/roster/FindNamed"
import { KnownMembers } from "@claudemesh/client/trust/KnownMembers"
import { Console, Effect, Option } from "effect"
import { Argument, Command, Flag } from "effect/unstable/cli"
import { Misused } from "../Failed.ts"
import { clientLayer, connect, joinedMeshes } from "../Meshes.ts"
import { printable } from "../Output.ts"
import * as does from "../words/commands.ts"
import * as runWords from "../words/running.ts"

export const completion = Command.make(
  "completion",
  {
    shell: Argument.Literals("shell", ["bash", "zsh", "fish"]).pipe(
      Argument.withDescription(runWords.bashZshOrFish),
      Argument.optional,
    ),
    names: Flag.Literals("names", ["meshes", "peers", "channels", "targets"]).pipe(
      Flag.withDescription(runWords.namesForScripts),
      Flag.optional,
    ),
  },
  Effect.fn(function* ({ names, shell }) {
    if (Option.isSome(names)) {
      const found = yield* Effect.orElseSucceed(namesOf(names.value), () => [])
      return yield* found.length === 0 ? Effect.void : Console.log([...new Set(found)].join("\n"))
    }
    if (Option.isNone(shell)) {
      return yield* new Misused({ reason: runWords.sayForWhichShell })
    }
    const [{ commandLine }, { completionScript }] = yield* Effect.promise(() =>
      Promise.all([import("../usage/CommandLine.ts"), import("../usage/Completion.ts")]),
    )
    yield* Console.log(completionScript(shell.value, yield* commandLine).trimEnd())
  }),
).pipe(
  Command.withDescription(does.printAScriptThatCompletesCommandsPeers),
  Command.withExamples([
    { command: "source <(claudemesh completion bash)", description: runWords.inTheShellsOwnFile },
    {
      command: "claudemesh completion fish > ~/.config/fish/completions/claudemesh.fish",
      description: "Once, for fish",
    },
  ]),
)

/** Nobody waits longer for a Tab. */
const channelsMillis = 1_500

const namesOf = Effect.fnUntraced(function* (kind: "meshes" | "peers" | "channels" | "targets") {
  const joined = yield* joinedMeshes
  if (kind === "meshes") return joined.map(({ slug }) => slug)
  const peers = kind === "channels" ? [] : yield* peersOf(joined.map(({ meshId, pubkey }) => ({ meshId, pubkey })))
  const channels = kind === "peers" ? [] : yield* channelsOf
  return [...peers, ...channels]
})

/** As this machine knows them from their proofs: no broker is asked. */
const peersOf = Effect.fnUntraced(function* (
  meshes: ReadonlyArray<Pick<Effect.Success<typeof joinedMeshes>[number], "meshId" | "pubkey">>,
) {
  const { read } = yield* KnownMembers
  const known = yield* Effect.forEach(meshes, ({ meshId, pubkey }) =>
    Effect.map(read(meshId), ({ members, revocations }) => {
      const revoked = new Set<string>(revocations.map(({ subject }) => subject))
      return members
        .map(({ certificate }) => certificate)
        .filter(({ publicKey }) => publicKey !== pubkey && !revoked.has(publicKey))
        .map(({ displayName }) => nameAmongWords(displayName))
    }),
  )
  return known.flat()
})

const channelsOf = Effect.gen(function* () {
  // Somebody waits at the keyboard: what is to be sent waits for a command.
  const { all } = yield* connect(yield* joinedMeshes, "command", { flush: false })
  const found = yield* Effect.forEach(
    all,
    (client) =>
      client.awaitConnected(channelsMillis).pipe(
        Effect.andThen(client.channels),
        Effect.map((channels) => channels.map(({ channel }) => printable(`#${channel}`))),
        Effect.orElseSucceed(() => []),
      ),
    { concurrency: "unbounded" },
  )
  return found.flat()
}).pipe(
  Effect.scoped,
  Effect.provide(clientLayer),
  Effect.timeoutOption(2 * channelsMillis),
  Effect.map(Option.getOrElse(() => [])),
)
