/**
 * Which messages this machine has shown, so that none is shown twice, whatever a broker pushes: for each mesh one file in
 * `seen/` beside the config, which every process appends to once its host has the messages. What it cannot read or write
 * stops nobody from reading: the process then remembers for itself. A message to a group is for each session, so it is
 * written down with the session that was shown it.
 */
import { join } from "node:path"
import { MeshId, MessageId, SessionId } from "@claudemesh/domain/Ids"
import type { IsoTime } from "@claudemesh/domain/IsoTime"
import { isDirect, parseTarget } from "@claudemesh/domain/routing/Target"
import { backdateMillis } from "@claudemesh/domain/trust/Plaintext"
import { Clock, Context, type Crypto, Effect, FileSystem, Layer, Option, type PlatformError, Schema } from "effect"
import { layerAtHome } from "../local/Home.ts"
import { withLockFile } from "../keys/LockFile.ts"
import { type FileUnusable, refuseExposed, SecretExposed, writeSecretFile } from "../local/SecretFile.ts"
import { seenMessagesMax, seenMillis } from "../Limits.ts"
import type { Content } from "../seal/OpenPush.ts"

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
  /** In `CLAUDEMESH_HOME`, else in `~/.claudemesh`. */
  static readonly layer = layerAtHome((directory) => SeenMessages.layerIn(directory))

  static readonly layerIn = (directory: string) => Layer.effect(SeenMessages, files(join(directory, "seen")))

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

/** `<millis> <message id> <session id>`, and `<millis> begins <session id>`: from then on groups' messages are for it, too. */
interface Line {
  readonly millis: number
  readonly messageId: MessageId | undefined
  readonly sessionId: SessionId
}

const isMessageId = Schema.is(MessageId)
const isSessionId = Schema.is(SessionId)

const parseLine = (text: string): Line | undefined => {
  const [time = "", what, sessionId, ...more] = text.split(" ")
  if (!/^\d{1,15}$/.test(time) || !isSessionId(sessionId) || more.length > 0) return undefined
  if (what === "begins") return { millis: Number(time), messageId: undefined, sessionId }
  return isMessageId(what) ? { millis: Number(time), messageId: what, sessionId } : undefined
}

const formatLine = ({ messageId, millis, sessionId }: Line): string => `${millis} ${messageId ?? "begins"} ${sessionId}`

class Table {
  /** By the time it was last shown: the oldest first. */
  readonly #shown = new Map<MessageId, { readonly millis: number; readonly isOurs: boolean }>()
  #beganMillis: number
  /** The session was here before this process. */
  isResumed = false

  constructor(
    readonly sessionId: SessionId,
    nowMillis: number,
  ) {
    this.#beganMillis = nowMillis
  }

  add({ messageId, millis, sessionId }: Line): void {
    const isOurs = sessionId === this.sessionId
    if (isOurs) {
      this.isResumed = true
      this.#beganMillis = Math.min(this.#beganMillis, millis)
    }
    if (messageId === undefined) return
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
   * One to a group is for each session that was there when it was sent. A session that came later, such as that of the
   * next command, is not given again what another one was shown; by the sender's time, where that is sealed in.
   */
  has({ content, createdAt, messageId, targetSpec }: Pushed): boolean {
    const shown = this.#shown.get(messageId)
    if (shown === undefined || shown.isOurs) return shown !== undefined
    const target = Option.flatMap(Option.fromUndefinedOr(targetSpec), parseTarget)
    if (Option.isNone(target) || isDirect(target.value)) return true
    const sentAt = (content._tag === "Opened" ? content.sentAt : undefined) ?? createdAt
    return Date.parse(sentAt) < this.#beganMillis - backdateMillis
  }
}

/** Those worth to be kept, and how many are not. */
const sorted = (text: string, nowMillis: number) => {
  const written = text.split("\n").filter((line) => line !== "")
  const good = written.flatMap((line) => parseLine(line) ?? []).filter(({ millis }) => millis >= nowMillis - seenMillis)
  const kept = good.slice(-seenMessagesMax)
  return { kept, spent: written.length - kept.length }
}

const files = Effect.fnUntraced(function* (directory: string) {
  const context = yield* Effect.context<FileSystem.FileSystem | Crypto.Crypto>()
  return SeenMessages.of({
    open: (meshId, sessionId) => Effect.provide(openFile(directory, meshId, sessionId), context),
  })
})

const openFile = Effect.fnUntraced(function* (directory: string, meshId: MeshId, sessionId: SessionId) {
  const context = yield* Effect.context<FileSystem.FileSystem | Crypto.Crypto>()
  const fs = yield* FileSystem.FileSystem
  const path = join(directory, `${meshId}.log`)
  const withLock = withLockFile(join(directory, `${meshId}.lock`))
  const nowMillis = yield* Clock.currentTimeMillis
  const table = new Table(sessionId, nowMillis)
  /** How far it was read. A file that was written anew is another one, and is read from its start. */
  let read = { file: 0, offset: 0 }
  let isWarned = false

  const warnOnce = ({ message }: FileUnusable | SecretExposed | PlatformError.PlatformError) =>
    Effect.suspend(() => {
      if (isWarned) return Effect.void
      isWarned = true
      return Effect.logWarning("which messages were shown is not kept: a broker could have them shown again", {
        meshId,
        path,
        reason: message,
      })
    })

  /** The whole lines that are new. */
  const readOn = Effect.scoped(
    Effect.gen(function* () {
      const file = yield* fs.open(path, { flag: "r" })
      const { ino, mode, size } = yield* file.stat
      yield* refuseExposed(path, mode)
      const number = Option.getOrElse(ino, () => 0)
      const from = number === read.file && Number(size) >= read.offset ? read.offset : 0
      read = { file: number, offset: from }
      if (Number(size) === from) return ""
      yield* file.seek(BigInt(from), "start")
      const bytes = Option.getOrElse(yield* file.readAlloc(Number(size) - from), () => new Uint8Array())
      const whole = bytes.subarray(0, bytes.lastIndexOf(newline) + 1)
      read = { file: number, offset: from + whole.length }
      return new TextDecoder().decode(whole)
    }),
  ).pipe(
    Effect.catchTag("PlatformError", (error) =>
      error.reason._tag === "NotFound" ? Effect.succeed("") : Effect.fail(error),
    ),
  )

  const learn = Effect.fnUntraced(function* () {
    const text = yield* readOn
    if (text === "") return { kept: [], spent: 0 }
    const nowMillis = yield* Clock.currentTimeMillis
    const lines = sorted(text, nowMillis)
    for (const line of lines.kept) table.add(line)
    table.forget(nowMillis)
    return lines
  })

  /** On a line of its own, also after one that a full disk has cut off. */
  const append = (lines: ReadonlyArray<Line>) =>
    fs
      .writeFileString(path, ["", ...lines.map(formatLine), ""].join("\n"), { flag: "a", mode: 0o600 })
      .pipe(withLock, Effect.catch(warnOnce))

  /** Under the lock, so that nobody appends to the old file meanwhile. */
  const writeAnew = Effect.gen(function* () {
    const { kept } = sorted(yield* fs.readFileString(path), yield* Clock.currentTimeMillis)
    yield* writeSecretFile(path, kept.map((line) => `${formatLine(line)}\n`).join(""))
  }).pipe(withLock, Effect.catch(warnOnce))

  const { kept, spent } = yield* Effect.catchTag(learn(), ["PlatformError"], (error) =>
    Effect.as(warnOnce(error), { kept: [], spent: 0 }),
  )
  if (spent > kept.length) yield* writeAnew
  if (!table.isResumed) yield* append([{ millis: nowMillis, messageId: undefined, sessionId }])

  const seen: Seen = {
    has: (message) => table.has(message),
    add: (messageIds) =>
      Effect.gen(function* () {
        yield* noted(table, messageIds)
        const millis = yield* Clock.currentTimeMillis
        yield* append(messageIds.map((messageId) => ({ millis, messageId, sessionId })))
      }).pipe(Effect.provide(context)),
    refresh: learn().pipe(Effect.catch(warnOnce), Effect.asVoid),
  }
  return seen
})

const newline = "\n".charCodeAt(0)
