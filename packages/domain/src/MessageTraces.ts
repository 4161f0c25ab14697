/**
 * One message is one trace. Sender, broker and recipient know its id alike, and it is the trace's: nothing of a trace is on the wire, and
 * what each of them exports comes together at the collector. A span has ids, counts and times, and never a text. Nothing is traced, and
 * nothing is loaded for it, unless the standard `OTEL_*` variables name a collector.
 */
import { Config, Context, Effect, Layer, Option } from "effect"
import type { MeshId, MessageId } from "./Ids.ts"

export interface MessageSpan {
  readonly messageId: MessageId
  readonly meshId: MeshId
  readonly name: "send" | "accept" | "deliver" | "hand over"
  readonly kind: "producer" | "internal" | "consumer"
  /** In milliseconds of Unix time. */
  readonly fromMillis: number
  readonly toMillis: number
  readonly attributes: Readonly<Record<string, string | number>>
}

export type RecordSpan = (span: MessageSpan) => void

/** Undefined: nobody collects them. */
export const MessageTraces = Context.Reference<RecordSpan | undefined>("@claudemesh/domain/MessageTraces", {
  defaultValue: () => undefined,
})

const endpoint = Effect.orElseSucceed(
  Config.option(
    Config.String("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT").pipe(
      Config.orElse(() => Config.String("OTEL_EXPORTER_OTLP_ENDPOINT")),
    ),
  ),
  Option.none,
)

export const messageTraces = (serviceName: string, serviceVersion: string) =>
  Layer.unwrap(
    Effect.gen(function* () {
      if (Option.isNone(yield* endpoint)) return Layer.empty
      const { exported } = yield* Effect.promise(() => import("./ExportedSpans.ts"))
      return exported({ serviceName, serviceVersion })
    }),
  )
