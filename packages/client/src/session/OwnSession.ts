/**
 * What this session said of itself, and says again on a new connection, since the broker may have forgotten it: that it does not
 * want to be disturbed, its profile, its channels. Of statuses only `dnd` is said again: `working` ends by itself.
 */
import type { Label, PublicKey, SessionId } from "@claudemesh/domain/Ids"
import type { Status, StatusSource } from "@claudemesh/domain/routing/Status"
import { Clock, type Crypto, Effect, Latch } from "effect"
import type { ConnectionLoop } from "../connection/ConnectionLoop.ts"
import type { Identity } from "../connection/Handshake.ts"
import type { Request, RequestError } from "../connection/Requests.ts"
import type { Sodium } from "../keys/Sodium.ts"
import type { Roster } from "../roster/Roster.ts"
import { certifiedMembers } from "../seal/OutgoingMessage.ts"
import { fitFacts, sealProfile, type SummaryTooLong } from "../seal/SealProfile.ts"
import type { Reopenable, TooManyReaders } from "../seal/SealToMany.ts"
import type { TrustSync } from "../trust/TrustSync.ts"

export interface StatusOptions {
  /** By hand, unless it says otherwise. Only a hand may say `dnd`. */
  readonly source?: StatusSource
  /** Of `dnd`: how long. Else until it is ended by hand. */
  readonly forSeconds?: number
}

export interface OwnSession {
  /** Remembered where it is `dnd`, or the end of it, and set again after each reconnect, also when this fails. */
  readonly setStatus: (status: Status, options?: StatusOptions) => Effect.Effect<void, RequestError>
  /** Told where it is another one than before, and the mesh is told of it at all. */
  readonly setProfile: (
    profile: NonNullable<Identity["profile"]>,
  ) => Effect.Effect<void, RequestError | SummaryTooLong | TooManyReaders, Sodium | Crypto.Crypto>
  readonly setSummary: (
    summary: string,
  ) => Effect.Effect<void, RequestError | SummaryTooLong | TooManyReaders, Sodium | Crypto.Crypto>
  /** The broker remembers it, too; joined again after each reconnect, unless it was refused. */
  readonly joinChannel: (channel: Label) => Effect.Effect<void, RequestError>
  readonly leaveChannel: (channel: Label) => Effect.Effect<void, RequestError>
  /** The first thing on a connection. Until then nothing that is held back by the status may be asked for. */
  readonly restoreStatus: Effect.Effect<void>
  readonly awaitStatus: Effect.Effect<void>
  readonly lost: () => void
  /** The rest of it. */
  readonly restore: Effect.Effect<void, never, Sodium | Crypto.Crypto>
  /** To members who were not there, or not certified, when the profile was sealed. */
  readonly sealToNewReaders: Effect.Effect<void, never, Sodium | Crypto.Crypto>
}

export const makeOwnSession = (options: {
  readonly identity: Identity
  readonly loop: Pick<ConnectionLoop, "request" | "sessionId">
  readonly trust: Pick<TrustSync, "store">
  /** The best roster that can be had. */
  readonly roster: Effect.Effect<Roster, RequestError>
  /** The broker adds keys to a profile that it has. An older one puts them in the place of the others. */
  readonly addsKeys: () => boolean
}): OwnSession => {
  const { addsKeys, identity, loop, roster, trust } = options
  const { membership, profile, sessionName } = identity
  const isStatusRestored = Latch.makeUnsafe()
  const factsOf = (place: NonNullable<Identity["profile"]>) => ({
    ...(membership.tells === "nothing" ? {} : fitFacts(place)),
    ...(sessionName && { name: sessionName }),
  })
  let facts = factsOf(profile ?? {})
  const channels = new Set<Label>()
  /** Not known to be what the broker has. `idle`: it may still hold that we are not to be disturbed. */
  let wanted: { readonly status: "dnd" | "idle"; readonly untilMillis: number | undefined } | undefined
  let summary: string | undefined
  /** As the broker has it on this connection, and who can read it. */
  let told: (Pick<Reopenable, "ciphertext" | "nonce" | "sealKeysTo"> & { readonly readers: Set<PublicKey> }) | undefined

  const sendStatus = (status: Status, options: StatusOptions = {}) =>
    Effect.asVoid(loop.request((id): Request => ({ type: "set_status", status, ...options, id }), "ok"))

  const setStatus = (status: Status, options: StatusOptions = {}) =>
    Effect.gen(function* () {
      const { forSeconds, source = "manual" } = options
      if (source !== "manual") return yield* sendStatus(status, { source })
      const nowMillis = yield* Clock.currentTimeMillis
      const ended = wanted !== undefined && status !== "dnd"
      const asked =
        status === "dnd"
          ? { status, untilMillis: forSeconds === undefined ? undefined : nowMillis + forSeconds * 1_000 }
          : ended
            ? { status: "idle" as const, untilMillis: undefined }
            : undefined
      wanted = asked
      yield* sendStatus(status, status === "dnd" && forSeconds !== undefined ? { forSeconds } : {})
      if (wanted === asked && asked?.status === "idle") wanted = undefined
    })

  /** For what is left of it; one that is over by now has ended at the broker, too. */
  const restoreStatus = Effect.gen(function* () {
    if (wanted === undefined) return
    const { status, untilMillis } = wanted
    const leftMillis = (untilMillis ?? Number.POSITIVE_INFINITY) - (yield* Clock.currentTimeMillis)
    if (leftMillis <= 0) wanted = undefined
    else if (untilMillis === undefined) yield* setStatus(status)
    else yield* setStatus(status, { forSeconds: Math.ceil(leftMillis / 1_000) })
  })

  const sendProfile = Effect.fnUntraced(function* () {
    const readers = certifiedMembers(yield* roster, trust.store)
    const from = { ...membership, sessionId: loop.sessionId() satisfies SessionId }
    const { sealKeysTo, ...sealed } = yield* sealProfile({ summary: summary ?? "", ...facts }, from, readers)
    yield* loop.request((id): Request => ({ type: "set_profile", id, ...sealed }), "ok")
    const { ciphertext, nonce } = sealed
    told = { ciphertext, nonce, sealKeysTo, readers: new Set(readers.map(({ publicKey }) => publicKey)) }
  })

  /** The same text with a key for those who cannot read it yet: nobody else has to be told anything. */
  const sealToNewReaders = Effect.fnUntraced(function* () {
    if (told === undefined) return
    if (!addsKeys()) return yield* sendProfile()
    const { ciphertext, nonce, readers, sealKeysTo } = told
    const others = certifiedMembers(yield* roster, trust.store).filter(({ publicKey }) => !readers.has(publicKey))
    if (others.length === 0) return
    const sealedKeys = yield* sealKeysTo(others)
    yield* loop.request((id): Request => ({ type: "set_profile", id, nonce, ciphertext, sealedKeys }), "ok")
    for (const { publicKey } of others) readers.add(publicKey)
  })

  /** A session that only sends and asks is not a peer: nobody could read its profile. */
  const hasProfile = () =>
    summary !== undefined ||
    // What was told before that was switched off is taken back.
    ((Object.keys(facts).length > 0 || membership.tells === "nothing") &&
      identity.maxInFlight !== 0 &&
      identity.transient !== true)

  const sendJoin = (channel: Label) =>
    Effect.asVoid(loop.request((id): Request => ({ type: "join_channel", channel, id }), "ok"))

  const restored = <E extends { readonly message: string }, R>(what: string, step: Effect.Effect<unknown, E, R>) =>
    Effect.catch(Effect.asVoid(step), (error) =>
      Effect.logDebug("not restored", { slug: membership.slug, what, error: error.message }),
    )

  return {
    setStatus,
    setProfile: (next) =>
      Effect.suspend(() => {
        const before = JSON.stringify(facts)
        facts = factsOf(next)
        return JSON.stringify(facts) === before ? Effect.void : sendProfile()
      }),
    setSummary: (next: string) =>
      Effect.suspend(() => {
        summary = next
        return sendProfile()
      }),
    joinChannel: (channel: Label) =>
      Effect.suspend(() => {
        channels.add(channel)
        return Effect.tapError(sendJoin(channel), (error) =>
          Effect.sync(() => {
            if (error._tag === "RequestRefused") channels.delete(channel)
          }),
        )
      }),
    leaveChannel: (channel: Label) =>
      Effect.suspend(() => {
        channels.delete(channel)
        return Effect.asVoid(loop.request((id): Request => ({ type: "leave_channel", channel, id }), "ok"))
      }),
    restoreStatus: restored("status", restoreStatus).pipe(
      Effect.ensuring(Effect.sync(() => isStatusRestored.openUnsafe())),
    ),
    awaitStatus: Effect.asVoid(isStatusRestored.await),
    lost: () => {
      isStatusRestored.closeUnsafe()
      told = undefined
    },
    restore: Effect.gen(function* () {
      if (hasProfile()) yield* restored("profile", sendProfile())
      for (const channel of channels) yield* restored(`#${channel}`, sendJoin(channel))
    }),
    sealToNewReaders: Effect.suspend(() => restored("profile", sealToNewReaders())),
  }
}
