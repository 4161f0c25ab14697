/**
 * Which messages this machine has shown, so that none is shown twice, whatever a broker pushes: in `state.db`, where every
 * process writes them down once its host has them. Where that cannot be read or written nobody is stopped from reading:
 * the process then remembers for itself. A message to a group is for each session, so it is written down with the session
 * that was shown it.
 */
import { join } from "node:path"
import type { MeshId, MessageId, SessionId } from "@claudemesh/domain/Ids"
import type { IsoTime } from "@claudemesh/domain/IsoTime"
import { isDirect, parseTarget } from "@claudemesh/domain/routing/Target"
import { backdateMillis } from "@claudemesh/domain/trust/Plaintext"
import { Clock, Context, Effect, type FileSystem, Layer, Option } from "effect"
import { outboxMillis, seenMessagesMax, seenMillis } from "../Limits.ts"
import { takenOver } from "../local/Legacy.ts"
import type { FileUnusable, SecretExposed } from "../local/SecretFile.ts"
import { StateDb, type StateDbError } from "../local/StateDb.ts"
import type { Content } from "../seal/OpenPush.ts"
import { beganMillis, insertSeen, seenAfter, type SeenRow, takeOverFile, trimSeen } from "./SeenRows.ts"

/** What it takes to know whether a message was shown. */
export interface Pushed {
  readonly messageId: MessageId
  readonly targetSpec: string | undefined
  readonly createdAt: IsoTime
  readonly content: Content
}

/** Of one mesh, for one session. */
export interface Seen {
  /** Looks into memory alone: reading from the socket waits for no disk. */
  readonly has: (message: Pushed) => boolean
  /** The host has them. */
  readonly add: (messageIds: ReadonlyArray<MessageId>) => Effect.Effect<void>
  /** Reads what other processes of this machine have added. */
  readonly refresh: Effect.Effect<void>
}

export class SeenMessages extends Context.Service<
  SeenMessages,
  { readonly open: (meshId: MeshId, sessionId: SessionId) => Effect.Effect<Seen, SecretExposed> }
>()("@claudemesh/client/inbox/SeenMessages") {
  static readonly layer = Layer.effect(
    SeenMessages,
    Effect.suspend(() => open),
  )

  /** Another one for each folder: a layer is built once, whatever is provided to it. */
  static readonly layerIn = (directory: string) =>
    Layer.fresh(SeenMessages.layer).pipe(Layer.provide(StateDb.layerIn(directory)))

  /** Each client remembers for itself, and for as long as it lives. */
  static readonly memory = Layer.succeed(SeenMessages, {
    open: (_, sessionId) => Effect.map(Clock.currentTimeMillis, (nowMillis) => seenInMemory(sessionId, nowMillis)),
  })
}

export const seenInMemory = (sessionId: SessionId, nowMillis: number): Seen => {
  const table = new Table(sessionId, nowMillis)
  return { has: (message) => table.has(message), add: (messageIds) => noted(table, messageIds), refresh: Effect.void }
}

const noted = (table: Table, messageIds: ReadonlyArray<MessageId>) =>
  Effect.map(Clock.currentTimeMillis, (nowMillis) => {
    for (const messageId of messageIds) table.add({ messageId, millis: nowMillis, sessionId: table.sessionId })
    table.forget(nowMillis)
  })

class Table {
  /** By the time it was last shown: the oldest first. */
  readonly #shown = new Map<MessageId, { readonly millis: number; readonly isOurs: boolean }>()
  #beganMillis: number

  constructor(
    readonly sessionId: SessionId,
    beganMillis: number,
  ) {
    this.#beganMillis = beganMillis
  }

  add({ messageId, millis, sessionId }: SeenRow): void {
    const isOurs = sessionId === this.sessionId
    if (isOurs) this.#beganMillis = Math.min(this.#beganMillis, millis)
    const before = this.#shown.get(messageId)
    this.#shown.delete(messageId)
    this.#shown.set(messageId, { millis, isOurs: isOurs || before?.isOurs === true })
  }

  forget(nowMillis: number): void {
    for (const [messageId, { millis }] of this.#shown) {
      if (millis >= nowMillis - seenMillis && this.#shown.size <= seenMessagesMax) return
      this.#shown.delete(messageId)
    }
  }

  /**
   * One to a group is for each session that was there when the broker took it. A session that came later, such as that of the
   * next command, is not given again what another one was shown: by the broker's time, and, since that may be a lie, by the
   * sender's, where it is sealed in. Between the two it may have waited in an outbox.
   */
  has({ content, createdAt, messageId, targetSpec }: Pushed): boolean {
    const shown = this.#shown.get(messageId)
    if (shown === undefined || shown.isOurs) return shown !== undefined
    const target = Option.flatMap(Option.fromUndefinedOr(targetSpec), parseTarget)
    if (Option.isNone(target) || isDirect(target.value)) return true
    const sentAt = (content._tag === "Opened" ? content.sentAt : undefined) ?? createdAt
    const takenMillis = Math.min(Date.parse(createdAt), Date.parse(sentAt) + outboxMillis)
    return takenMillis < this.#beganMillis - backdateMillis
  }
}

const open = Effect.gen(function* () {
  const db = yield* StateDb
  const context = yield* Effect.context<FileSystem.FileSystem>()
  return SeenMessages.of({
    open: (meshId, sessionId) => Effect.provide(openMesh(db, meshId, sessionId), context),
  })
})

/** How many are written before those that are too old or too many are taken out. */
const trimEvery = 1_000

const openMesh = Effect.fnUntraced(function* (
  { directory, read, transaction }: typeof StateDb.Service,
  meshId: MeshId,
  sessionId: SessionId,
) {
  const nowMillis = yield* Clock.currentTimeMillis
  let isWarned = false
  let untilTrim = trimEvery
  /** The last row that was read. */
  let last = 0

  const warnOnce = (error: FileUnusable | StateDbError) =>
    Effect.suspend((): Effect.Effect<undefined> => {
      if (isWarned) return Effect.undefined
      isWarned = true
      return Effect.as(
        Effect.logWarning("which messages were shown is not kept: a broker could have them shown again", {
          meshId,
          path: error.path,
          reason: error.message,
        }),
        undefined,
      )
    })
  const orWarn = <A, R>(effect: Effect.Effect<A, FileUnusable | StateDbError, R>) =>
    Effect.catchTag(effect, ["FileUnusable", "StateDbUnusable", "HomeUnusable"], warnOnce)

  const takeOver =
    directory === undefined
      ? Effect.void
      : takenOver(join(directory, "seen", `${meshId}.log`), (text) =>
          transaction((db) => takeOverFile(db, meshId, text)),
        )
  yield* orWarn(takeOver)

  const begin = transaction((db) => {
    trimSeen(db, meshId, nowMillis)
    return beganMillis(db, meshId, sessionId, nowMillis)
  })
  const table = new Table(sessionId, (yield* orWarn(begin)) ?? nowMillis)

  const learn = Effect.gen(function* () {
    const rows = yield* read((db) => seenAfter(db, meshId, last))
    last = rows.at(-1)?.seq ?? last
    for (const row of rows) table.add(row)
    table.forget(yield* Clock.currentTimeMillis)
  })
  yield* orWarn(learn)

  const write = Effect.fnUntraced(function* (messageIds: ReadonlyArray<MessageId>) {
    const millis = yield* Clock.currentTimeMillis
    untilTrim -= messageIds.length
    yield* transaction((db) => {
      insertSeen(
        db,
        meshId,
        messageIds.map((messageId) => ({ messageId, sessionId, millis })),
      )
      if (untilTrim <= 0) trimSeen(db, meshId, millis)
    })
    if (untilTrim <= 0) untilTrim = trimEvery
  })

  const seen: Seen = {
    has: (message) => table.has(message),
    add: (messageIds) => Effect.andThen(noted(table, messageIds), Effect.catch(write(messageIds), warnOnce)),
    refresh: Effect.catch(learn, warnOnce),
  }
  return seen
})
