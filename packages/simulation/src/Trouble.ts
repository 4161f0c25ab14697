/**
 * The first part of a run: everything goes wrong that can, while agents send, read and ask. Which of it happens when
 * is drawn from the seed; kinds of it can be left out, to find what a failure needs.
 */
import type { Priority, Status } from "@claudemesh/domain/routing/Status"
import { Effect } from "effect"
import { askStatus, changeChannel } from "./Asking.ts"
import { channelNames, tagNames } from "./Slot.ts"
import { faultyOdds, noFaults } from "./StoreUnderWatch.ts"
import type { World } from "./World.ts"

const weights = [
  ["send", 60],
  ["look", 40],
  ["status", 8],
  ["pull", 6],
  ["join", 6],
  ["leave", 3],
  ["ask", 6],
  ["cut", 4],
  ["deafClient", 1],
  ["deafServer", 1],
  ["slowLink", 2],
  ["helloAgain", 0.5],
  ["crashAgent", 3],
  ["endAgent", 1],
  ["replaceSession", 2],
  ["crashBroker", 2],
  ["clockForwards", 0.4],
  ["clockBackwards", 0.4],
  ["wait", 10],
  ["longWait", 1],
] as const

type Action = (typeof weights)[number][0]

/** What can be left out: the actions, and faults that are not drawn as one. */
export const kindsOfTrouble: ReadonlyArray<string> = [
  ...weights.map(([name]) => name).filter((name) => name !== "send" && name !== "look"),
  "storeFaults",
  "diesBeforeAck",
]

export interface TroubleOptions {
  readonly steps: number
  readonly without: ReadonlySet<string>
}

export const trouble = Effect.fnUntraced(function* (world: World, { steps, without }: TroubleOptions) {
  const { chance, history, network, note, pass, revive, slots } = world
  let texts = 0

  const someTarget = (mesh: string): string => {
    const slot = chance.pick(slots.filter(({ membership }) => membership.meshId === mesh))
    const kind = chance.weighted([
      ["member", 4],
      ["session", 2],
      ["past", 0.3],
      ["channel", 3],
      ["tag", 1],
      ["everyone", 2],
    ])
    const past = chance.pick(world.past.filter((one) => one.mesh === mesh))
    if (slot === undefined) return "*"
    const key = slot.membership.pubkey
    switch (kind) {
      case "session":
        return `${key}/${slot.sessionId}`
      case "past": {
        const owner = slots.find(({ membership }) => membership.memberId === past?.member)
        return past === undefined || owner === undefined ? key : `${owner.membership.pubkey}/${past.session}`
      }
      case "channel":
        return `#${chance.pick(channelNames)}`
      case "tag":
        return `tag:${chance.pick(tagNames)}`
      case "everyone":
        return "*"
      default:
        return key
    }
  }

  const act = Effect.fnUntraced(function* (action: Action) {
    const { agent, slot } = chance.pick(world.alive()) ?? { agent: undefined, slot: undefined }
    const link = chance.pick([...network.links])
    switch (action) {
      case "cut":
        note("a link is cut")
        return link?.cut()
      case "deafClient":
        if (link !== undefined) link.deafClient = true
        return
      case "deafServer":
        if (link !== undefined) link.deafServer = true
        return
      case "slowLink":
        if (link !== undefined) link.latencyMillis = chance.between(500, 4_000)
        return
      case "helloAgain":
        if (link?.hello !== undefined) {
          note("a connection says hello again")
          link.inject(link.hello)
        }
        return
      case "crashBroker":
        return yield* world.crashBroker
      case "clockForwards":
        return world.jump(chance.pick([60_000, 300_000, 3_600_000]) ?? 60_000)
      case "clockBackwards":
        return world.jump(-(chance.pick([1_000, 10_000, 60_000]) ?? 1_000))
      case "wait":
        return yield* pass(chance.between(100, 3_000))
      case "longWait":
        return yield* pass(chance.between(10_000, 40_000))
    }
    if (agent === undefined) return
    switch (action) {
      case "send": {
        const priority = chance.pick<Priority>(["now", "next", "next", "low"]) ?? "next"
        for (let burst = chance.between(1, 4); burst > 0; burst--) {
          yield* Effect.forkScoped(agent.send(someTarget(agent.membership.meshId), priority, `text ${++texts}`))
        }
        return
      }
      case "look":
        return yield* Effect.forkScoped(agent.look)
      case "status": {
        const status = chance.pick<Status>(["idle", "working", "working", "dnd"]) ?? "idle"
        if (status === "dnd") slot.mayBeInDnd = true
        return yield* Effect.forkScoped(Effect.ignore(agent.client.setStatus(status)))
      }
      case "pull":
        return yield* Effect.forkScoped(Effect.ignore(agent.client.pull(chance.between(1, 20))))
      case "join":
      case "leave": {
        const name = chance.pick(channelNames)
        if (name === undefined) return
        return yield* Effect.forkScoped(changeChannel(world, slot, agent, name, action === "join"))
      }
      case "ask": {
        const sent = chance.pick([...history.sent.values()])
        if (sent !== undefined) yield* Effect.forkScoped(askStatus(world, agent, sent.messageId))
        return
      }
      case "crashAgent":
        return yield* agent.crash
      case "endAgent":
        return yield* agent.end
      case "replaceSession":
        return yield* world.retire(slot, chance.happens(0.5))
    }
  })

  yield* world.bringUp
  for (const slot of slots) if (chance.happens(0.7)) yield* world.startSlot(slot)
  yield* pass(200)
  world.setFaults(without.has("storeFaults") ? noFaults : faultyOdds, without.has("diesBeforeAck") ? 0 : 0.05)
  for (let step = 0; step < steps; step++) {
    const action = chance.weighted(weights)
    if (action !== undefined && !without.has(action)) yield* act(action)
    yield* pass(chance.between(0, 60))
    if (step % 5 === 0) yield* revive(false)
  }
})
