/** What became of a message that was accepted, in words: for a person at a terminal and for a model alike. */
import type { BrokerClient, Enqueued, Receipt } from "@claudemesh/client/BrokerClient"
import { bare, isSameName, namePart, nameAmongWords } from "@claudemesh/client/roster/FindNamed"
import type { PeerView } from "@claudemesh/client/roster/Roster"
import type { PublicKey } from "@claudemesh/domain/Ids"
import type { Priority } from "@claudemesh/domain/routing/Status"
import { formatTarget, isDirect } from "@claudemesh/domain/routing/Target"
import type { RecipientState } from "@claudemesh/domain/wire/BrokerFrame"
import { Effect, Option } from "effect"
import { wholeMinute } from "./Ago.ts"
import { shortKey } from "./Output.ts"
import * as messageWords from "./words/messages.ts"

/** As data. Of a group, one entry for each session or member's inbox that it went to. */
export interface Outcome {
  readonly group: boolean
  readonly recipients: ReadonlyArray<{ readonly name: string; readonly key: PublicKey; readonly state: RecipientState }>
  readonly counts: Readonly<Record<RecipientState, number>>
  /** Members of the group who do not get it. */
  readonly unsealed: ReadonlyArray<{ readonly name: string; readonly key: PublicKey }>
}

export const outcomeOf = (
  { nameOf }: Pick<BrokerClient, "nameOf">,
  { target }: Pick<Enqueued, "target">,
  receipt: Pick<Receipt, "recipients" | "unsealed">,
): Outcome => {
  const named = (key: PublicKey) => ({ name: nameOf(key) ?? shortKey(key), key })
  const counts = { delivered: 0, held: 0, queued: 0, full: 0 }
  for (const { state } of receipt.recipients) counts[state] += 1
  return {
    group: !isDirect(target),
    // Who a direct message was sealed to is not for the broker to say.
    recipients: receipt.recipients.map(({ pubkey, state }) => ({
      ...named(isDirect(target) ? target.key : pubkey),
      state,
    })),
    counts,
    unsealed: receipt.unsealed.map(named),
  }
}

export type Names = Pick<BrokerClient, "hasNamesake" | "isVerified" | "nameOf">

/** A member in a sentence: by the name, and where that is not enough by the key as well, and whether it was verified. */
export const called = ({ hasNamesake, isVerified, nameOf }: Names, key: PublicKey): string => {
  const name = nameOf(key)
  if (name === undefined) return shortKey(key)
  return hasNamesake(key)
    ? `${nameAmongWords(name)} (${shortKey(key)}, ${isVerified(key) ? "verified" : "not verified"})`
    : nameAmongWords(name)
}

/** As it was typed, and whose key that is, where that does not say it: anybody's session may have any name. */
export const addressee = (client: Names, typed: string, { target }: Pick<Enqueued, "target">) => {
  if (!isDirect(target)) return bare(typed)
  const name = client.nameOf(target.key)
  const shown = nameAmongWords(name ?? "no name")
  const to = bare(typed)
  if (name !== undefined && (isSameName(namePart(to), name) || isSameName(to.slice(0, name.length + 1), `${name}/`))) {
    if (client.hasNamesake(target.key)) return called(client, target.key)
    return isSameName(to, name) || target._tag === "Session" ? to : `${shown} (${shortKey(target.key)})`
  }
  const who = target._tag === "Session" ? `a session of ${shown}` : shown
  return `${to} (${who}, ${shortKey(target.key)})`
}

/** In the order of what a sender wants to know first. */
const meanings: ReadonlyArray<readonly [RecipientState, string]> = [
  ["delivered", messageWords.inASessionNotShownYet],
  ["held", "Held while busy"],
  ["queued", messageWords.waitingUntilASessionOfTheirsTakes],
  ["full", messageWords.refusedBecauseTheInboxIsFull],
]

/** What a sender is told of a message to one person. */
export interface DirectOutcome {
  readonly name: string
  readonly state: RecipientState
  readonly priority: Priority
  /** Whether a session is connected that could take it. Undefined: the broker did not say in time. */
  readonly isThere: boolean | undefined
  /** Until when it does not want to be disturbed: `null` without end. Undefined: it is not known that it does not. */
  readonly dnd?: string | null | undefined
  /** It was accepted before: `delivered` says then that it was shown. */
  readonly duplicate: boolean
}

export const directWords = ({ dnd, duplicate, isThere, name, priority, state }: DirectOutcome): string => {
  switch (state) {
    case "delivered":
      return duplicate ? `Shown to ${name}.` : messageWords.inSSessionNotShownYet(name)
    case "held":
      if (dnd !== undefined) {
        const until = dnd === null ? "" : ` until ${wholeMinute(dnd)}`
        return messageWords.heldDoesNotWantToBeDisturbed(name, until)
      }
      return messageWords.heldWhileIsBusyItGoesTo(name)
    case "queued":
      if (isThere === false) return messageWords.waitsUntilSSessionConnects(name)
      return priority === "low"
        ? messageWords.waitsUntilLooksForMessages(name)
        : messageWords.waitsUntilSSessionTakesIt(name)
    case "full":
      return messageWords.refusedBecauseTheInboxOfIsFull(name)
  }
}

const peersWaitMillis = 1_000

type AsksForPeers = Pick<BrokerClient, "peers" | "peersNow">

/** The connected sessions that a message to this target could go to. Undefined: the broker did not say in time. */
const sessionsOf = (
  { peers, peersNow }: AsksForPeers,
  target: Enqueued["target"],
): Effect.Effect<ReadonlyArray<PeerView> | undefined> =>
  Effect.flatMap(peers, (all) => {
    const found = sessionsIn(all, target)
    return found.length > 0 ? Effect.succeed(found) : Effect.map(peersNow, (now) => sessionsIn(now, target))
  }).pipe(
    Effect.timeoutOption(peersWaitMillis),
    Effect.map(Option.getOrUndefined),
    Effect.orElseSucceed(() => undefined),
  )

const sessionsIn = (all: ReadonlyArray<PeerView>, target: Enqueued["target"]): ReadonlyArray<PeerView> =>
  all.filter(
    ({ attached, pubkey, sessionId }) =>
      attached &&
      isDirect(target) &&
      pubkey === target.key &&
      (target._tag === "Member" || target.session === sessionId),
  )

/** Until the first of them ends it, where all of them are in it. */
const dndOf = (sessions: ReadonlyArray<PeerView>): string | null | undefined => {
  if (sessions.length === 0 || sessions.some(({ status }) => status !== "dnd")) return undefined
  return sessions.flatMap(({ dndUntil }) => dndUntil ?? []).toSorted()[0] ?? null
}

/** What became of a message when it was accepted, as sentences. */
export const outcomeWords = Effect.fnUntraced(function* (
  client: Names & AsksForPeers,
  enqueued: Pick<Enqueued, "target">,
  receipt: Pick<Receipt, "duplicate" | "recipients" | "unsealed">,
  priority: Priority,
) {
  const outcome = outcomeOf(client, enqueued, receipt)
  const [only] = outcome.recipients
  if (outcome.group || only === undefined) return groupWords(outcome, enqueued.target, (key) => called(client, key))
  const isAsked = only.state === "queued" || only.state === "held"
  const sessions = isAsked ? yield* sessionsOf(client, enqueued.target) : undefined
  return directWords({
    ...only,
    name: called(client, only.key),
    priority,
    isThere: sessions === undefined ? undefined : sessions.length > 0,
    dnd: dndOf(sessions ?? []),
    duplicate: receipt.duplicate,
  })
})

/** What a group got, as sentences; `target` is the group's. */
export const groupWords = (
  { recipients, unsealed }: Outcome,
  target: Enqueued["target"],
  nameOf?: (key: PublicKey) => string,
): string => {
  const parts = meanings.flatMap(([state, words]) => {
    const those = recipients.filter((recipient) => recipient.state === state)
    return those.length === 0 ? [] : [`${words}: ${listed(those, nameOf)}.`]
  })
  if (unsealed.length === 0)
    return parts.length > 0 ? parts.join(" ") : `Nobody got it: ${nobody(formatTarget(target))}.`
  const got = parts.length > 0 ? parts.join(" ") : "Nobody got it."
  return messageWords.leftOutBecauseNoneOfTheirKeys(got, listed(unsealed, nameOf))
}

const nobody = (spec: string): string => {
  if (spec === "*") return messageWords.nobodyElseIsInTheMesh
  return spec.startsWith("#") ? messageWords.noOtherSessionIsIn(spec) : messageWords.noOtherSessionHasTheTag
}

const namesMax = 20

/** Names, each once, with how many of their sessions. */
const listed = (
  people: ReadonlyArray<{ readonly name: string; readonly key: PublicKey }>,
  nameOf?: (key: PublicKey) => string,
): string => {
  const sessions = new Map<PublicKey, { readonly name: string; count: number }>()
  for (const { key, name } of people) {
    const known = sessions.get(key)
    if (known === undefined) sessions.set(key, { name: nameOf?.(key) ?? nameAmongWords(name), count: 1 })
    else known.count += 1
  }
  const names = [...sessions.values()]
    .map(({ count, name }) => (count === 1 ? name : `${name} (${count} sessions)`))
    .toSorted()
  const more = names.length - namesMax
  return more > 0 ? `${names.slice(0, namesMax).join(", ")} and ${more} more` : names.join(", ")
}
