/** What the commands of `audit` are given alike, and what it chooses. */
import type { BlockEvent } from "@claudemesh/domain/audit/BlockEvents"
import { Option } from "effect"
import { Flag } from "effect/unstable/cli"
import * as auditWords from "../words/audit.ts"

export const mesh = Flag.String("mesh").pipe(
  Flag.withAlias("m"),
  Flag.withDescription(auditWords.onlyThisMeshByItsId),
  Flag.optional,
)

const parseTime = (text: string): Option.Option<number> =>
  /^\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d{1,3})?)?Z)?$/.test(text) && !Number.isNaN(Date.parse(text))
    ? Option.some(Date.parse(text))
    : Option.none()

const time = (name: "from" | "to", does: string) =>
  Flag.String(name).pipe(
    Flag.withDescription(does),
    Flag.filterMap(parseTime, auditWords.notATimeOfTheAudit),
    Flag.optional,
  )

export const times = {
  from: time("from", auditWords.notBeforeThisTime),
  to: time("to", auditWords.beforeThisTime),
}

export const chosen = {
  ...times,
  member: Flag.String("member").pipe(Flag.withDescription(auditWords.onlyWhatThisMemberDid), Flag.optional),
  message: Flag.String("message").pipe(Flag.withDescription(auditWords.onlyThisMessage), Flag.optional),
}

export interface Times {
  readonly from: Option.Option<number>
  readonly to: Option.Option<number>
}

export interface Chosen extends Times {
  readonly member: Option.Option<string>
  readonly message: Option.Option<string>
}

export const isWithin = ({ from, to }: Times, atMillis: number): boolean =>
  atMillis >= Option.getOrElse(from, () => 0) && atMillis < Option.getOrElse(to, () => Number.POSITIVE_INFINITY)

const isOr = <A>(asked: Option.Option<A>, value: A | null): boolean => Option.isNone(asked) || asked.value === value

/**
 * Given the events of meshes in their order, which are asked for. What is of several messages names them by their numbers, so the one that is asked
 * for is known by its number from the event on by which it was accepted.
 */
export const choosing = (by: Chosen): ((one: BlockEvent) => boolean) => {
  const numbers = new Map<string, number>()
  const isOfMessage = ({ mesh, messageId, messages, seq }: BlockEvent): boolean => {
    if (Option.isNone(by.message)) return true
    if (messageId === by.message.value) {
      if (seq !== null) numbers.set(mesh, seq)
      return true
    }
    const number = numbers.get(mesh)
    return number !== undefined && (messages ?? []).includes(number)
  }
  return (one) => isOfMessage(one) && isWithin(by, one.atMillis) && isOr(by.member, one.member)
}
