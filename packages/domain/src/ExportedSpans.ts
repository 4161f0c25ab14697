/** Spans of messages, sent to the collector that the standard `OTEL_*` variables name, by OTLP as JSON. `MessageTraces.ts` loads it. */
import { Cause, ConfigProvider, Context, Effect, Exit, Layer, Option, Tracer } from "effect"
import { FetchHttpClient } from "effect/unstable/http"
import * as OtlpSerialization from "effect/unstable/observability/OtlpSerialization"
import * as OtlpTracer from "effect/unstable/observability/OtlpTracer"
import { MessageTraces, type RecordSpan } from "./MessageTraces.ts"

const nanos = (millis: number): bigint => BigInt(Math.round(millis * 1_000)) * 1_000n

/** All have one parent, which nobody exports: the message itself. */
const recordWith =
  (tracer: Tracer.Tracer): RecordSpan =>
  ({ attributes, fromMillis, kind, meshId, messageId, name, toMillis }) => {
    const message = Tracer.externalSpan({ traceId: messageId, spanId: messageId.slice(0, 16), sampled: true })
    const span = tracer.span({
      name,
      kind,
      parent: Option.some(message),
      annotations: Context.empty(),
      links: [],
      root: false,
      sampled: true,
      startTime: nanos(fromMillis),
    })
    const all = {
      "messaging.system": "claudemesh",
      "messaging.message.id": messageId,
      "claudemesh.mesh.id": meshId,
      ...attributes,
    }
    for (const [key, value] of Object.entries(all)) span.attribute(key, value)
    span.end(nanos(toMillis), Exit.void)
  }

/** The exporter is the specification's. At its end nobody waits long for a collector that is away, and least of all a command. */
const byDefault = ConfigProvider.fromEnvRecord({ OTEL_TRACES_EXPORTER: "otlp", OTEL_BSP_EXPORT_TIMEOUT: "1000" })

const settings = Layer.effect(
  ConfigProvider.ConfigProvider,
  Effect.map(ConfigProvider.ConfigProvider, (given) => ConfigProvider.orElse(given, byDefault)),
)

/** `Expected a valid URL string at ["OTEL_…"]`, without the names of what found it. */
const problemIn = (cause: Cause.Cause<never>): string =>
  /Expected [^)]*/.exec(String(Cause.squash(cause)))?.[0] ?? "its value does not fit"

export const exported = (resource: { readonly serviceName: string; readonly serviceVersion: string }) =>
  Layer.effect(MessageTraces, Effect.map(Effect.tracer, recordWith)).pipe(
    Layer.provide(OtlpTracer.layerFromConfig({ resource })),
    Layer.provide([FetchHttpClient.layer, OtlpSerialization.layerJson, settings]),
    // A variable that is none of ours stops nothing of ours.
    Layer.catchCause((cause) =>
      Layer.effectDiscard(
        Effect.logWarning(`nothing is traced, since a variable OTEL_* cannot be understood: ${problemIn(cause)}`),
      ),
    ),
  )
