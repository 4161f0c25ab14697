/** The agents of a soak: members with one session and members with two, whom they write to, and how all of it drains in the end. */
import * as BunCrypto from "@effect/platform-bun/BunCrypto"
import { Dialer } from "@claudemesh/client/connection/Dialer"
import { layerWebSocket } from "@claudemesh/client/connection/WebSocketDialer"
import { createMesh } from "@claudemesh/client/http/BrokerHttp"
import { BrokerUrl } from "@claudemesh/client/keys/BrokerUrl"
import { membershipIn, newMesh } from "@claudemesh/client/invite/NewMesh"
import { Sodium } from "@claudemesh/client/keys/Sodium"
import { DisplayName, Label, Slug } from "@claudemesh/domain/Ids"
import type { Chance } from "@claudemesh/simulation/Chance"
import { Effect, Layer } from "effect"
import { FetchHttpClient } from "effect/unstable/http"
import type { Ledger } from "./Ledger.ts"
import { Peer } from "./Peer.ts"

const channels = ["builds", "ops"].map((name) => Label.make(name))
const tags = ["review", "deploy"].map((name) => Label.make(name))
const drainMillis = 120_000

/** A process that dies says no goodbye: its session is expected back, and comes back. */
const dialer = Layer.effect(
  Dialer,
  Effect.map(Dialer, ({ dial }) =>
    Dialer.of({
      dial: (url) =>
        Effect.map(dial(url), (connection) => ({ ...connection, close: () => connection.close(4000, "") })),
    }),
  ),
).pipe(Layer.provide(layerWebSocket))

export const services = Layer.mergeAll(dialer, Sodium.layer, BunCrypto.layer, FetchHttpClient.layer)

/** Members with one session and members with two, so that both kinds of inbox are used. */
export const makePeers = Effect.fnUntraced(function* (
  { count, port }: { readonly port: number; readonly count: number },
  chance: Chance,
  ledger: Ledger,
  diesBeforeAck?: number,
) {
  const memberCount = Math.ceil(count * 0.6)
  const names = Array.from({ length: memberCount }, (_, index) => DisplayName.make(`member-${index}`))
  const mesh = yield* newMesh({
    slug: Slug.make("soak"),
    name: DisplayName.make("soak"),
    brokerUrl: BrokerUrl.make(`ws://127.0.0.1:${port}/ws`),
    members: names,
    role: "member",
    allowV1: false,
  })
  yield* createMesh(mesh.brokerUrl, mesh.request, mesh.owner)
  const memberships = mesh.members.map((member) => membershipIn(mesh, member))
  return Array.from({ length: count }, (_, index) => index).flatMap((index) => {
    const membership = memberships[index % memberCount]
    if (membership === undefined) return []
    return new Peer({
      membership,
      session: `s${1 + Math.floor(index / memberCount)}`,
      tags: tags.filter((_, position) => index % 2 === position),
      channels: channels.filter(() => chance.happens(0.5)),
      chance,
      ledger,
      ...(diesBeforeAck !== undefined && { diesBeforeAck }),
    })
  })
})

export const someTarget = (chance: Chance, peers: ReadonlyArray<Peer>): string => {
  const peer = chance.pick(peers)?.options
  if (peer === undefined) return "*"
  const kind = chance.weighted([
    ["member", 50],
    ["session", 30],
    ["channel", 8],
    ["tag", 6],
    ["everyone", 6],
  ] as const)
  switch (kind) {
    case "session":
      return `${peer.membership.pubkey}/${peer.session}`
    case "channel":
      return `#${chance.pick(channels) ?? "builds"}`
    case "tag":
      return `tag:${chance.pick(tags) ?? "review"}`
    case "everyone":
      return "*"
    default:
      return peer.membership.pubkey
  }
}

export const allConnected = (peers: ReadonlyArray<Peer>) =>
  Effect.map(
    Effect.forEach(peers, ({ client }) => client?.state ?? Effect.succeed(undefined)),
    (states) => states.every((state) => state?._tag === "Connected"),
  )

/** Nobody is busy any more; until nothing waits anywhere and everything sent is answered. */
export const drained = Effect.fnUntraced(function* (
  peers: ReadonlyArray<Peer>,
  ledger: Ledger,
  say: (text: string) => void,
) {
  const deadline = performance.now() + drainMillis
  let quiet = 0
  while (performance.now() < deadline) {
    for (const peer of peers) yield* Effect.forkScoped(peer.setStatus("idle"))
    const before = ledger.shown.length
    yield* Effect.sleep("500 millis")
    const left = yield* Effect.forEach(
      peers,
      ({ client }) =>
        client === undefined
          ? Effect.succeed({ remaining: 1 })
          : Effect.catchCause(client.pull(), () => Effect.succeed({ remaining: 1 })),
      { concurrency: "unbounded" },
    )
    const waiting = left.reduce((sum, { remaining }) => sum + remaining, 0)
    const open = [...ledger.sent.values()].filter(({ outcome }) => outcome === undefined).length
    say(`draining: ${waiting} wait, ${open} unanswered, ${ledger.shown.length} shown`)
    quiet = waiting === 0 && open === 0 && ledger.shown.length === before ? quiet + 1 : 0
    if (quiet === 4) return true
  }
  return false
})
