/**
 * What this session said of itself, and says again on a new connection, since the broker may have forgotten it: that it does not
 * want to be disturbed, its profile, its channels. Of statuses only `dnd` is said again: `working` ends by itself.
 */
import type { Label, SessionId } from "@claudemesh/domain/Ids"
import type { Status } from "@claudemesh/domain/routing/Status"
import { type Crypto, Effect, Latch } from "effect"
import type { ConnectionLoop } from "../connection/ConnectionLoop.ts"
import type { Identity } from "../connection/Handshake.ts"
import type { Request, RequestError } from "../connection/Requests.ts"
import type { Sodium } from "../keys/Sodium.ts"
import type { Roster } from "../roster/Roster.ts"
import { certifiedMembers } from "../seal/OutgoingMessage.ts"
import { fitFacts, sealProfile, type SummaryTooLong } from "../seal/SealProfile.ts"
import type { TooManyReaders } from "../seal/SealToMany.ts"
import type { TrustSync } from "../trust/TrustSync.ts"

export interface OwnSession {
  /** Remembered where it is `dnd`, or the end of it, and set again after each reconnect, also when this fails. */
  readonly setStatus: (status: Status) => Effect.Effect<void, RequestError>
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
}

export const makeOwnSession = (options: {
  readonly identity: Identity
  readonly loop: Pick<ConnectionLoop, "request" | "sessionId">
  readonly trust: Pick<TrustSync, "store">
  /** The best roster that can be had. */
  readonly roster: Effect.Effect<Roster, RequestError>
}): OwnSession => {
  const { identity, loop, roster, trust } = options
  const { membership, profile, sessionName } = identity
  const isStatusRestored = Latch.makeUnsafe()
  const facts = { ...fitFacts(profile ?? {}), ...(sessionName && { name: sessionName }) }
  const channels = new Set<Label>()
  /** Not known to be what the broker has. `idle`: it may still hold that we are not to be disturbed. */
  let wanted: "dnd" | "idle" | undefined
  let summary: string | undefined

  const sendStatus = (status: Status) =>
    Effect.asVoid(loop.request((id): Request => ({ type: "set_status", status, id }), "ok"))

  const setStatus = (status: Status) =>
    Effect.suspend(() => {
      const ended = wanted !== undefined && status !== "dnd"
      wanted = status === "dnd" ? "dnd" : ended ? "idle" : undefined
      return Effect.tap(sendStatus(status), () =>
        Effect.sync(() => {
          if (wanted === "idle") wanted = undefined
        }),
      )
    })

  const sendProfile = Effect.fnUntraced(function* () {
    const readers = certifiedMembers(yield* roster, trust.store)
    const from = { ...membership, sessionId: loop.sessionId() satisfies SessionId }
    const sealed = yield* sealProfile({ summary: summary ?? "", ...facts }, from, readers)
    yield* loop.request((id): Request => ({ type: "set_profile", id, ...sealed }), "ok")
  })
  /** A session that only sends and asks is not a peer: nobody could read its profile. */
  const hasProfile = () =>
    summary !== undefined ||
    (Object.keys(facts).length > 0 && identity.maxInFlight !== 0 && identity.transient !== true)

  const sendJoin = (channel: Label) =>
    Effect.asVoid(loop.request((id): Request => ({ type: "join_channel", channel, id }), "ok"))

  const restored = <E extends { readonly message: string }, R>(what: string, step: Effect.Effect<unknown, E, R>) =>
    Effect.catch(Effect.asVoid(step), (error) =>
      Effect.logDebug("not restored", { slug: membership.slug, what, error: error.message }),
    )

  return {
    setStatus,
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
    restoreStatus: Effect.suspend(() =>
      wanted === undefined ? Effect.void : restored("status", setStatus(wanted)),
    ).pipe(Effect.ensuring(Effect.sync(() => isStatusRestored.openUnsafe()))),
    awaitStatus: Effect.asVoid(isStatusRestored.await),
    lost: () => {
      isStatusRestored.closeUnsafe()
    },
    restore: Effect.gen(function* () {
      if (hasProfile()) yield* restored("profile", sendProfile())
      for (const channel of channels) yield* restored(`#${channel}`, sendJoin(channel))
    }),
  }
}
