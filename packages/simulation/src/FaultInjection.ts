/**
 * The first part of a run: everything goes wrong that can, while agents send, read and ask. Which of it happens when
 * is drawn from the seed; kinds of it can be left out, to find what a failure needs.
 */
import type { MeshId } from "@claudemesh/domain/Ids"
import type { Priority, Status } from "@claudemesh/domain/routing/Status"
import { Effect } from "effect"
import type { Agent } from "./Agent.ts"
import { askStatus, changeChannel } from "./Asking.ts"
import { type Cluster, type Faults, noFaults } from "./Cluster.ts"
import { channelNames, type Seat, tagNames } from "./Seat.ts"
import { storeFaults } from "./StoreUnderWatch.ts"

const weights = [
  ["send", 60],
  ["burst", 1],
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
  ["hostGone", 2],
  ["stopHost", 3],
  ["drowse", 3],
  ["stopProcess", 1],
  ["sleepMachine", 1],
  ["replaceSession", 2],
  ["twin", 3],
  ["inboxCommand", 5],
  ["sendCommand", 4],
  ["crashBroker", 2],
  ["clockForwards", 0.4],
  ["clockBackwards", 0.4],
  ["wait", 10],
  ["longWait", 1],
  ["longSleep", 0.1],
] as const

type Action = (typeof weights)[number][0]

/** What can be left out: the actions, and faults that are not drawn as one. */
export const kindsOfFault: ReadonlyArray<string> = [
  ...weights.map(([name]) => name).filter((name) => name !== "send" && name !== "look"),
  "storeFaults",
  "diesAtWrite",
  "cancelCall",
  "cancelSend",
  "thinksLong",
  "longTexts",
]

export interface FaultOptions {
  readonly steps: number
  readonly without: ReadonlySet<string>
}

export const injectFaults = Effect.fnUntraced(function* (cluster: Cluster, { steps, without }: FaultOptions) {
  const { chance, history, network, note, pass, revive, seats, time } = cluster
  const mayHappen = (kind: string, odds: number): boolean => chance.happens(odds) && !without.has(kind)
  let texts = 0

  const someTarget = (mesh: MeshId): string => {
    const seat = chance.pick(seats.filter(({ membership }) => membership.meshId === mesh))
    const kind = chance.weighted([
      ["member", 4],
      ["session", 2],
      ["known", 0.5],
      ["channel", 3],
      ["tag", 1],
      ["everyone", 2],
    ])
    if (seat === undefined) return "*"
    const key = seat.membership.pubkey
    switch (kind) {
      case "session":
        return `${key}/${seat.sessionId()}`
      case "known": {
        // Perhaps it is gone for good, or has another id than its host says.
        const known = chance.pick(cluster.sessions.all.filter((one) => one.mesh === mesh))
        return known === undefined ? key : `${known.key}/${known.id}`
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

  /** Some do not fit one answer. */
  const someText = (): string => {
    texts += 1
    const long = mayHappen("longTexts", 0.02) ? ` and ${"so on ".repeat(chance.between(500, 5_000))}end` : ""
    return `text ${texts}${long}`
  }

  const someMessage = (mesh: MeshId) => ({
    to: someTarget(mesh),
    priority: chance.pick<Priority>(["now", "next", "next", "low"]) ?? "next",
    text: someText(),
  })

  const toCluster = Effect.fnUntraced(function* (action: Action) {
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
        return yield* cluster.crashBroker
      case "clockForwards":
        return cluster.jump(chance.pick([60_000, 300_000, 3_600_000]) ?? 60_000)
      case "clockBackwards":
        return cluster.jump(-(chance.pick([1_000, 10_000, 60_000]) ?? 1_000))
      case "sleepMachine": {
        const machine = chance.pick(cluster.machines)
        if (machine === undefined) return
        note(`${machine.name} sleeps`)
        machine.gate.shut()
        return yield* later(chance.between(1_000, 120_000), () => {
          note(`${machine.name} wakes`)
          machine.gate.open()
        })
      }
      case "wait":
        return yield* pass(chance.between(100, 3_000))
      case "longWait":
        return yield* pass(chance.between(10_000, 40_000))
      case "longSleep":
        // Nobody looks for minutes, or hours.
        return yield* pass(chance.pick([300_000, 1_800_000, 7_200_000]) ?? 300_000)
    }
  })

  const later = (millis: number, happens: () => void) =>
    Effect.forkScoped(Effect.andThen(Effect.sleep(millis), Effect.sync(happens)))

  const toSeat = Effect.fnUntraced(function* (action: Action) {
    const seat = chance.pick(seats)
    if (seat === undefined || !seat.machine.gate.isOpen) return
    switch (action) {
      case "twin": {
        const twin = chance.pick(seats.filter(({ isTwin }) => isTwin))
        if (twin?.machine.gate.isOpen !== true) return
        return yield* twin.agent === undefined ? cluster.startSeat(twin) : twin.agent.process.end
      }
      case "inboxCommand": {
        const readsMax = mayHappen("cancelCall", 0.2) ? chance.between(1, 3) : Number.POSITIVE_INFINITY
        const diesAfter = mayHappen("diesAtWrite", 0.1) ? chance.between(1, 3) : Number.POSITIVE_INFINITY
        return yield* Effect.forkScoped(cluster.command(seat, { _tag: "Inbox", readsMax, diesAfter }))
      }
      case "sendCommand": {
        const waitsMillis = chance.pick([0, 100, 3_000]) ?? 0
        const message = { ...someMessage(seat.membership.meshId), waitsMillis }
        return yield* Effect.forkScoped(cluster.command(seat, { _tag: "Send", message }))
      }
    }
  })

  /** More at once than one connection may have under way, and then its end, or the broker's, or nothing. */
  const burst = Effect.fnUntraced(function* ({ membership: { meshId } }: Seat, agent: Agent) {
    const { process } = agent
    for (let left = 3 * cluster.rules.limits.sendsUnderWayMax; left > 0; left--) {
      // Each to another target: to one they go one after the other.
      const message = { ...someMessage(meshId), to: left % 3 === 0 ? someTarget(meshId) : `tag:burst-${left}` }
      yield* Effect.forkScoped(agent.send(message))
    }
    const end = chance.pick(["cut", "crash", "nothing"] as const)
    yield* pass(chance.between(5, 60))
    if (end === "crash" && !without.has("crashBroker")) return yield* cluster.crashBroker
    if (end !== "cut" || without.has("cut")) return
    for (const link of network.links) if (link.client.number === process.number) link.cut()
  })

  const toAgent = Effect.fnUntraced(function* (action: Action, seat: Seat, agent: Agent) {
    const { client, inside, membership } = agent.process
    switch (action) {
      case "send": {
        for (let burst = chance.between(1, 4); burst > 0; burst--) {
          const waitsMillis = chance.pick([undefined, 100, 2_000])
          const cancels = mayHappen("cancelSend", 0.1)
          const message = {
            ...someMessage(membership.meshId),
            ...(waitsMillis !== undefined && { waitsMillis }),
            ...(cancels && { cancelsMillis: chance.pick([0, 1, 30, 1_000]) ?? 0 }),
          }
          yield* Effect.forkScoped(agent.send(message))
        }
        return
      }
      case "burst":
        return yield* burst(seat, agent)
      case "look":
        if (time.nowMillis < seat.drowsyUntilMillis) return
        return chance.happens(0.4) ? agent.host.step() : agent.host.look(chance.happens(0.7))
      case "drowse":
        seat.drowsyUntilMillis = time.nowMillis + chance.between(1_000, 60_000)
        return
      case "status": {
        const status = chance.pick<Status>(["idle", "working", "working", "dnd"]) ?? "idle"
        if (status === "dnd") {
          agent.mayBeInDnd = true
          cluster.sessionOf(agent.process).mayBeInDnd = true
        }
        const source =
          status === "dnd"
            ? undefined
            : chance.pick([
                undefined,
                undefined,
                undefined,
                undefined,
                undefined,
                undefined,
                "hook",
                "inference",
              ] as const)
        const forSeconds = status === "dnd" ? chance.pick([undefined, undefined, undefined, 5]) : undefined
        const options = { ...(source && { source }), ...(forSeconds !== undefined && { forSeconds }) }
        return yield* Effect.forkScoped(inside(Effect.ignore(client.setStatus(status, options))))
      }
      case "pull":
        return yield* Effect.forkScoped(inside(Effect.ignore(client.pull(chance.between(1, 20)))))
      case "join":
      case "leave": {
        const name = chance.pick(channelNames)
        if (name === undefined) return
        return yield* Effect.forkScoped(changeChannel(cluster, agent, name, action === "join"))
      }
      case "ask": {
        const sent = chance.pick([...history.sent.values()])
        if (sent !== undefined) yield* Effect.forkScoped(askStatus(cluster, agent, sent.messageId))
        return
      }
      case "crashAgent":
        return yield* chance.happens(0.5) ? agent.host.crash : agent.process.crash
      case "hostGone":
        return agent.host.leave()
      case "stopHost": {
        agent.host.stop()
        agent.process.note("'s host is stopped")
        return yield* later(chance.between(100, 60_000), () => agent.host.goOn())
      }
      case "stopProcess": {
        agent.process.gate.shut()
        agent.process.note("is stopped")
        return yield* later(chance.between(1_000, 60_000), () => agent.process.gate.open())
      }
      case "replaceSession": {
        if (chance.happens(0.5)) agent.host.leave()
        else yield* agent.host.crash
        agent.process.note("is gone for good")
        return seat.replaceSession()
      }
    }
  })

  const act = Effect.fnUntraced(function* (action: Action) {
    yield* toCluster(action)
    yield* toSeat(action)
    const { agent, seat } = chance.pick(cluster.awake()) ?? { agent: undefined, seat: undefined }
    if (agent !== undefined) yield* toAgent(action, seat, agent)
  })

  const faults: Faults = {
    store: without.has("storeFaults") ? noFaults.store : storeFaults,
    host: {
      cancels: without.has("cancelCall") ? 0 : 0.15,
      thinksLong: without.has("thinksLong") ? 0 : 0.2,
      forgets: 0.2,
    },
    diesAtWrite: without.has("diesAtWrite") ? 0 : 0.004,
  }

  yield* cluster.bringUp
  for (const seat of seats) if (chance.happens(seat.isTwin ? 0.3 : 0.7)) yield* cluster.startSeat(seat)
  yield* pass(200)
  cluster.setFaults(faults)
  for (let step = 0; step < steps; step++) {
    const action = chance.weighted(weights)
    if (action !== undefined && !without.has(action)) yield* act(action)
    yield* pass(chance.between(0, 60))
    if (step % 5 === 0) yield* revive(false)
  }
})
