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

export const isChosen = (by: Chosen, one: BlockEvent): boolean =>
  isWithin(by, one.atMillis) && isOr(by.member, one.member) && isOr(by.message, one.messageId)
