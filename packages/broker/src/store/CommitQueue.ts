/**
 * What waits in a group commit: of each mesh in the order in which it was submitted, and the meshes take turns. Projections are merged as they come: of two words on
 * the same thing the later one stands, so that an outage leaves one word on each session, channel of a session and inbox,
 * however long it lasts and however often they change; of deliveries there are no more than were pushed. What a mesh may have waiting is bounded besides.
 */
import type { MeshId, SessionId } from "@claudemesh/domain/Ids"
import { Data, Exit } from "effect"
import type { BrokerLimits } from "../Limits.ts"
import { meshOf, type OwnedWrite, type ProjectionWrite, StoreError, type Write, Written } from "./MessageStore.ts"

export type Outcome = Exit.Exit<Written, StoreError>

export type Waiting = Data.TaggedEnum<{
  Job: OwnedWrite & {
    /** Called once: it must only hand the outcome on. */
    readonly done: (outcome: Outcome) => void
    /** All whose outcome it is, where later words on the same have been asked for since. */
    readonly asked?: Array<(outcome: Outcome) => void>
  }
  /** Reached when every job of its mesh before it has its outcome. */
  Barrier: { readonly meshId: MeshId; readonly done: (outcome: Exit.Exit<void, StoreError>) => void }
}>
export const Waiting = Data.taggedEnum<Waiting>()
export type Job = Extract<Waiting, { readonly _tag: "Job" }>
export type Barrier = Extract<Waiting, { readonly _tag: "Barrier" }>

/** Somebody waits to hear that it is done before anything else is, and can ask again. */
export const isAwaited = (one: Waiting): boolean =>
  one._tag === "Barrier" || one.write._tag === "Lease" || !isProjection(one.write)

const isProjection = (write: Write): write is ProjectionWrite =>
  write._tag !== "Accept" &&
  write._tag !== "InviteAdded" &&
  write._tag !== "MemberJoined" &&
  write._tag !== "KeyRevoked" &&
  write._tag !== "MeshMoved"

/** A frame asked for it, and its answer is that it is stored. */
const isAnswered = ({ _tag }: ProjectionWrite): boolean =>
  _tag === "Lease" || _tag === "ChannelJoined" || _tag === "ChannelLeft"

const superseded: Outcome = Exit.succeed(Written.Done())
const full: Exit.Exit<never, StoreError> = Exit.fail(
  new StoreError({ reason: "unavailable", cause: "too much of this mesh waits for the database" }),
)

type GroupCommitLimits = Pick<
  BrokerLimits,
  "commitCharactersMax" | "commitRowsMax" | "commitWritesMax" | "healthTimeoutMillis" | "projectionsQueuedMax"
>

/** What waits of one mesh, in the order in which it was submitted. */
class MeshQueue {
  /** Each under what it is about, or under a number of its own. A map keeps the order in which its keys came. */
  readonly waiting = new Map<string | number, Waiting>()
  projections = 0
  /** How many sequenced writes wait: messages, and whatever else takes a number of the mesh. */
  sequenced = 0
  #added = 0
  /** Nothing is merged with what stands before a barrier. */
  #barriers = 0

  constructor(
    readonly meshId: MeshId,
    readonly projectionsMax: number,
  ) {}

  add(one: Waiting): void {
    this.#added += 1
    if (one._tag === "Barrier") {
      this.#barriers += 1
      this.waiting.set(this.#added, one)
    } else if (isProjection(one.write)) this.#addProjection(one, one.write)
    else {
      this.sequenced += 1
      this.waiting.set(this.#added, one)
    }
  }

  #addProjection(one: Job, write: ProjectionWrite): void {
    const all = aboutOf(write)
    for (let other = 1; other < all.length; other++) this.#give(`${this.#barriers} ${all[other]}`)
    const [about] = all
    const key = about === undefined ? this.#added : this.#placeOf(`${this.#barriers} ${about}`, write)
    const answered = isAnswered(write)
    if (!answered) this.#give(key)
    // What can be asked for again leaves room for what cannot.
    if (this.projections >= this.projectionsMax / (answered ? 2 : 1)) return one.done(full)
    this.projections += placesOf(one)
    const before = this.waiting.get(key)
    // Its place is at the end from now on.
    this.waiting.delete(key)
    this.waiting.set(key, before?._tag === "Job" ? following(before, one) : one)
  }

  /**
   * A session is written before what was accepted for it, so its first attachment stays where it is; and its last one comes behind
   * what was asked for before that, since messages go out once it is written.
   */
  #placeOf(key: string, { _tag }: ProjectionWrite): string {
    return _tag === "SessionAttached" && this.waiting.has(key) ? `${key} again` : key
  }

  #give(key: string | number): void {
    const one = this.waiting.get(key)
    if (one?._tag !== "Job") return
    this.take(key, one)
    one.done(superseded)
  }

  take(key: string | number, one: Job): void {
    this.waiting.delete(key)
    if (isProjection(one.write)) this.projections -= placesOf(one)
    else this.sequenced -= 1
  }
}

export class CommitQueue {
  /** Of the meshes that have something waiting. Whoever had its turn goes to the end. */
  readonly #meshes = new Map<MeshId, MeshQueue>()
  /** Batches that are tried once more, since a larger one failed with them. What waits of their meshes comes after them. */
  #split: Array<ReadonlyArray<Job>> = []
  #wasSplit = false

  constructor(readonly limits: GroupCommitLimits) {}

  get isEmpty(): boolean {
    return this.#meshes.size === 0 && this.#split.length === 0
  }

  /** What waits, of all meshes. Counted anew: it is asked for once in a while. */
  get size(): number {
    const waiting = [...this.#meshes.values()].reduce((sum, mesh) => sum + mesh.waiting.size, 0)
    return this.#split.reduce((sum, jobs) => sum + jobs.length, waiting)
  }

  /** How many sequenced writes wait, of all meshes. Those of a batch that failed are not counted. */
  get sequenced(): number {
    return [...this.#meshes.values()].reduce((sum, mesh) => sum + mesh.sequenced, 0)
  }

  /** Answers at once what gets no place, and what gives its place to a later word. */
  add(one: Waiting): void {
    const meshId = one._tag === "Barrier" ? one.meshId : meshOf(one.write)
    const mesh = this.#meshes.get(meshId) ?? new MeshQueue(meshId, this.limits.projectionsQueuedMax)
    mesh.add(one)
    if (mesh.waiting.size > 0) this.#meshes.set(meshId, mesh)
  }

  /**
   * The next jobs that fit in one transaction: at least one, unless barriers stand before all. The meshes take turns with one write each,
   * so what a mesh has waiting holds up nobody else. What is tried once more takes turns with the rest, for it may take long.
   */
  takeBatch(writesMax = this.limits.commitWritesMax, sequencedMax = writesMax): ReadonlyArray<Job> {
    const held = this.#heldMeshes()
    const others = held.size > 0 && !this.#wasSplit ? [] : this.#takeTurns(writesMax, sequencedMax, held)
    this.#wasSplit = others.length === 0
    return others.length > 0 ? others : (this.#split.shift() ?? [])
  }

  #takeTurns(writesMax: number, sequencedMax: number, held: ReadonlySet<MeshId>): ReadonlyArray<Job> {
    const jobs: Array<Job> = []
    const rests = new Map<MeshId, Iterator<readonly [string | number, Waiting], undefined>>()
    let [characters, rows, sequenced] = [0, 0, 0]
    const takeNext = (mesh: MeshQueue, rest: Iterator<readonly [string | number, Waiting], undefined>): boolean => {
      const [key, one] = rest.next().value ?? []
      if (key === undefined || one?._tag !== "Job") return false
      const charactersThen = characters + charactersOf(one.write)
      const rowsThen = rows + rowsOf(one.write)
      const sequencedThen = sequenced + sequencedOf(one)
      const { commitCharactersMax, commitRowsMax } = this.limits
      const fits = rowsThen <= commitRowsMax && charactersThen <= commitCharactersMax && sequencedThen <= sequencedMax
      // It stays where it is, and is among the first of the next batch.
      if (jobs.length > 0 && !fits) return false
      characters = charactersThen
      rows = rowsThen
      sequenced = sequencedThen
      jobs.push(one)
      mesh.take(key, one)
      return true
    }
    // A mesh that is put back at the end is come by again.
    for (const mesh of this.#meshes.values()) {
      if (jobs.length === writesMax) break
      if (held.has(mesh.meshId)) continue
      const rest = rests.get(mesh.meshId) ?? mesh.waiting.entries()
      rests.set(mesh.meshId, rest)
      let isMore = takeNext(mesh, rest)
      if (!isMore) continue
      // Who is alone has every turn.
      while (isMore && this.#meshes.size === 1 && jobs.length < writesMax) isMore = takeNext(mesh, rest)
      this.#meshes.delete(mesh.meshId)
      if (mesh.waiting.size > 0) this.#meshes.set(mesh.meshId, mesh)
      if (!isMore) break
    }
    return jobs
  }

  #heldMeshes(): ReadonlySet<MeshId> {
    return new Set(this.#split.flatMap((jobs) => jobs.map(({ write }) => meshOf(write))))
  }

  /** Those that stand at the front of their meshes. */
  takeBarriers(): ReadonlyArray<Barrier> {
    const barriers: Array<Barrier> = []
    const held = this.#heldMeshes()
    for (const mesh of this.#meshes.values()) {
      if (held.has(mesh.meshId)) continue
      for (const [key, one] of mesh.waiting) {
        if (one._tag !== "Barrier") break
        barriers.push(one)
        mesh.waiting.delete(key)
      }
      if (mesh.waiting.size === 0) this.#meshes.delete(mesh.meshId)
    }
    return barriers
  }

  /** A batch that failed is tried in halves, and so on, until what is wrong with it is alone. */
  putBackSplit(jobs: ReadonlyArray<Job>): void {
    const half = Math.ceil(jobs.length / 2)
    this.#split = [jobs.slice(0, half), jobs.slice(half), ...this.#split].filter((some) => some.length > 0)
  }

  /** Keeps of the batch that failed and of all that waits what nobody waits to hear of, and gives the rest. */
  takeAwaited(batch: ReadonlyArray<Job>): ReadonlyArray<Waiting> {
    const all = [...batch, ...this.takeAll()]
    for (const one of all) if (!isAwaited(one)) this.add(one)
    return all.filter(isAwaited)
  }

  takeAll(): ReadonlyArray<Waiting> {
    const all = [...this.#split.flat(), ...[...this.#meshes.values()].flatMap(({ waiting }) => [...waiting.values()])]
    this.#split = []
    this.#meshes.clear()
    return all
  }
}

export const sequencedOf = ({ write }: Job): number => (isProjection(write) ? 0 : 1)
const askersOf = ({ asked, done }: Job) => asked ?? [done]
const placesOf = ({ asked, write }: Job): number =>
  write._tag === "Consume" ? write.seqs.length : (asked?.length ?? 1)

/** The later word, for all who asked for one of the two. */
const following = (before: Job, one: Job): Job => {
  const asked = before.asked ?? [before.done]
  asked.push(...askersOf(one))
  return {
    ...one,
    asked,
    done: (outcome) => {
      for (const done of asked) done(outcome)
    },
  }
}

/** What a projection is about within its mesh, and behind that what else it leaves nothing of. Nothing of what is never merged. */
const aboutOf = (write: ProjectionWrite): ReadonlyArray<string> => {
  switch (write._tag) {
    // A session that came and went has a row: the end of it stands beside its beginning.
    case "SessionAttached":
      return [`attached ${sessionOf(write)}`, `detached ${sessionOf(write)}`]
    case "SessionDetached":
      return [`detached ${sessionOf(write)}`]
    case "SessionForgotten":
      return [
        `forgotten ${sessionOf(write)}`,
        `attached ${sessionOf(write)}`,
        `attached ${sessionOf(write)} again`,
        `detached ${sessionOf(write)}`,
      ]
    case "InboxMoved":
      return [`moved ${write.what} ${sessionOf(write)}`]
    case "ChannelJoined":
    case "ChannelLeft":
      return [`channel ${sessionOf(write)}#${write.channel}`]
    // What is acked is acked once: it left its window with that.
    case "Consume":
    case "Lease":
    case "Refused":
    case "Release":
      return []
  }
}

const sessionOf = ({ memberId, session }: Extract<ProjectionWrite, { readonly session: SessionId }>): string =>
  `${memberId}/${session}`

/**
 * An inbox may have thousands of rows, and how many is not known here. Measured with 100 inboxes of 2,000: all in one transaction takes
 * more than 4 s, in Postgres as in SQLite, which holds up the whole process; sixteen at a time take 0.3 s each.
 */
const rowsOfMove = 128

const rowsOf = (write: Write): number => {
  switch (write._tag) {
    case "Accept":
      return 1 + write.recipients.length
    case "Lease":
    case "Release":
      return write.deliveries.length
    case "Refused":
      return write.counts.length
    case "Consume":
      return write.seqs.length
    case "InboxMoved":
      return rowsOfMove
    default:
      return 1
  }
}

const charactersOf = (write: Write): number =>
  write._tag === "Accept"
    ? write.recipients.reduce((sum, { sealedKey }) => sum + (sealedKey?.length ?? 0), write.message.ciphertext.length)
    : 0
