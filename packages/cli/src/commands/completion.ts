/** `completion`: a script for a shell, and the names that the script asks for. Nothing that fails is said: somebody presses Tab. */
import { isSameName } from "@claudemesh/client/roster/FindNamed"
import { KnownMembers } from "@claudemesh/client/trust/KnownMembers"
import { Console, Effect, Option } from "effect"
import { Argument, Command, Flag } from "effect/unstable/cli"
import { Misused } from "../Failed.ts"
import { clientLayer, connect, joinedMeshes } from "../Meshes.ts"
import { printable, shortKey } from "../Output.ts"
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
  const peers = kind === "channels" ? [] : yield* peersOf(joined)
  const channels = kind === "peers" ? [] : yield* channelsOf(kind === "targets" && joined.length > 1)
  return [...new Set([...peers, ...channels])]
})

/**
 * As this machine knows them from their proofs, and as it calls them: no broker is asked. Each is written so that it is found: with its
 * key where two of a mesh have one name, and with its mesh where two meshes have it.
 */
const peersOf = Effect.fnUntraced(function* (meshes: Effect.Success<typeof joinedMeshes>) {
  const { names, read } = yield* KnownMembers
  const known = yield* Effect.forEach(meshes, ({ meshId, pubkey, slug }) =>
    Effect.gen(function* () {
      const [{ members, revocations }, calledHere] = [yield* read(meshId), yield* names(meshId)]
      const revoked = new Set<string>(revocations.map(({ subject }) => subject))
      const all = members
        .map(({ certificate }) => certificate)
        .filter(({ publicKey }) => !revoked.has(publicKey))
        .map(({ displayName, publicKey }) => ({ slug, key: publicKey, name: calledHere.get(publicKey) ?? displayName }))
      const isAlone = ({ name }: (typeof all)[number]) => all.filter((one) => isSameName(one.name, name)).length === 1
      return all
        .filter(({ key }) => key !== pubkey)
        .map((one) => ({ ...one, written: isAlone(one) ? one.name : `${one.name} (${shortKey(one.key)})` }))
    }),
  )
  const all = known.flat()
  return all.map(({ name, slug, written }) =>
    all.some((one) => one.slug !== slug && isSameName(one.name, name)) ? `${slug}:${written}` : written,
  )
})

const channelsOf = (withSlug: boolean) =>
  Effect.gen(function* () {
    // Somebody waits at the keyboard: what is to be sent waits for a command.
    const { all } = yield* connect(yield* joinedMeshes, "command", { flush: false })
    const found = yield* Effect.forEach(
      all,
      (client) =>
        client.awaitConnected(channelsMillis).pipe(
          Effect.andThen(client.channels),
          Effect.map((channels) =>
            channels.map(({ channel }) => printable(`${withSlug ? `${client.membership.slug}:` : ""}#${channel}`)),
          ),
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
