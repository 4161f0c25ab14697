/**
 * Where a mesh's broker is now, by the word of the mesh's owner. Nobody else can say it: not a broker, not an admin. Each
 * statement has a version above the one before, so an old one leads nobody back. It proves itself, so whoever has it may bring it:
 * a broker, or a person as a line of text.
 */
import { Option, Result, Schema } from "effect"
import { MeshId, type PublicKey, Signature } from "../Ids.ts"
import { IsoTime } from "../IsoTime.ts"
import type { Verifier } from "./ChainVerifier.ts"

export const MeshMoved = Schema.Struct({
  meshId: MeshId,
  /** 1 for the first move of a mesh, and higher for each later one. */
  version: Schema.Int.check(Schema.isGreaterThan(0)),
  /** Such as `wss://mesh.example.com/ws`. */
  brokerUrl: Schema.String.check(Schema.isPattern(/^wss?:\/\/[!-~]{1,256}$/, { expected: "a broker's URL" })),
  at: IsoTime,
  /** By the owner's key. */
  signature: Signature,
})
export type MeshMoved = typeof MeshMoved.Type

/** No field can hold a newline, so the lines cannot be read two ways. */
export const meshMovedStatement = ({ at, brokerUrl, meshId, version }: Omit<MeshMoved, "signature">): string =>
  ["claudemesh-mesh-moved-v1", meshId, version, brokerUrl, at].join("\n")

/** `not_newer`: this version, or a later one, is known. */
export type MoveRefusal = "other_mesh" | "bad_signature" | "not_newer"

/** The signature comes first: what is old and forged is forged. */
export const acceptMove = (
  moved: MeshMoved,
  known: { readonly meshId: MeshId; readonly ownerPublicKey: PublicKey; readonly version: number },
  { verify }: Pick<Verifier, "verify">,
): Result.Result<MeshMoved, MoveRefusal> => {
  if (moved.meshId !== known.meshId) return Result.fail("other_mesh")
  if (!verify(meshMovedStatement(moved), moved.signature, known.ownerPublicKey)) return Result.fail("bad_signature")
  return moved.version > known.version ? Result.succeed(moved) : Result.fail("not_newer")
}

const Text = Schema.fromJsonString(MeshMoved)
const encode = Schema.encodeSync(Text)
const decode = Schema.decodeUnknownOption(Text)

const mark = "claudemesh-moved-"

/** For where no broker can tell: a word without spaces that a person can send to the others. */
export const formatMoved = (moved: MeshMoved): string => `${mark}${Buffer.from(encode(moved)).toString("base64url")}`

export const isMovedText = (text: string): boolean => text.trim().startsWith(mark)

export const parseMoved = (text: string): Option.Option<MeshMoved> => {
  const body = text.trim()
  if (!/^claudemesh-moved-[\w-]{1,2048}$/.test(body)) return Option.none()
  return decode(Buffer.from(body.slice(mark.length), "base64url").toString("utf8"))
}
