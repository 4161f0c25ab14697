/**
 * What members of a mesh were refused, for its audit: counted together by member and code, and written once in a while, so that nobody can fill the
 * audit with what they are refused. Who was not let in is counted without a name: it may be anybody's.
 */
import type { MemberId, MeshId } from "@claudemesh/domain/Ids"
import { Clock, Effect } from "effect"
import type { BrokerLimits } from "../Limits.ts"
import type { GroupCommit } from "../store/GroupCommit.ts"
import { type RefusalCount, Write } from "../store/MessageStore.ts"

/** More members than that are not told apart. */
const kindsMax = 1_000

/** That the broker cannot do something now is no refusal of anybody. */
const notRefusals: ReadonlySet<string> = new Set(["internal", "unavailable"])

export class Refusals {
  readonly #counts = new Map<
    string,
    { readonly memberId: MemberId | undefined; readonly code: string; count: number }
  >()

  add(memberId: MemberId | undefined, code: string): void {
    if (notRefusals.has(code)) return
    const known = this.#counts.get(`${code} ${memberId ?? ""}`)
    if (known !== undefined) known.count += 1
    else if (memberId !== undefined && this.#counts.size >= kindsMax) this.add(undefined, code)
    else this.#counts.set(`${code} ${memberId ?? ""}`, { memberId, code, count: 1 })
  }

  /** Since it was asked last. */
  takeAll(): ReadonlyArray<RefusalCount> {
    const all = [...this.#counts.values()]
    this.#counts.clear()
    return all
  }
}

/** For the caller's scope, at whose end what was counted is written, too. */
export const makeRefusals = Effect.fnUntraced(function* (
  meshId: MeshId,
  groupCommit: Pick<GroupCommit, "submit">,
  { auditRefusalsMillis }: Pick<BrokerLimits, "auditRefusalsMillis">,
) {
  const refusals = new Refusals()
  const write = Effect.map(Clock.currentTimeMillis, (atMillis) => {
    const counts = refusals.takeAll()
    if (counts.length > 0) groupCommit.submit(Write.Refused({ meshId, counts, atMillis }), () => {})
  })
  yield* Effect.forkScoped(Effect.forever(Effect.andThen(Effect.sleep(auditRefusalsMillis), write)))
  yield* Effect.addFinalizer(() => write)
  return refusals
})
