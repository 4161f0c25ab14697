/**
 * Following the owner's word of where a mesh is now. Here alone is decided whether a client goes to another broker: a statement has to
 * be signed by the owner's key that this machine has, newer than the last one, and its address one that a person could have been
 * sent in a link. A broker that brings another one is named in an alarm, and nothing comes of it.
 */
import { acceptMove, type MeshMoved } from "@claudemesh/domain/trust/MeshMoved"
import { Context, Effect, Layer, Option, Result, Schema } from "effect"
import { BrokerUrl, isSentInClear } from "../keys/BrokerUrl.ts"
import { ConfigFile } from "../keys/ConfigFile.ts"
import type { Membership } from "../keys/Membership.ts"
import { verifierOf } from "../keys/SignRecords.ts"
import type { Sodium } from "../keys/Sodium.ts"

/** A move that may be followed. */
export interface Place {
  readonly moved: MeshMoved
  readonly brokerUrl: BrokerUrl
}

type Known = Pick<Membership, "meshId" | "moved" | "ownerPublicKey">

const decodeUrl = Schema.decodeUnknownOption(BrokerUrl)

/** As in a link: encrypted unless it is this machine, and without a name or password. */
const placeAt = (text: string): BrokerUrl | undefined => {
  const url = Option.getOrUndefined(decodeUrl(text))
  if (url === undefined || isSentInClear(url)) return undefined
  const { password, username } = new URL(url)
  return username === "" && password === "" ? url : undefined
}

/** `undefined`: it is nothing new. A text: why it is not followed. */
export const placeOf = (
  moved: MeshMoved,
  { meshId, moved: last, ownerPublicKey }: Known,
  sodium: typeof Sodium.Service,
): Result.Result<Place | undefined, string> => {
  if (ownerPublicKey === undefined) return Result.fail("this machine does not know who owns the mesh")
  const known = { meshId, ownerPublicKey, version: last?.version ?? 0 }
  const accepted = acceptMove(moved, known, verifierOf(sodium))
  if (Result.isFailure(accepted)) {
    if (accepted.failure === "not_newer") return Result.succeed(undefined)
    return Result.fail(
      accepted.failure === "other_mesh" ? "it is about another mesh" : "the mesh's owner did not sign it",
    )
  }
  const brokerUrl = placeAt(moved.brokerUrl)
  return brokerUrl === undefined
    ? Result.fail("its address is not one that a client may follow to")
    : Result.succeed({ moved, brokerUrl })
}

/** The membership where the mesh is now. What was read meanwhile may be newer. */
export const movedTo = (membership: Membership, { brokerUrl, moved }: Place): Membership =>
  membership.meshId !== moved.meshId || (membership.moved?.version ?? 0) >= moved.version
    ? membership
    : { ...membership, brokerUrl, moved }

export type Keep = (place: Place) => Effect.Effect<void, { readonly message: string }>

/** Where a move is written down, so that every later process goes there at once. Without it only this process follows. */
export const KeepMove = Context.Reference<Keep>("@claudemesh/client/trust/FollowMove/KeepMove", {
  defaultValue: () => () => Effect.void,
})

/** In `config.json`. */
export const keepMoveInConfig = Layer.effect(
  KeepMove,
  Effect.map(
    ConfigFile,
    (file): Keep =>
      (place) =>
        Effect.asVoid(
          file.update((meshes) => {
            const changed = meshes.map((mesh) => movedTo(mesh, place))
            return Result.succeed(changed.every((mesh, index) => mesh === meshes[index]) ? meshes : changed)
          }),
        ),
  ),
)

export const movedWords = (slug: string, from: string, to: string): string =>
  `${slug} has moved to ${to}, by the word of its owner. What waits here is sent there; what the old broker at ${from} has accepted stays there.`
