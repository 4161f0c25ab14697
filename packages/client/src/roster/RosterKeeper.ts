/**
 * Who is in the mesh. Of its sessions the broker tells each change, once it was asked for them on a connection; of its members
 * it says when somebody joined or was revoked. So a message to a known member is one round trip, and so is a list of sessions
 * none at all. The broker is asked again only where something was missed.
 */
import { backOff } from "@claudemesh/domain/BackOff"
import type { DisplayName, PublicKey } from "@claudemesh/domain/Ids"
import type { Profile } from "@claudemesh/domain/trust/Plaintext"
import type { Member, Members, Peer, Peers, Presence } from "@claudemesh/domain/wire/BrokerFrame"
import type { PeersCursor } from "@claudemesh/domain/wire/PeersCursor"
import { type Data, Deferred, Effect, Latch, Option, type Scope, Semaphore, Stream } from "effect"
import type { ConnectionLoop } from "../connection/ConnectionLoop.ts"
import type { Request, RequestError } from "../connection/Requests.ts"
import type { Membership } from "../keys/Membership.ts"
import { Sodium } from "../keys/Sodium.ts"
import { listPageMax, listPagesMax, retryFirstMillis, retryMaxMillis } from "../Limits.ts"
import { openProfile } from "../seal/SealProfile.ts"
import type { TrustSync } from "../trust/TrustSync.ts"
import { type Directory, directoryOf } from "./ResolveMember.ts"
import { listOf, type MemberView, namedBy, type PeerView, type Roster } from "./Roster.ts"
import { ToldMembers } from "./ToldMembers.ts"
import { edgesBetween, ToldPeers } from "./ToldPeers.ts"

/** Somebody came, went or changed. What was over before anybody looked is not told. */
export type PresenceEvent = Data.TaggedEnum<{
  Joined: { readonly peer: PeerView }
  Left: { readonly peer: PeerView }
  Changed: { readonly peer: PeerView }
}>

export interface RosterKeeper {
  /** As it was last said; nobody before the first time. */
  readonly known: () => Roster
  readonly directory: () => Directory
  /** It was said once, and all who are in it were proved or doubted. */
  readonly isKnown: () => boolean
  /** And nothing was heard since that it does not show. */
  readonly isCurrent: () => boolean
  /** The sessions are as the broker has them, without being asked for. */
  readonly isTold: () => boolean
  readonly maybeBehind: () => void
  /** Another connection: what changed meanwhile is not known. */
  readonly connected: () => void
  readonly lost: () => void
  /** What the broker says, as it comes: a change may be right behind the list that it changes. */
  readonly toldPeers: (frame: Peers) => Effect.Effect<void>
  readonly toldMembers: (frame: Members) => void
  readonly changed: (frame: Presence) => Effect.Effect<void>
  readonly joined: (member: Member | undefined) => void
  /** Asks the broker for what it does not tell. */
  readonly refresh: Effect.Effect<Roster, RequestError>
  /** Asks the broker if it may be behind. What another call asks for is waited for. */
  readonly current: Effect.Effect<Roster, RequestError>
  readonly members: Effect.Effect<ReadonlyArray<MemberView>, RequestError>
  readonly peers: Effect.Effect<ReadonlyArray<PeerView>, RequestError>
  /** As `peers`, and asked of the broker also where it tells what changes: whoever came just now is told a moment later. */
  readonly peersNow: Effect.Effect<ReadonlyArray<PeerView>, RequestError>
  /** From now on. It outlives connections: who comes back within the time that a session is waited for has not left. */
  readonly presence: Stream.Stream<PresenceEvent>
}

const retries = backOff(retryFirstMillis, retryMaxMillis)

/** The broker asks its members to ask slower: so the next page comes later. */
const isTooFast = (error: RequestError): boolean => error._tag === "RequestRefused" && error.code === "rate_limited"

/** Asks for page after page, whose frames are kept as they come. An older broker answers the first with all there is. */
const inPages = <Cursor extends string>(
  ask: (after: Cursor | undefined) => Effect.Effect<{ readonly more?: Cursor }, RequestError>,
): Effect.Effect<void, RequestError> =>
  Effect.gen(function* () {
    let after: Cursor | undefined
    for (let pages = 0; pages < listPagesMax; pages++) {
      const { more } = yield* Effect.retry(ask(after), { schedule: retries, times: 4, while: isTooFast })
      if (more === undefined) return
      after = more
    }
  })

export const makeRosterKeeper = Effect.fnUntraced(function* (options: {
  readonly membership: Membership
  readonly loop: Pick<ConnectionLoop, "ask" | "reach">
  readonly trust: Pick<TrustSync, "store" | "sync" | "prove">
  /** The connections ask to be told. */
  readonly isSubscribed: boolean
}) {
  const { loop, membership, trust } = options
  const sodium = yield* Sodium
  const scope: Scope.Scope = yield* Effect.scope
  const told = new ToldPeers(options.isSubscribed)
  const toldMembers = new ToldMembers()
  /** Who joined, and is not known to be proved or not. */
  const unproved = new Set<PublicKey>()
  /** Counts what was heard; what is known shows what was heard until `shown`. */
  let heard = 1
  let shown = 0
  let underWay: Deferred.Deferred<Roster, RequestError> | undefined
  let asksAgain = false
  const listeners = new Set<Latch.Latch>()
  const profiles = new WeakMap<object, { readonly profile: Profile | undefined }>()

  const listMembers = inPages<PublicKey>((after) =>
    loop.ask((id): Request => ({ type: "list_members", id, limit: listPageMax, ...(after && { after }) }), "members"),
  )
  // Two at a time would each give up what the other has gathered.
  const oneList = yield* Semaphore.make(1)
  const askForPeers = inPages<PeersCursor>((after) =>
    loop.ask((id): Request => ({ type: "list_peers", id, limit: listPageMax, ...(after && { after }) }), "peers"),
  )
  const listPeers = oneList.withPermits(1)(Effect.suspend(() => (told.isTold ? Effect.void : askForPeers)))
  const views = Effect.andThen(
    Effect.suspend(() => trust.sync(told.all.map(({ pubkey }) => pubkey))),
    Effect.sync(() => told.all.map(peerView)),
  )

  const known = (): Roster => ({ members: toldMembers.all, peers: told.all })
  const isKnown = () => shown > 0
  const isCurrent = () => isKnown() && shown === heard && unproved.size === 0

  const proveAll = (keys: ReadonlyArray<PublicKey>) =>
    Effect.tap(trust.sync(keys), () =>
      Effect.sync(() => {
        for (const key of keys) unproved.delete(key)
      }),
    )

  /** It counts as known once all in it are verified or doubted: what goes to a group is else sealed to fewer than it could be. */
  const download = Effect.suspend(() => {
    const until = heard
    return Effect.all([listMembers, listPeers], { concurrency: 2 }).pipe(
      Effect.andThen(Effect.suspend(() => proveAll([...toldMembers.all, ...told.all].map(({ pubkey }) => pubkey)))),
      Effect.map((): Roster => {
        shown = Math.max(shown, until)
        return known()
      }),
    )
  })

  /** Where it is known who joined, only the proof is missing. */
  const catchUp = Effect.suspend(() =>
    isKnown() && shown === heard ? Effect.map(proveAll([...unproved]), known) : download,
  )

  const refresh = Effect.andThen(loop.reach, download)

  const shared = Effect.suspend((): Effect.Effect<Roster, RequestError> => {
    if (underWay !== undefined) return Deferred.await(underWay)
    const asked: Deferred.Deferred<Roster, RequestError> = Deferred.makeUnsafe()
    underWay = asked
    // In the client's scope: one call that is given up takes nothing from the others that wait.
    return catchUp.pipe(
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

  const current = Effect.suspend(() => (isCurrent() ? Effect.succeed(known()) : Effect.andThen(loop.reach, shared)))

  /** A profile is opened once: what is told again is the same value. */
  const profileOf = ({ profile, ...peer }: Peer): Profile | undefined => {
    if (profile === undefined) return undefined
    const opened = profiles.get(profile) ?? {
      profile: Option.getOrUndefined(openProfile({ ...peer, profile }, membership, sodium)),
    }
    profiles.set(profile, opened)
    return opened.profile
  }

  const peerView = (peer: Peer): PeerView => {
    const named = namedBy(trust.store, peer)
    return { ...peer, ...named, profile: named.standing._tag === "Certified" ? profileOf(peer) : undefined }
  }

  const sessionName = ({ pubkey, sessionId }: Pick<Peer, "pubkey" | "sessionId">): DisplayName | undefined => {
    const peer = told.known?.get(`${pubkey}/${sessionId}`)
    return peer === undefined ? undefined : profileOf(peer)?.name
  }

  const learnProtocols = ({ changes }: Presence): void =>
    toldMembers.spoke(
      new Map(changes.flatMap(({ event, peer }) => (event === "left" ? [] : [[peer.pubkey, peer.protocol] as const]))),
    )

  const wakeListeners = (): void => {
    for (const listener of listeners) listener.openUnsafe()
  }

  /** Once at a time; a connection that ends asks again anyway. */
  const askAgain = Effect.suspend(() => {
    if (asksAgain) return Effect.void
    asksAgain = true
    return listPeers.pipe(
      Effect.retry({ schedule: retries, while: ({ _tag }) => _tag !== "NotConnected" }),
      Effect.ignore,
      Effect.ensuring(Effect.sync(() => (asksAgain = false))),
      Effect.forkIn(scope),
      Effect.asVoid,
    )
  })

  const presence = Stream.unwrap(
    Effect.gen(function* () {
      const wake = Latch.makeUnsafe()
      yield* Effect.acquireRelease(
        Effect.sync(() => void listeners.add(wake)),
        () => Effect.sync(() => void listeners.delete(wake)),
      )
      let seen = told.known
      const next = Effect.gen(function* () {
        yield* wake.await
        wake.closeUnsafe()
        const edges = edgesBetween(seen, told.known)
        seen = told.known
        yield* trust.prove(edges.map(({ peer }) => peer.pubkey))
        return edges.map(({ _tag, peer }): PresenceEvent => ({ _tag, peer: peerView(peer) }))
      })
      return Stream.fromIterableEffectRepeat(next)
    }),
  )

  const lost = (): void => {
    told.lost()
    toldMembers.lost()
  }

  const keeper: RosterKeeper = {
    known,
    directory: () => directoryOf(trust.store, known(), sessionName),
    isKnown,
    isCurrent,
    isTold: () => told.isTold,
    maybeBehind: () => {
      heard += 1
    },
    connected: () => {
      lost()
      heard += 1
    },
    lost,
    toldPeers: (frame) =>
      Effect.suspend(() => {
        const isWhole = told.list(frame)
        wakeListeners()
        if (frame.id !== "") return Effect.void
        // In the place of changes that would have said what those who came speak.
        heard += 1
        return isWhole ? Effect.void : askAgain
      }),
    toldMembers: (frame) => toldMembers.list(frame),
    changed: (frame) =>
      Effect.suspend(() => {
        if (!told.changed(frame)) {
          heard += 1
          return askAgain
        }
        learnProtocols(frame)
        wakeListeners()
        return Effect.void
      }),
    joined: (member) => {
      if (member === undefined || !isKnown() || !toldMembers.joined(member)) {
        heard += 1
        return
      }
      unproved.add(member.pubkey)
    },
    refresh,
    current,
    members: Effect.map(refresh, (roster) => listOf(trust.store, roster)),
    peers: Effect.andThen(loop.reach, listPeers).pipe(Effect.andThen(views)),
    peersNow: Effect.andThen(loop.reach, oneList.withPermits(1)(askForPeers)).pipe(Effect.andThen(views)),
    presence,
  }
  return keeper
})
