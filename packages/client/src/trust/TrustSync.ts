/**
 * Keeps one mesh's trust store in step with its broker: asks for the proof of keys that are new and for revocations,
 * writes down what was learnt, and raises an alarm where the broker shows less than is known, or something else. One
 * request at a time. What a broker withholds takes nothing back: what was proved, and what was revoked, stays so.
 */
import type { DisplayName, PublicKey } from "@claudemesh/domain/Ids"
import { isoFromMillis, type IsoTime } from "@claudemesh/domain/IsoTime"
import { trustKeysMax } from "@claudemesh/domain/Limits"
import type { Revocation } from "@claudemesh/domain/trust/Revocation"
import type { Trust } from "@claudemesh/domain/wire/BrokerFrame"
import { Clock, Effect, Latch, Result, Schema, Semaphore } from "effect"
import type { RequestError } from "../connection/Requests.ts"
import type { Membership } from "../keys/Membership.ts"
import { Sodium } from "../keys/Sodium.ts"
import { alarmsMax, trustGossipMax, unknownKeysMax } from "../Limits.ts"
import type { StateDbError } from "../local/StateDb.ts"
import { type Known, KnownMembers } from "./KnownMembers.ts"
import type { MemberStanding } from "./MemberStanding.ts"
import { TrustStore } from "./TrustStore.ts"

/** Not the next one of the mesh's list, or not signed by who may: nothing came of it here. */
export class RevocationRefused extends Schema.TaggedError<RevocationRefused>()("RevocationRefused", {
  reason: Schema.String,
}) {
  override get message() {
    return `the revocation is not taken: ${this.reason}`
  }
}

/** Without what was remembered of a mesh nobody in it is believed, and nothing is sent. */
export class MemoryUnusable extends Schema.TaggedError<MemoryUnusable>()("MemoryUnusable", { problem: Schema.String }) {
  override get message() {
    return this.problem
  }
}

export type UnsignedRevocation = Omit<Revocation, "by" | "signature">

export interface TrustSync {
  /** Believes nobody until what was remembered is there; another one then. */
  readonly store: TrustStore
  /** What was remembered. Once it could be used this does nothing. */
  readonly load: Effect.Effect<void, MemoryUnusable>
  /** What other processes of this machine have learnt since. */
  readonly recall: Effect.Effect<void>
  readonly alarms: () => ReadonlyArray<string>
  /** The broker did what an honest one does not. */
  readonly alarm: (text: string) => Effect.Effect<void>
  /** Another connection: the broker is asked again for what it could not prove. */
  readonly connected: () => void
  /** The broker says that there are so many revocations. */
  readonly announced: (version: number) => void
  /** A member says so, in a message of its own. */
  readonly heard: (sender: PublicKey, version: number) => void
  /** What was announced and heard is asked for: as long as the connection stands. */
  readonly keep: Effect.Effect<never>
  /** Until nothing is unknown of these keys, and all revocations that were announced are known. */
  readonly sync: (keys: ReadonlyArray<PublicKey>) => Effect.Effect<void, RequestError>
  /** There is a revocation that we could not get yet. */
  readonly isBehind: () => boolean
  /** Asks for what is unknown of these keys, if the broker answers. */
  readonly prove: (keys: ReadonlyArray<PublicKey>) => Effect.Effect<void>
  readonly standingOf: (key: PublicKey) => Effect.Effect<MemberStanding>
  /** Known here, and not shown by the broker when it said last how many there are. */
  readonly withheld: () => ReadonlyArray<Revocation>
  readonly nextRevocation: (subject: PublicKey, at: IsoTime) => Effect.Effect<UnsignedRevocation, RevocationRefused>
  readonly remember: (revocation: Revocation) => Effect.Effect<void, RevocationRefused>
  readonly confirmByVoice: (key: PublicKey) => Effect.Effect<void>
  /** What the person of this machine calls a member from now on; undefined for the member's own name. */
  readonly rename: (key: PublicKey, name: DisplayName | undefined) => Effect.Effect<void, StateDbError>
}

export const makeTrustSync = Effect.fnUntraced(function* (options: {
  readonly membership: Membership
  readonly ask: (keys: ReadonlyArray<PublicKey>, after: number) => Effect.Effect<Trust, RequestError>
}) {
  const { ask, membership } = options
  const { meshId, slug } = membership
  const memory = yield* KnownMembers
  const sodium = yield* Sodium
  const alone = yield* Semaphore.make(1)
  const wake = Latch.makeUnsafe()
  const alarms: Array<string> = []
  const gossip = new Map<PublicKey, number>()
  let announcedVersion = 0
  /** On each connection the last revocation is asked for again, to see that the broker's is the same. */
  let isCompared = false

  const { ownerPublicKey: _, ...nobodys } = membership
  let store = new TrustStore(nobodys, sodium)
  let recalled: Known | undefined

  const recallNames = Effect.ignore(Effect.map(memory.names(meshId), (names) => store.callThem(names)))

  const load = Effect.gen(function* () {
    if (recalled !== undefined) return
    const known = yield* Effect.mapError(memory.read(meshId), ({ message }) => new MemoryUnusable({ problem: message }))
    const opened = new TrustStore(membership, sodium)
    yield* Effect.mapError(Effect.fromResult(opened.restore(known)), (problem) => new MemoryUnusable({ problem }))
    store = opened
    recalled = known
    yield* recallNames
  })

  const alarm = (text: string) =>
    Effect.suspend(() => {
      if (alarms.includes(text) || alarms.length >= alarmsMax) return Effect.void
      alarms.push(text)
      return Effect.logWarning(text, { slug })
    })

  const write = (more: Known) =>
    Effect.catch(memory.add(meshId, more), (error) => alarm(`what was learnt of members is not kept: ${error.message}`))

  /**
   * What another process of this machine has learnt meanwhile, such as a revocation of ours by the command: a broker
   * that shows it to that one and not to us hides it from somebody who knows.
   */
  const recall = Effect.gen(function* () {
    yield* load
    yield* recallNames
    const known = yield* memory.read(meshId)
    if (known === recalled) return
    recalled = known
    for (const { at, publicKey } of known.byVoice) store.confirmByVoice(publicKey, at)
    const certificates = known.members.map(({ certificate }) => certificate)
    const { refused } = store.learn({ ...known, certificates }, yield* Clock.currentTimeMillis)
    store.keepInvites(known.invites)
    if (refused !== undefined) yield* alarm(`this machine remembers another list of revocations than ours: ${refused}`)
  }).pipe(Effect.ignore)

  /** One request. A broker is held to what was known before it was asked. */
  const learn = Effect.fnUntraced(function* (keys: ReadonlyArray<PublicKey>) {
    const before = store.version
    const isAskedForLast = !isCompared && before > 0
    const reply = yield* ask(keys, isAskedForLast ? before - 1 : before)
    isCompared = true
    store.asked(keys)
    const { isNew, more, refused } = store.learn(reply, yield* Clock.currentTimeMillis)
    if (isNew) yield* write(more)
    if (refused !== undefined) yield* alarm(`the broker shows another list of revocations than ours: ${refused}`)
    if (reply.version < before) {
      yield* alarm(`the broker shows ${reply.version} revocations, and ${before} are known: it hides some`)
    } else if (isAskedForLast && !reply.revocations.some(({ version }) => version === before)) {
      yield* alarm(
        `the broker does not show revocation ${before}, which is known: its list may be another one than ours`,
      )
    } else if (reply.version > store.version && store.version === before && refused === undefined) {
      yield* alarm(`the broker says that there are ${reply.version} revocations, and shows ${before}`)
    }
    return { version: reply.version, isNearer: store.version > before }
  })

  const syncTo = Effect.fnUntraced(function* (keys: ReadonlyArray<PublicKey>, wanted: number) {
    if (!store.isOpen) return
    let target = Math.max(wanted, announcedVersion)
    let left = unknownKeysMax
    let isAsked = isCompared && target === store.version
    while (true) {
      const unknown = store.unknown(keys).slice(0, Math.min(trustKeysMax, left))
      if (unknown.length === 0 && isAsked) return
      left -= unknown.length
      const { isNearer, version } = yield* learn(unknown)
      target = Math.max(version, target)
      isAsked = store.version >= target || !isNearer
    }
  }, Semaphore.withPermit(alone))

  /** What the broker has said last: less than we know is looked into, too. */
  let shownVersion = 0
  const sync = (keys: ReadonlyArray<PublicKey>) =>
    Effect.flatMap(recall, () => {
      if (shownVersion < store.version) isCompared = false
      return syncTo(keys, shownVersion)
    })

  const prove = (keys: ReadonlyArray<PublicKey>) =>
    Effect.suspend(() => (store.unknown(keys).length === 0 ? Effect.void : Effect.ignore(syncTo(keys, store.version))))
  const standingOf = (key: PublicKey) => Effect.map(prove([key]), () => store.standingOf(key))

  const isCertified = (key: PublicKey): boolean => store.standingOf(key)._tag === "Certified"

  /** Whether it is done with. A broker that gives no answer says no more than one that says there is nothing. */
  const weigh = Effect.fnUntraced(function* (sender: PublicKey, version: number) {
    if (!isCertified(sender) || version <= store.version) return true
    const asked = yield* Effect.result(syncTo([], version))
    if (Result.isFailure(asked) && asked.failure._tag === "NotConnected") return false
    if (store.version >= version) return true
    const name = store.certificateOf(sender)?.displayName ?? sender
    yield* alarm(
      `${name} (${sender.slice(0, 8)}) knows of ${version} revocations, and the broker shows ${store.version}: one of them is hidden, or ${name} is wrong`,
    )
    return true
  })

  /** What the end of a connection cuts short is weighed on the next one. */
  const weighAll = (whose: (key: PublicKey) => boolean) =>
    Effect.suspend(() =>
      Effect.forEach(
        [...gossip].filter(([sender]) => whose(sender)),
        ([sender, version]) =>
          Effect.map(weigh(sender, version), (isDone) => {
            if (isDone && gossip.get(sender) === version) gossip.delete(sender)
          }),
        { discard: true },
      ),
    )

  const keep = Effect.gen(function* () {
    if (gossip.size > 0 || announcedVersion > store.version) wake.openUnsafe()
    while (true) {
      yield* wake.await
      wake.closeUnsafe()
      yield* Effect.catch(sync([]), (error) =>
        Effect.logDebug("revocations are not known yet", { slug, error: error.message }),
      )
      // Together, and members first: whoever sends under many keys of its own delays nobody's word.
      yield* weighAll(isCertified)
      yield* prove([...gossip.keys()])
      yield* weighAll(() => true)
    }
  })

  const trust: TrustSync = {
    get store() {
      return store
    },
    load,
    recall,
    alarms: () => alarms,
    alarm,
    connected: () => {
      store.askAgain()
      isCompared = false
      announcedVersion = 0
      shownVersion = store.version
    },
    announced: (version) => {
      shownVersion = version
      announcedVersion = Math.max(announcedVersion, version)
      if (version !== store.version) wake.openUnsafe()
    },
    heard: (sender, version) => {
      if (version <= store.version || (gossip.size >= trustGossipMax && !isCertified(sender))) return
      gossip.set(sender, Math.max(version, gossip.get(sender) ?? 0))
      wake.openUnsafe()
    },
    keep,
    sync,
    isBehind: () => announcedVersion > store.version,
    prove,
    standingOf,
    withheld: () => store.revocations.slice(shownVersion),
    nextRevocation: (subject, at) =>
      Effect.suspend(() => {
        const next = store.nextRevocation(subject, at)
        return next === undefined
          ? Effect.fail(new RevocationRefused({ reason: "it is not known here who owns the mesh" }))
          : Effect.succeed(next)
      }),
    remember: (revocation) =>
      Effect.gen(function* () {
        const learnt = store.learn({ certificates: [], invites: [], revocations: [revocation] }, 0)
        if (learnt.refused !== undefined) return yield* new RevocationRefused({ reason: learnt.refused })
        // Also when the broker was faster to tell: what it told may not be written yet, and this program may end now.
        yield* write(learnt.more)
      }),
    confirmByVoice: (key) =>
      Effect.flatMap(Clock.currentTimeMillis, (now) => write(store.confirmByVoice(key, isoFromMillis(now)))),
    rename: (key, name) => Effect.andThen(memory.rename(meshId, key, name), recallNames),
  }
  return trust
})
