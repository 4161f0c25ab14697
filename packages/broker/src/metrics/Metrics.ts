/**
 * What a broker counts, all of it in one place: `docs/operations.md` says of each what it means and what to do about it, and a
 * test holds the two together. A broker has one such value. Whoever is used without one, as in most tests, counts into one that
 * nobody reads. The parts of a broker add to it and never read it.
 */
import { BrokerFrame } from "@claudemesh/domain/wire/BrokerFrame"
import { CloseCode } from "@claudemesh/domain/wire/CloseCode"
import { ErrorCode } from "@claudemesh/domain/wire/ErrorCode"
import { Context } from "effect"
import { Counter, CounterOf, Counters, type Family, Gauge, Histogram } from "./Metric.ts"

/** From half a millisecond to ten seconds: within that a broker answers, or says that it does not. */
const secondsBounds = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]
/** A recipient may read at once or in a week. */
const longSecondsBounds = [0.01, 0.1, 0.5, 1, 5, 15, 60, 300, 900, 3_600, 14_400, 86_400, 604_800]
const sizeBounds = [256, 1_024, 4_096, 16_384, 65_536, 262_144, 1_048_576]
const batchBounds = [1, 2, 4, 8, 16, 32, 64, 128, 256]

interface Sized {
  readonly size: number
}

/** All queues of a name: one for each socket, mesh or group commit. */
export class Queues {
  readonly #all = new Set<Sized>()
  /** Of one of them. */
  capacity = 0

  add(queue: Sized, capacity: number): void {
    this.#all.add(queue)
    this.capacity = capacity
  }

  remove(queue: Sized): void {
    this.#all.delete(queue)
  }

  get count(): number {
    return this.#all.size
  }

  get depth(): number {
    return [...this.#all].reduce((sum, { size }) => sum + size, 0)
  }

  get deepest(): number {
    return [...this.#all].reduce((most, { size }) => Math.max(most, size), 0)
  }
}

const httpStatuses = [200, 201, 400, 401, 403, 404, 408, 409, 413, 415, 426, 429, 500, 503]
const closeCodes = [1000, 1005, 1006, ...Object.values(CloseCode).map(({ code }) => code)]

export class Metrics {
  readonly #families: Array<Family> = []
  readonly queues = { inbound: new Queues(), mailbox: new Queues(), commit: new Queues() }
  /** Sessions that are attached now. */
  attached = 0
  #lastCreated = { text: "", millis: 0 }

  readonly buildInfo = this.#gauge("claudemesh_build_info", "Always 1; its labels say which program this is.")
  readonly draining = this.#gauge("claudemesh_draining", "1 from when the broker is told to stop.")
  readonly storeUp = this.#gauge("claudemesh_store_up", "1 while the store can be read, or written to.")
  readonly connections = this.#gauge("claudemesh_connections", "Sockets open now.")
  readonly connectionsMax = this.#gauge("claudemesh_connections_max", "Sockets that may be open at once.")
  readonly opened = this.#counter("claudemesh_connections_opened_total", "Sockets that were opened and not refused.")
  readonly closed = this.#counters(
    "claudemesh_connections_closed_total",
    "Sockets that have closed, by code.",
    "code",
    closeCodes.map(String),
  )
  readonly sessions = this.#gauge("claudemesh_sessions", "Sessions that are attached now.")
  readonly meshes = this.#gauge("claudemesh_meshes", "Meshes that are in memory now.")
  readonly restarts = this.#counter("claudemesh_mesh_restarts_total", "Times that a mesh failed and began again.")

  readonly framesReceived = this.#counter("claudemesh_frames_received_total", "Frames that came.")
  readonly charactersReceived = this.#counter("claudemesh_characters_received_total", "Characters of those frames.")
  readonly framesSent = this.#counters(
    "claudemesh_frames_sent_total",
    "Frames that were sent, by type.",
    "type",
    Object.keys(BrokerFrame.cases),
  )
  readonly refusals = this.#counters(
    "claudemesh_refusals_total",
    "Error frames that were sent, by code.",
    "code",
    ErrorCode.literals,
  )
  readonly httpResponses = this.#counters(
    "claudemesh_http_responses_total",
    "HTTP answers, by status.",
    "status",
    httpStatuses.map(String),
  )

  readonly accepted = this.#counter("claudemesh_messages_accepted_total", "Messages that were stored.")
  readonly deliveries = this.#counter("claudemesh_deliveries_accepted_total", "Recipients of those messages.")
  readonly consumed = this.#counter("claudemesh_deliveries_consumed_total", "Deliveries that were acked and stored so.")
  readonly redelivered = this.#counter("claudemesh_pushes_redelivered_total", "Pushes of what was pushed before.")
  readonly messageBytes = this.#histogram(
    "claudemesh_message_size_bytes",
    "Ciphertext of the messages that were stored.",
    sizeBounds,
  )
  readonly commitWait = this.#histogram(
    "claudemesh_accept_to_commit_seconds",
    "From when a mesh took a message to its commit.",
    secondsBounds,
  )
  readonly pushWait = this.#histogram(
    "claudemesh_accept_to_push_seconds",
    "From when a mesh took a message to a push of it, for those that were not pushed before.",
    longSecondsBounds,
  )
  readonly consumeWait = this.#histogram(
    "claudemesh_push_to_consume_seconds",
    "From a push to the ack of its recipient, once that is stored.",
    longSecondsBounds,
  )

  readonly batchWrites = this.#histogram("claudemesh_commit_batch_writes", "Writes in one transaction.", batchBounds)
  readonly commitSeconds = this.#histogram("claudemesh_commit_seconds", "Time of one transaction.", secondsBounds)
  readonly commitFailures = this.#counter("claudemesh_commit_failures_total", "Transactions that failed.")

  readonly queueDepth = this.#gauge("claudemesh_queue_depth", "What waits, in all queues of a name together.")
  readonly queueDeepest = this.#gauge("claudemesh_queue_deepest", "What waits in the fullest queue of a name.")
  readonly queueCapacity = this.#gauge("claudemesh_queue_capacity", "What one queue of a name holds.")
  readonly unreadBytes = this.#gauge("claudemesh_unread_bytes", "Sent to sockets and not taken by them, all together.")
  readonly unreadBytesMost = this.#gauge(
    "claudemesh_unread_bytes_most",
    "The same of the socket that is furthest behind.",
  )

  readonly tlsExpires = this.#gauge(
    "claudemesh_tls_certificate_expires_seconds",
    "When the certificate in use expires, in seconds of Unix time.",
  )

  readonly loopDelay = this.#histogram(
    "claudemesh_event_loop_delay_seconds",
    "How much later than asked for a timer of the process ran.",
    secondsBounds,
  )
  readonly heap = this.#gauge("claudemesh_heap_bytes", "Heap of the runtime that is in use.")
  readonly resident = this.#gauge("process_resident_memory_bytes", "Resident memory.")
  readonly started = this.#gauge("process_start_time_seconds", "When the process began, in seconds of Unix time.")

  constructor(
    /** A clock that never goes back. */
    readonly seconds: () => number,
    /** The clock that the times of messages are of. */
    private readonly nowMillis: () => number,
    /** Of the processor, used by the process. */
    cpuSeconds: () => number,
  ) {
    this.#add(new CounterOf("process_cpu_seconds_total", "Processor time, of user and system.", cpuSeconds))
    this.sessions.readAs(() => this.attached)
    this.meshes.readAs(() => this.queues.mailbox.count)
    for (const [queue, all] of Object.entries(this.queues)) {
      this.queueDepth.readAs(() => all.depth, { queue })
      this.queueDeepest.readAs(() => all.deepest, { queue })
      this.queueCapacity.readAs(() => all.capacity, { queue })
    }
  }

  received(characters: number): void {
    this.framesReceived.value += 1
    this.charactersReceived.value += characters
  }

  /** The pushes of one message follow each other. */
  #millisOf(createdAt: string): number {
    if (createdAt !== this.#lastCreated.text) this.#lastCreated = { text: createdAt, millis: Date.parse(createdAt) }
    return this.#lastCreated.millis
  }

  /** A frame is on its way out. */
  sent(frame: BrokerFrame): void {
    this.framesSent.add(frame.type)
    if (frame.type === "error") this.refusals.add(frame.code)
    else if (frame.type === "push") {
      if (frame.redelivered === true) this.redelivered.value += 1
      else this.pushWait.observe(Math.max(0, this.nowMillis() - this.#millisOf(frame.createdAt)) / 1_000)
    }
  }

  get families(): ReadonlyArray<Family> {
    return this.#families
  }

  /** What a scrape is answered. */
  text(): string {
    return this.#families.map((family) => family.text()).join("")
  }

  #add<F extends Family>(family: F): F {
    this.#families.push(family)
    return family
  }

  #counter(name: string, help: string): Counter {
    return this.#add(new Counter(name, help))
  }

  #counters(name: string, help: string, label: string, values: ReadonlyArray<string>): Counters {
    return this.#add(new Counters(name, help, label, values))
  }

  #gauge(name: string, help: string): Gauge {
    return this.#add(new Gauge(name, help))
  }

  #histogram(name: string, help: string, bounds: ReadonlyArray<number>): Histogram {
    return this.#add(new Histogram(name, help, bounds))
  }
}

/** Nobody reads it. */
export const uncounted = new Metrics(
  () => 0,
  () => 0,
  () => 0,
)

/** The metrics of the broker that a part belongs to. */
export const BrokerMetrics = Context.Reference<Metrics>("@claudemesh/broker/metrics/BrokerMetrics", {
  defaultValue: () => uncounted,
})
