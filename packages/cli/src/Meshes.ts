/** The joined meshes as a command uses them: read from the config file, connected under a session of its own. */
import { layerWebSocket } from "@claudemesh/client/connection/WebSocketDialer"
import type { BrokerClient } from "@claudemesh/client/BrokerClient"
import { BrokerPatience } from "@claudemesh/client/connection/Patience"
import { historyBounds } from "@claudemesh/client/inbox/History"
import { ConfigFile } from "@claudemesh/client/keys/ConfigFile"
import type { Membership } from "@claudemesh/client/keys/Membership"
import { Sodium } from "@claudemesh/client/keys/Sodium"
import { makeMeshManager } from "@claudemesh/client/MeshManager"
import { bare, nearest } from "@claudemesh/client/roster/FindNamed"
import { resolveMember } from "@claudemesh/client/roster/ResolveMember"
import { saidMesh } from "@claudemesh/client/roster/WhichMesh"
import { SessionId } from "@claudemesh/domain/Ids"
import { Crypto, Effect, Exit, Layer, Option, Result } from "effect"
import manifest from "../package.json" with { type: "json" }
import { Failed, failed, instead, together } from "./Failed.ts"
import { command } from "./Launch.ts"
import { tell } from "./Notices.ts"
import { aside, printable } from "./Output.ts"
import * as messageWords from "./words/messages.ts"
import * as sharedWords from "./words/shared.ts"

export const clientIdentity = { name: manifest.name, version: manifest.version }

/** What a client needs beside the file system and random bytes. */
export const clientLayer = Layer.mergeAll(layerWebSocket, Sodium.layer)

export const joinedMeshes = Effect.gen(function* () {
  const file = yield* ConfigFile
  // A variable that nobody understands is said once, by whatever comes first, and not in the log of each message.
  return yield* Effect.andThen(historyBounds, file.read).pipe(Effect.mapError(failed))
})

/** Of the joined meshes the one with this slug, or all; and at least one. */
export const chosenMeshes = Effect.fnUntraced(function* (slug: Option.Option<string>) {
  const joined = yield* joinedMeshes
  if (joined.length === 0) {
    return yield* new Failed({
      reason: messageWords.noMeshIsJoined,
      code: "no_mesh",
      hint: sharedWords.makeOneCreateOrJoinOne(command, command),
    })
  }
  if (Option.isNone(slug)) return joined
  const asked = bare(slug.value).toLowerCase()
  const chosen = joined.filter((mesh) => mesh.slug === asked)
  if (chosen.length > 0) return chosen
  const slugs = joined.map((mesh) => mesh.slug)
  const [near] = nearest(asked, slugs, (one) => one)
  const meant = near === undefined ? "" : `Did you mean ${near}? `
  return yield* new Failed({
    reason: messageWords.noMeshOfThisSlugIsJoined(printable(slug.value)),
    code: "unknown_mesh",
    hint: messageWords.joinedMeshes(meant, slugs.join(", ")),
  })
})

/** The one that is meant where only one can be. */
export const theMesh = Effect.fnUntraced(function* (slug: Option.Option<string>) {
  const chosen = yield* chosenMeshes(slug)
  const [only, ...others] = chosen
  if (only !== undefined && others.length === 0) return only
  const slugs = chosen.map((mesh) => mesh.slug).join(", ")
  return yield* new Failed({
    reason: messageWords.severalMeshesAreJoined,
    code: "several_meshes",
    hint: messageWords.sayWhichWithMesh(slugs),
  })
})

/** What is random of it comes first, for its first 8 characters stand for all of it where it is shown. */
export const newSessionId = Effect.fnUntraced(function* (prefix: string) {
  const id = yield* Effect.orDie((yield* Crypto.Crypto).randomUUIDv7)
  return SessionId.make(`${id.slice(-8)}-${prefix}-${id.slice(0, -9)}`)
})

/**
 * Connects for as long as the scope is open, under a session that is nobody's peer and leaves nothing behind: `inbox` takes
 * messages, `command` only sends and asks. What waits on this machine is sent before the end, where the broker is reached, and what a
 * person has to know besides is said then, whatever was asked for.
 */
export const connect = Effect.fnUntraced(function* (
  memberships: ReadonlyArray<Membership>,
  as: "inbox" | "command",
  { presence = false, flush = true } = {},
) {
  const manager = yield* makeMeshManager(memberships, {
    sessionId: yield* newSessionId(as),
    client: clientIdentity,
    ...(as === "inbox" ? { transient: true } : { maxInFlight: 0 }),
    // A command that stays is told of changes; one that asks once need not be.
    presence,
  })
  yield* Effect.addFinalizer((exit) => {
    // Who ends it by hand does not want to wait.
    const flushes = flush && !Exit.hasInterrupts(exit)
    return Effect.andThen(flushes ? flushed(manager.all) : Effect.void, tell(manager.all))
  })
  return manager
})

const flushed = (clients: ReadonlyArray<BrokerClient>) =>
  Effect.forEach(clients, (client) => client.flush, { concurrency: "unbounded", discard: true })

/** Waits until a mesh is connected, for as long as the person wants to: a broker may have to be woken. */
export const reached = (client: BrokerClient) =>
  Effect.flatMap(BrokerPatience, ({ millis }) => client.awaitConnected(millis))

/** As one of one's own sessions that is away: to have what was sent to it alone. */
export const connectAs = Effect.fnUntraced(function* (memberships: ReadonlyArray<Membership>, sessionId: SessionId) {
  return yield* makeMeshManager(memberships, { sessionId, client: clientIdentity, presence: false })
})

/**
 * Where a message is addressed to, as `slug:target` or by --mesh. Only the mesh that is meant is connected; all of them where a name
 * does not say which one it is in.
 */
export const meantIn = Effect.fnUntraced(function* (target: string, mesh: Option.Option<string>) {
  const chosen = yield* chosenMeshes(mesh)
  const said = yield* Effect.fromResult(
    saidMesh(
      target,
      chosen.map(({ slug }) => slug),
    ),
  )
  const meshes = said.slug === undefined ? chosen : chosen.filter(({ slug }) => slug === said.slug)
  return { meshes, to: said.to }
})

/** The client and the mesh in which this member is, whether it is connected or not. */
const clientOf = Effect.fnUntraced(function* (typed: string, mesh: Option.Option<string>) {
  const { meshes, to: who } = yield* meantIn(typed, mesh)
  const manager = yield* connect(meshes, "command")
  const client = meshes.length === 1 ? manager.all[0] : (yield* manager.route(who)).client
  const membership = meshes.find(({ meshId }) => meshId === client?.membership.meshId)
  if (client === undefined || membership === undefined) return yield* Effect.die("a client is of a membership")
  return { client, membership, who }
})

/** One client that only asks, of the mesh in which this member is. */
export const connectedToWhose = Effect.fnUntraced(function* (typed: string, mesh: Option.Option<string>) {
  const meant = yield* clientOf(typed, mesh)
  yield* reached(meant.client)
  return meant
})

/**
 * A member, for what is of this machine alone: where the broker is away, one of those that this machine knows. It is said which they
 * are, since others may have joined.
 */
export const memberMeant = Effect.fnUntraced(function* (typed: string, mesh: Option.Option<string>) {
  const meant = yield* clientOf(typed, mesh)
  const { client, who } = meant
  const away = yield* unlessAway(client)
  if (away === undefined) return { ...meant, found: yield* client.resolve(who) }
  const failure = failed(away)
  const found = resolveMember(who, yield* client.directory)
  if (Result.isFailure(found)) {
    const reason = messageWords.thisMachineKnowsNobodyCalled(JSON.stringify(who), failure.reason)
    return yield* found.failure._tag === "UnknownTarget" ? instead(failure, reason) : found.failure
  }
  yield* aside(printable(`claudemesh: ${messageWords.theBrokerWasNotAsked(failure.reason)}`))
  return { ...meant, found: found.success }
})

/** Why it is away. A broker that refuses us is not away: waiting would change nothing. */
export const unlessAway = (client: BrokerClient) =>
  reached(client).pipe(
    Effect.as(undefined),
    Effect.catchTag("NotConnected", (error) => (error.code === undefined ? Effect.succeed(error) : error)),
  )

/** One client that only asks, once it is connected. */
export const connectedTo = Effect.fnUntraced(function* (membership: Membership) {
  const [client] = (yield* connect([membership], "command")).all
  if (client === undefined) return yield* Effect.die("one membership is one client")
  yield* reached(client)
  return client
})

/** Asks all at once, each as soon as it is connected. Those that are away take nothing from the others' answers. */
export const askAll = Effect.fnUntraced(function* <A, E extends { readonly _tag: string; readonly message: string }>(
  clients: ReadonlyArray<BrokerClient>,
  ask: (client: BrokerClient) => Effect.Effect<A, E>,
) {
  const results = yield* Effect.forEach(
    clients,
    (client) =>
      reached(client).pipe(
        Effect.andThen(ask(client)),
        Effect.mapError((error) => ({ mesh: client.membership.slug, failure: failed(error) })),
        Effect.result,
      ),
    { concurrency: "unbounded" },
  )
  const problems = results.filter(Result.isFailure).map(({ failure }) => failure)
  return {
    answers: results.filter(Result.isSuccess).map(({ success }) => success),
    away: problems.length === 0 ? undefined : together(problems),
  }
})
