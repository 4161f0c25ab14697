/**
 * How messages get to the agent: as many as fit are leased, given in one answer, and committed once it is confirmed
 * (I8). The agent confirms an answer by its cursor. Else time does: the host answered a ping that was sent behind the
 * answer, and another one 10 s later, and the call was not cancelled. What ends unconfirmed is pushed again elsewhere.
 */
import { type HeldMessage, type InboxMessage, oldestFirst } from "@claudemesh/client/inbox/Inbox"
import { randomHex } from "@claudemesh/client/keys/RandomBytes"
import { MemberStanding } from "@claudemesh/client/trust/MemberStanding"
import { type Crypto, Effect, Exit, Semaphore } from "effect"
import type { HookMoment } from "../host/HookMoment.ts"
import { handedCharactersMax } from "../host/Limits.ts"
import { confirmMillis, messagesCharactersMax } from "./Limits.ts"
import { type Leased, type Piece, type RequestId, Unconfirmed } from "./Unconfirmed.ts"
import { bodiesOf, newBoundary, someBoundary, wrapped } from "./WrapUntrusted.ts"

/** The inboxes of the joined meshes. */
export interface Inboxes {
  /** What may be leased. */
  readonly waiting: Effect.Effect<ReadonlyArray<HeldMessage>>
  /** `held` is given those that are ours now, in one step with their becoming so. */
  readonly lease: (
    messages: ReadonlyArray<HeldMessage>,
    held: (lease: Leased<Effect.Effect<void>>) => void,
  ) => Effect.Effect<void>
}

export interface Host {
  /** Until it has answered a ping that is sent now. */
  readonly ping: Effect.Effect<void>
  /** Until it says anything. */
  readonly spoken: Effect.Effect<void>
}

export interface Given {
  readonly texts: ReadonlyArray<string>
  /** Of the tags that they are between, and of no other answer's. */
  readonly boundary: string
  /** Undefined where there is nothing to confirm. */
  readonly cursor: string | undefined
}

/** What an answer has room for, by what a host counts. */
export interface Room {
  readonly max: number
  readonly measure: (text: string) => number
}

const inCharacters = (max: number): Room => ({ max, measure: (text) => text.length })

export interface Reading {
  /** The next messages, oldest first, as the answer to this request. `only`: no others are leased or given. */
  readonly next: (
    inboxes: Inboxes,
    requestId: RequestId,
    max: number,
    only?: (message: HeldMessage) => boolean,
  ) => Effect.Effect<Given>
  /** The same, as the answer to a hook: less of it, as its host measures that, and confirmed by what the host does next. */
  readonly hand: (
    inboxes: Inboxes,
    requestId: RequestId,
    moment: HookMoment,
    only: (message: HeldMessage) => boolean,
    room?: Room,
  ) => Effect.Effect<Given>
  /** The host went on: what it has of earlier hooks is confirmed, and what it has not is unread again. */
  readonly wentOn: (moment: HookMoment) => Effect.Effect<void>
  /** How often somebody looked for messages. */
  readonly looks: () => number
  /** By the agent's own word. False: this process gave no answer with this cursor. */
  readonly confirm: (cursor: string) => Effect.Effect<boolean>
  /** Leased, and not, or not wholly, given yet. */
  readonly waiting: () => ReadonlyArray<InboxMessage>
  readonly leaving: (requestId: RequestId) => void
  readonly left: (requestId: RequestId) => void
  readonly cancelled: (requestId: RequestId) => Effect.Effect<void>
  /** The host is gone: nothing is confirmed by time any more. */
  readonly hostGone: () => void
}

/** Leases that one call asks for: the first may be denied, where another session of the member was quicker. */
const leasesMax = 3

/** Messages of one step: their characters are what bounds it. */
const handedMax = 100

const cursorBytes = 4

export const makeReading = Effect.fnUntraced(function* (host: Host) {
  const unconfirmed = new Unconfirmed<Effect.Effect<void>>()
  const crypto = yield* Effect.context<Crypto.Crypto>()
  const alone = yield* Semaphore.make(1)
  const fork = Effect.runForkWith(yield* Effect.context<never>())
  const scope = yield* Effect.scope
  let gone = false
  let looks = 0

  const commit = (leases: ReadonlyArray<Leased<Effect.Effect<void>>>) =>
    Effect.uninterruptible(Effect.forEach(leases, (lease) => lease.commit, { discard: true }))
  const release = (leases: ReadonlyArray<Leased<Effect.Effect<void>>>) =>
    Effect.uninterruptible(Effect.forEach(leases, (lease) => lease.release, { discard: true }))

  /** A host that answers no pings, and goes on asking, is alive, too. */
  const alive = Effect.raceFirst(host.ping, Effect.andThen(Effect.sleep(confirmMillis), host.spoken))

  const confirmByTime = (cursor: string) =>
    alive.pipe(
      Effect.andThen(Effect.sleep(confirmMillis)),
      Effect.andThen(alive),
      Effect.andThen(
        Effect.suspend(() => (gone || !unconfirmed.isOpen(cursor) ? Effect.void : commit(unconfirmed.confirm(cursor)))),
      ),
    )

  const unread = (only: (message: HeldMessage) => boolean) => unconfirmed.unread.filter(({ message }) => only(message))

  const leaseMore = Effect.fnUntraced(function* (inboxes: Inboxes, asked: Asked) {
    for (let tries = 0; tries < leasesMax; tries += 1) {
      const chosen = choose(unread(asked.only), (yield* inboxes.waiting).filter(asked.only), asked)
      if (chosen.length === 0) return
      yield* inboxes.lease(chosen, (lease) => {
        if (lease.messages.length > 0) unconfirmed.hold(lease)
      })
    }
  })

  const give = (inboxes: Inboxes, requestId: RequestId, asked: Asked, hook?: HookMoment) =>
    leaseMore(inboxes, asked).pipe(
      Effect.andThen(Effect.all([randomHex(cursorBytes), newBoundary])),
      Effect.map(([cursor, boundary]): Given => {
        looks += 1
        const fitting = fit(unread(asked.only), asked)
        if (fitting.length === 0) return { texts: [], cursor: undefined, boundary }
        const texts = fitting.map(({ text }) => text(boundary))
        unconfirmed.answer(requestId, cursor, fitting, hook)
        return { texts, cursor, boundary }
      }),
      Effect.onExit((exit) => (Exit.isFailure(exit) ? release(unconfirmed.untouched()) : Effect.void)),
      Semaphore.withPermit(alone),
      Effect.provide(crypto),
    )

  const next: Reading["next"] = (inboxes, requestId, max, only = () => true) =>
    give(inboxes, requestId, { max, only, room: inCharacters(messagesCharactersMax) })
  const hand: Reading["hand"] = (inboxes, requestId, moment, only, room = inCharacters(handedCharactersMax)) =>
    give(inboxes, requestId, { max: handedMax, only, room }, moment)

  return {
    next,
    hand,
    wentOn: (moment) => Effect.suspend(() => commit(unconfirmed.wentOn(moment))),
    looks: () => looks,
    confirm: (cursor) =>
      Effect.suspend(() => {
        const known = unconfirmed.isKnown(cursor)
        return Effect.as(commit(unconfirmed.confirm(cursor)), known)
      }),
    waiting: () => unconfirmed.waiting,
    leaving: (requestId) => unconfirmed.written(requestId),
    left: (requestId) => {
      const cursor = unconfirmed.openCursor(requestId)
      if (cursor !== undefined) fork(Effect.forkIn(confirmByTime(cursor), scope))
    },
    cancelled: (requestId) => Effect.suspend(() => release(unconfirmed.cancelled(requestId))),
    hostGone: () => {
      gone = true
    },
  } satisfies Reading
})

/** What an answer may hold. */
interface Asked {
  readonly max: number
  readonly room: Room
  readonly only: (message: HeldMessage) => boolean
}

/** As many as fit, from the first. The first always does: no part is longer than an answer. */
const fit = (pieces: ReadonlyArray<Piece>, { max, room }: Asked): ReadonlyArray<Piece> => {
  let used = -separator.length
  const end = pieces.findIndex((piece, index) => {
    used += separator.length + lengthOf(piece, room)
    return index > 0 && (used > room.max || index >= max)
  })
  return end === -1 ? pieces : pieces.slice(0, end)
}

/** All boundaries are of one length. */
const lengthOf = ({ text }: Piece, { measure }: Room): number => measure(text(someBoundary))

/** Between the messages of an answer. */
export const separator = "\n\n"

/** Room for a name that is not known before the message is leased. */
const nameCharacters = 64

/** The oldest that fit beside what is leased already. Nothing is leased that is not about to be shown. */
const choose = (
  unread: ReadonlyArray<Piece>,
  waiting: ReadonlyArray<HeldMessage>,
  { max, room }: Pick<Asked, "max" | "room">,
) => {
  let left = room.max
  for (const piece of unread) left -= lengthOf(piece, room) + separator.length
  let count = max - unread.length
  const chosen: Array<HeldMessage> = []
  for (const message of oldestFirst(waiting)) {
    if (count <= 0) break
    const size = sizeOf(message, room)
    if (size > left && (chosen.length > 0 || unread.length > 0)) break
    left -= size
    count -= 1
    chosen.push(message)
  }
  return chosen
}

const notAsked = MemberStanding.Uncertified({ doubt: "not_asked" })

/** As they will be shown. */
const piecesOf = (message: HeldMessage, { measure }: Room): ReadonlyArray<number> => {
  const shown = { ...message, sender: { name: undefined, standing: notAsked } }
  return bodiesOf(shown).map((body) => measure(wrapped(shown, body, someBoundary)))
}

/** Of a message in parts: more than fits, since nothing comes in the same answer as its first part. */
const sizeOf = (message: HeldMessage, room: Room): number =>
  piecesOf(message, room).reduce((sum, size) => sum + size, nameCharacters + separator.length)

/** Whether each part of it fits into one answer. */
export const hasRoomFor = (message: HeldMessage, room: Room): boolean =>
  piecesOf(message, room).every((size) => size <= room.max)
