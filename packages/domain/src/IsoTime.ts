/** Times on the wire: ISO-8601 in UTC with milliseconds. Inside, times are milliseconds since the epoch. */
import { DateTime, Schema } from "effect"

export const IsoTime = Schema.String.check(
  Schema.isPattern(/^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{3}Z$/, {
    expected: "a time such as 2026-11-24T07:59:58.670Z",
  }),
).pipe(Schema.brand("IsoTime"))
export type IsoTime = typeof IsoTime.Type

export const isoFromMillis = (millis: number): IsoTime => IsoTime.make(DateTime.formatIso(DateTime.makeUnsafe(millis)))
