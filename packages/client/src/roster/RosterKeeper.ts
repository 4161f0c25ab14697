/**
 * Who is in the mesh, as the broker last said it, and whether that may be out of date: after a reconnect, when somebody joined, and
 * when somebody was revoked. It is asked for again only then, so a message to a known member is one round trip.
 */
import type { DisplayName } from "@claudemesh/domain/Ids"
import type { Profile } from "@claudemesh/domain/trust/Plaintext"
import type { BrokerFrame, Peer } from "@claudemesh/domain/wire/BrokerFrame"
import { Deferred, Effect, Option, type Scope } from "effect"
import type { ConnectionLoop } from "../connection/ConnectionLoop.ts"
import type { Request, RequestError } from "../connection/Requests.ts"
import type { Membership } from "../keys/Membership.ts"
import { Sodium } from "../keys/Sodium.ts"
import { openProfile } from "../seal/SealProfile.ts"
import type { TrustSync } from "../trust/TrustSync.ts"
import { type Directory, directoryOf } from "./ResolveMember.ts"
import { listOf, type MemberView, namedBy, type PeerView, type Roster, withPresence } from "./Roster.ts"

export interface RosterKeeper {
  /** As it was last said; nobody before the first time. */
  readonly known: () => Roster
  readonly directory: () => Directory
  /** It was said once. */
  readonly isKnown: () => boolean
  /** And nothing was heard since that it does not show. */
  readonly isCurrent: () => boolean
  readonly maybeBehind: () => void
  readonly presence: (frame: Extract<BrokerFrame, { readonly type: "presence" }>) => void
  /** Asks the broker. */
  readonly refresh: Effect.Effect<Roster, RequestError>
  /** Asks the broker if it may be behind. What another call asks for is waited for. */
  readonly current: Effect.Effect<Roster, RequestError>
  readonly members: Effect.Effect<ReadonlyArray<MemberView>, RequestError>
  readonly peers: Effect.Effect<ReadonlyArray<PeerView>, RequestError>
}

export const makeRosterKeeper = Effect.fnUntraced(function* (options: {
  readonly membership: Membership
  readonly loop: Pick<ConnectionLoop, "ask" | "reach">
  readonly trust: Pick<TrustSync, "store" | "sync">
}) {
  const { loop, membership, trust } = options
  const sodium = yield* Sodium
  const scope: Scope.Scope = yield* Effect.scope
  let roster: Roster | undefined
  /** Counts what was heard; the roster shows what was heard until `shown`. */
  let heard = 1
  let shown = 0
  let underWay: Deferred.Deferred<Roster, RequestError> | undefined

  const listMembers = loop.ask((id): Request => ({ type: "list_members", id }), "members")
  const listPeers = loop.ask((id): Request => ({ type: "list_peers", id }), "peers")

  /** It counts as known once all in it are verified or doubted: what goes to a group is else sealed to fewer than it could be. */
  const download = Effect.suspend(() => {
    const until = heard
    return Effect.all([listMembers, listPeers], { concurrency: 2 }).pipe(
      Effect.tap(([{ members }, { peers }]) =>
        trust.sync([...members.map(({ pubkey }) => pubkey), ...peers.map(({ pubkey }) => pubkey)]),
      ),
      Effect.map(([{ members }, { peers }]): Roster => {
        shown = Math.max(shown, until)
        return (roster = { members, peers })
      }),
    )
  })

  const isCurrent = () => roster !== undefined && shown === heard

  const refresh = Effect.andThen(loop.reach, download)

  const shared = Effect.suspend((): Effect.Effect<Roster, RequestError> => {
    if (underWay !== undefined) return Deferred.await(underWay)
    const asked: Deferred.Deferred<Roster, RequestError> = Deferred.makeUnsafe()
    underWay = asked
    // In the client's scope: one call that is given up takes nothing from the others that wait.
    return download.pipe(
      Effect.onExit((exit) =>
        Effect.sync(() => {
          underWay = undefined
          Deferred.doneUnsafe(asked, exit)
        }),
      ),
      Effect.forkIn(scope),
      Effect.andThen(Deferred.await(asked)),
    )
  })

  const current = Effect.suspend(() =>
    roster !== undefined && isCurrent() ? Effect.succeed(roster) : Effect.andThen(loop.reach, shared),
  )

  const profileOf = ({ profile, ...peer }: Peer): Profile | undefined =>
    Option.getOrUndefined(openProfile({ ...peer, ...(profile && { profile }) }, membership, sodium))

  const peerView = (peer: Peer): PeerView => {
    const named = namedBy(trust.store, peer)
    return { ...peer, ...named, profile: named.standing._tag === "Certified" ? profileOf(peer) : undefined }
  }

  const known = (): Roster => roster ?? { members: [], peers: [] }

  const sessionName = ({ pubkey, sessionId }: Pick<Peer, "pubkey" | "sessionId">): DisplayName | undefined => {
    const peer = known().peers.find((other) => other.pubkey === pubkey && other.sessionId === sessionId)
    return peer === undefined ? undefined : profileOf(peer)?.name
  }

  const keeper: RosterKeeper = {
    known,
    directory: () => directoryOf(trust.store, known(), sessionName),
    isKnown: () => roster !== undefined,
    isCurrent,
    maybeBehind: () => {
      heard += 1
    },
    presence: (frame) => {
      if (roster !== undefined) roster = withPresence(roster, frame)
    },
    refresh,
    current,
    members: Effect.map(refresh, (roster) => listOf(trust.store, roster)),
    peers: Effect.andThen(loop.reach, listPeers).pipe(
      Effect.tap(({ peers }) => trust.sync(peers.map(({ pubkey }) => pubkey))),
      Effect.map(({ peers }) => peers.map(peerView)),
    ),
  }
  return keeper
})
