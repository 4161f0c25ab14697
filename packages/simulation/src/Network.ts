/**
 * The network between clients and a broker: latency, cuts that both ends see, cuts that one end does not see, and
 * readers that are slow. A link keeps the order of its frames in each direction, as TCP does, and loses only what
 * it has not delivered when it is cut.
 */
import { type Connection, ConnectionClosed, DialFailed, Dialer } from "@claudemesh/client/connection/Dialer"
import { Received } from "@claudemesh/broker/connection/Received"
import type { ServerSocket } from "@claudemesh/broker/connection/ServerSocket"
import { Turns } from "@claudemesh/broker/connection/Turns"
import { PeerId } from "@claudemesh/broker/state/PeerId"
import { Cause, Effect, Queue, type Scope } from "effect"
import type { Chance } from "./Chance.ts"
import type { Gate } from "./Gate.ts"
import type { VirtualTime } from "./VirtualTime.ts"

const abnormal = 1006

/** Where a dialled link ends: a broker that is up takes it, one that is down refuses. */
export type Accept = (socket: ServerSocket) => boolean

export class Link {
  open = true
  /** Frames of this direction go nowhere, and nobody is told. */
  deafServer = false
  deafClient = false
  latencyMillis = 1
  /** The client's side closed it properly. */
  goodbye = false
  /** The broker's side has heard that it is over. */
  serverEnded = false
  readonly whenServerEnds = new Set<() => void>()
  /** What it said first. */
  hello: string | undefined
  /** Puts a text on the way to the broker, as if the client had sent it. */
  inject: (text: string) => void = () => {}
  readonly fromClient: Received<string>

  constructor(
    turns: Turns,
    readonly toClient: Queue.Queue<string, ConnectionClosed>,
    readonly client: NetworkProcess,
  ) {
    this.fromClient = new Received(turns)
  }

  /** Both ends lose it; what was under way is gone. */
  cut(): void {
    if (!this.open) return
    this.open = false
    this.endServer()
    this.endClient(abnormal, "")
  }

  endServer(): void {
    this.serverEnded = true
    for (const then of this.whenServerEnds) then()
    this.whenServerEnds.clear()
    this.fromClient.end()
  }

  endClient(code: number, reason: string): void {
    this.client.gate.through(() =>
      Queue.failCauseUnsafe(this.toClient, Cause.fail(new ConnectionClosed({ code, reason }))),
    )
  }

  giveClient(text: string): void {
    this.client.gate.through(() => Queue.offerUnsafe(this.toClient, text))
  }
}

/** A process as the network sees it. */
export interface NetworkProcess {
  readonly number: number
  /** What it would say after it was killed, nobody hears. */
  readonly lives: () => boolean
  readonly gate: Gate
}

export class Network {
  readonly links = new Set<Link>()
  /** Their client is gone, and the broker was not told: its socket finds out by itself, some time. */
  readonly #halfOpen = new Set<Link>()
  /** What a frame takes, at least and at most, on links dialled from now on. */
  latency = { least: 1, most: 20 }
  readonly #turns: Turns

  constructor(
    readonly chance: Chance,
    readonly time: VirtualTime,
    readonly accept: Accept,
    /** What becomes of a text that a client sends: the same for the same text. */
    readonly onWire: (text: string) => string = (text) => text,
  ) {
    // Time stands still while a frame is handled. Here it is as if each look at it took a while.
    let looks = 0n
    const bounds = { waitingFramesMillis: 1 }
    this.#turns = new Turns(
      bounds,
      () => (looks += 300_000n),
      (then) => void time.after(0, then),
    )
  }

  /** The network of one process. */
  dialer(client: NetworkProcess): typeof Dialer.Service {
    return Dialer.of({ dial: (url) => this.#dial(url, client) })
  }

  /** The process has a link that carries what is sent, both ways. */
  isSound(process: number): boolean {
    return [...this.links].some(
      (link) => link.client.number === process && link.open && !link.deafClient && !link.deafServer,
    )
  }

  /** A frame as from the process itself. */
  inject(process: number, text: string): void {
    for (const link of this.links) if (link.client.number === process && link.open) link.inject(text)
  }

  /** Everything works again: links that lie are cut, new ones are quick. */
  heal(): void {
    this.latency = { least: 1, most: 5 }
    for (const link of this.#halfOpen) link.endServer()
    this.#halfOpen.clear()
    for (const link of this.links) if (link.deafClient || link.deafServer || link.latencyMillis > 100) link.cut()
  }

  readonly #dial = Effect.fnUntraced(
    function* (
      this: Network,
      url: string,
      client: NetworkProcess,
    ): Effect.fn.Return<Connection, DialFailed, Scope.Scope> {
      const link = new Link(this.#turns, yield* Queue.unbounded<string, ConnectionClosed>(), client)
      link.latencyMillis = this.chance.between(this.latency.least, this.latency.most)
      yield* Effect.sleep(link.latencyMillis)
      const up = this.#direction(link)
      const down = this.#direction(link)
      if (!this.accept(serverEnd(link, down))) return yield* new DialFailed({ url, reason: "refused" })
      this.links.add(link)
      link.inject = (text) =>
        up(() => {
          if (!link.deafServer) link.fromClient.add(text)
        })
      yield* Effect.addFinalizer(() =>
        Effect.sync(() => {
          this.links.delete(link)
          // The process is gone or has given up: its side is closed.
          this.#leave(link)
        }),
      )
      return {
        incoming: link.toClient,
        send: (text) => {
          if (!link.open || !client.lives()) return false
          link.hello ??= text
          link.inject(this.onWire(text))
          return true
        },
        close: (code) => {
          if (!client.lives()) return
          if (code === 1000) link.goodbye = true
          this.#leave(link)
          link.endClient(code, "")
        },
      }
    }.bind(this),
  )

  /** The broker hears of it if it hears at all. */
  #leave(link: Link): void {
    if (!link.open) return
    link.open = false
    if (link.deafServer) this.#halfOpen.add(link)
    else link.endServer()
  }

  /** One direction: what is put in comes out after the link's latency, in order. */
  #direction(link: Link): (deliver: () => void) => void {
    const { time } = this
    let lastMillis = 0
    return (deliver) => {
      lastMillis = Math.max(lastMillis, time.nowMillis + link.latencyMillis)
      time.after(lastMillis - time.nowMillis, () => {
        if (link.open) deliver()
      })
    }
  }
}

const serverEnd = (link: Link, down: (deliver: () => void) => void): ServerSocket => {
  let closed = false
  let unreadBytes = 0
  return {
    id: PeerId.make(0),
    unreadBytes: () => unreadBytes,
    receive: link.fromClient.next,
    receiveEach: (handle) => link.fromClient.each(handle),
    isOpen: () => link.open && !closed,
    saidGoodbye: () => link.goodbye,
    onClosed: (then) => {
      if (link.serverEnded) then()
      else link.whenServerEnds.add(then)
      return () => void link.whenServerEnds.delete(then)
    },
    send: (text) => {
      if (closed || link.serverEnded) return false
      unreadBytes += text.length
      down(() => {
        if (link.deafClient) return
        unreadBytes -= text.length
        link.giveClient(text)
      })
      return true
    },
    close: (code, reason) => {
      if (closed) return
      closed = true
      link.fromClient.drop()
      link.endServer()
      down(() => {
        if (link.deafClient) return
        link.open = false
        link.endClient(code.code, reason ?? code.meaning)
      })
    },
  }
}
