/**
 * Says `working` or `idle` of this session where no hook does, by what is inferred from the host's transcript. Only the one word leaves
 * this machine. While hooks are seen it says nothing, since they know better. It looks every two seconds whether the file has changed.
 */
import type { BrokerClient } from "@claudemesh/client/BrokerClient"
import type { MeshManager } from "@claudemesh/client/MeshManager"
import { Clock, Effect, Option } from "effect"
import { inferredAgainMillis, inferredWorkingMillis, transcriptLookMillis } from "./Limits.ts"
import { activityOf } from "./Transcript.ts"
import { type Tail, tailReader } from "./TranscriptFile.ts"

export type Inferred = "working" | "idle"

/** What the session does, by all that was read of it so far. */
export class Inferring {
  #activity: Inferred = "idle"
  #writtenAtMillis = Number.NEGATIVE_INFINITY

  /** `tail`: of a transcript that has changed since the last look. Undefined where nothing is known of now. */
  now(tail: Tail | undefined, nowMillis: number): Inferred | undefined {
    if (tail !== undefined) {
      const activity = activityOf(tail.text)
      if (activity !== "unknown") this.#activity = activity
      this.#writtenAtMillis = Math.min(nowMillis, tail.writtenAtMillis)
    }
    // A transcript from long ago, such as of a session that was killed in a turn, is not of now.
    const isOld = nowMillis - this.#writtenAtMillis >= inferredWorkingMillis
    return this.#activity === "working" && isOld ? undefined : this.#activity
  }
}

/** What one mesh was told last. A new connection may be to a broker that has forgotten it. */
export class Told {
  #status: Inferred = "idle"
  #atMillis = Number.NEGATIVE_INFINITY
  #connection = 0

  /** A change is told at once, and `working` again while it lasts, since it ends by itself. */
  isDue(status: Inferred, connection: number, nowMillis: number): boolean {
    if (status !== this.#status) return true
    if (status === "idle") return false
    return connection !== this.#connection || Math.abs(nowMillis - this.#atMillis) >= inferredAgainMillis
  }

  tell(status: Inferred, connection: number, nowMillis: number): void {
    this.#status = status
    this.#connection = connection
    this.#atMillis = nowMillis
  }
}

/** Runs for as long as the session. `transcript`: its path, if it is known and there. */
export const inferring = Effect.fnUntraced(function* (options: {
  readonly transcript: Effect.Effect<string | undefined>
  readonly hooksSeen: () => boolean
  readonly manager: Pick<MeshManager, "all">
}) {
  const { hooksSeen, manager, transcript } = options
  const session = new Inferring()
  const changed = tailReader()
  const told = new WeakMap<BrokerClient, Told>()
  const toldOf = (client: BrokerClient): Told => {
    const known = told.get(client) ?? new Told()
    told.set(client, known)
    return known
  }
  while (true) {
    if (!hooksSeen()) {
      const path = yield* transcript
      const tail = path === undefined ? Option.none() : yield* changed(path)
      const status = session.now(Option.getOrUndefined(tail), yield* Clock.currentTimeMillis)
      const all = status === undefined ? [] : manager.all.map((client) => tell(client, toldOf(client), status))
      yield* Effect.all(all, { concurrency: "unbounded", discard: true })
    }
    yield* Effect.sleep(transcriptLookMillis)
  }
})

/** To a mesh that is connected: no connection is made for it, and none is waited for. */
const tell = Effect.fnUntraced(function* (client: BrokerClient, told: Told, status: Inferred) {
  const state = yield* client.state
  const nowMillis = yield* Clock.currentTimeMillis
  if (state._tag !== "Connected" || !told.isDue(status, state.sinceMillis, nowMillis)) return
  const taken = yield* Effect.exit(
    Effect.timeout(client.setStatus(status, { source: "inference" }), transcriptLookMillis),
  )
  if (taken._tag === "Success") told.tell(status, state.sinceMillis, nowMillis)
})
