/**
 * Where a message is addressed. A target spec is parsed once, at the edge, into this union; a spec that does
 * not parse is refused and never stored (I5).
 */
import { Effect, Option, Schema, SchemaGetter, SchemaIssue } from "effect"
import { idPatterns } from "../IdPatterns.ts"
import { Label, PublicKey, SessionId } from "../Ids.ts"

export const Target = Schema.TaggedUnion({
  /** `<64 hex>`: exactly one session of that member; with none attached, the next one to attach. */
  Member: { key: PublicKey },
  /** `<64 hex>/<session id>`: exactly that session, held while it is away. */
  Session: { key: PublicKey, session: SessionId },
  /** `#label`: every session that joined the channel, and the inbox of subscribed members with none live. */
  Channel: { channel: Label },
  /** `tag:label`: every live session that carries the tag. */
  Tag: { tag: Label },
  /** `*`: every live session, and the inbox of members with none. */
  Everyone: {},
})
export type Target = typeof Target.Type

/** As the schemas say it, at a tenth of their price: each message has a target. */
const isPublicKey = (text: string): text is PublicKey => idPatterns.publicKey.test(text)
const isSessionId = (text: string): text is SessionId => idPatterns.sessionId.test(text)
const isLabel = (text: string): text is Label => idPatterns.label.test(text)

export const parseTarget = (spec: string): Option.Option<Target> => {
  if (spec === "*") return Option.some({ _tag: "Everyone" })
  if (spec.startsWith("#")) {
    const channel = spec.slice(1)
    return isLabel(channel) ? Option.some({ _tag: "Channel", channel }) : Option.none()
  }
  if (spec.startsWith("tag:")) {
    const tag = spec.slice(4)
    return isLabel(tag) ? Option.some({ _tag: "Tag", tag }) : Option.none()
  }
  const slash = spec.indexOf("/")
  const key = slash === -1 ? spec : spec.slice(0, slash)
  if (!isPublicKey(key)) return Option.none()
  if (slash === -1) return Option.some({ _tag: "Member", key })
  const session = spec.slice(slash + 1)
  return isSessionId(session) ? Option.some({ _tag: "Session", key, session }) : Option.none()
}

/** The one spelling of a target; `parseTarget` gives the target back. */
export const formatTarget = (target: Target): string => {
  switch (target._tag) {
    case "Member":
      return target.key
    case "Session":
      return `${target.key}/${target.session}`
    case "Channel":
      return `#${target.channel}`
    case "Tag":
      return `tag:${target.tag}`
    case "Everyone":
      return "*"
  }
}

/** Targets of one member, which `crypto_box` seals directly. All others are groups. */
export type DirectTarget = Extract<Target, { readonly _tag: "Member" | "Session" }>

export const isDirect = (target: Target): target is DirectTarget =>
  target._tag === "Member" || target._tag === "Session"

/** The wire's `targetSpec` as a target. */
export const TargetSpec = Schema.String.pipe(
  Schema.decodeTo(Schema.toType(Target), {
    decode: SchemaGetter.transformEffect((spec: string) =>
      Option.match(parseTarget(spec), {
        onNone: () => Effect.fail(new SchemaIssue.InvalidValue()),
        onSome: Effect.succeed,
      }),
    ),
    encode: SchemaGetter.transform(formatTarget),
  }),
)
