/** `leave`: out of a mesh oneself: the key is revoked by its own word, and the mesh is forgotten here. */
import { ConfigFile } from "@claudemesh/client/keys/ConfigFile"
import { forgetMesh } from "@claudemesh/client/local/ForgetMesh"
import { CloseCode } from "@claudemesh/domain/wire/CloseCode"
import { Console, Effect, Option, Result } from "effect"
import { Argument, Command, Flag } from "effect/unstable/cli"
import { Failed, failed, unreachedOf } from "../Failed.ts"
import { command } from "../Launch.ts"
import { clientLayer, connectedTo, theMesh } from "../Meshes.ts"
import { bold, printJson } from "../Output.ts"
import { revokeKey } from "../Revoking.ts"
import { agreed } from "./Agreed.ts"
import * as Flags from "./Flags.ts"

/** A broker that is gone for good revokes nothing. */
const orForgotten = ({ code = "unknown", words }: Failed, line: string): Failed => {
  const hint = `Try again once the broker is there. If it is gone for good: ${command} leave ${line} --forget`
  return new Failed({ reason: `${words.replace(/[.;]$/, "")}. ${hint}`, code, hint })
}

export const leave = Command.make(
  "leave",
  {
    slug: Argument.String("mesh").pipe(Argument.withDescription("The mesh to leave, by its slug")),
    giveUpOwnerKey: Flag.Boolean("give-up-owner-key").pipe(
      Flag.withDescription("Of a mesh that you own: its owner's key is lost, unless you have exported it"),
      Flag.withDefault(false),
    ),
    forget: Flag.Boolean("forget").pipe(
      Flag.withDescription("Of a mesh whose broker is gone: forget it here, without asking that broker"),
      Flag.withDefault(false),
    ),
    yes: Flags.yes,
    json: Flags.json,
  },
  Effect.fn(
    function* ({ forget, giveUpOwnerKey, json, slug, yes }) {
      const membership = yield* theMesh(Option.some(slug))
      const { meshId, ownerPublicKey, ownerSecretKey, pubkey, secretKey } = membership
      if (ownerSecretKey !== undefined && !giveUpOwnerKey) {
        return yield* new Failed({
          reason: `you own ${slug}: nobody could make its admins any more. Keep the key with: ${command} export ${slug}.json --mesh ${slug}; then leave with --give-up-owner-key`,
        })
      }
      yield* agreed(yes, forget ? `Forget ${slug}?` : `Leave ${slug}?`, [
        forget
          ? `Your key there is forgotten, and not revoked: where the mesh goes on without this machine, others still encrypt to it. Its owner can revoke it: ${pubkey}.`
          : `Your key there is revoked and forgotten: nobody encrypts to you any more, and your sessions in ${slug} end.`,
        "What waits for you and was not read is lost, and so is what this machine has kept of the mesh.",
        "To come back you need a new invite, and others have to compare your new key.",
        ...(ownerSecretKey === undefined
          ? []
          : ["You own it: unless you have exported its owner's key, nobody can make admins there any more."]),
      ])
      // Its key can be revoked by who knows the list of revocations, which begins with the owner's key.
      const isOfFirstClients = ownerPublicKey === undefined
      const leaving = Effect.gen(function* () {
        if (isOfFirstClients || forget) return false
        const client = yield* connectedTo(membership)
        yield* revokeKey(client, pubkey, { publicKey: pubkey, secretKey })
        return false
      })
      // A member whose key was revoked has nothing to revoke, and could neither forget the mesh nor come back to it by a new invite.
      const wasOut = yield* Effect.catchIf(
        leaving,
        (error) => error._tag === "ClientStopped" && error.code === CloseCode.revoked.code,
        () => Effect.succeed(true),
      ).pipe(
        Effect.mapError((error) =>
          unreachedOf(error) === undefined
            ? error
            : orForgotten(failed(error), giveUpOwnerKey ? `${slug} --give-up-owner-key` : slug),
        ),
      )
      // First: where this is cut off, the mesh is still there to be left again.
      yield* forgetMesh(meshId)
      yield* (yield* ConfigFile).update((meshes) => Result.succeed(meshes.filter((mesh) => mesh.meshId !== meshId)))
      if (json) return yield* printJson({ mesh: slug, left: true, revoked: !forget && !isOfFirstClients })
      if (forget) return yield* Console.log(`${bold(slug)} is forgotten here. Your key is not revoked there.`)
      yield* Console.log(
        isOfFirstClients
          ? `Your key in ${bold(slug)} is forgotten here, and still good there: one of the first clients joined it. To end it, ask the mesh's owner to revoke ${pubkey}.`
          : wasOut
            ? `Your key in ${bold(slug)} was revoked before, as its broker says. It is forgotten here.`
            : `You have left ${bold(slug)}. Your key is revoked there, and forgotten here.`,
      )
    },
    Effect.scoped,
    Effect.provide(clientLayer),
    Effect.mapError(failed),
  ),
).pipe(
  Command.withDescription("Leave a mesh for good: your key is revoked there, and nobody encrypts to it any more"),
  Command.withExamples([
    { command: "claudemesh leave my-team", description: "To come back you need a new invite" },
    { command: "claudemesh leave my-team --forget", description: "Where its broker is gone" },
  ]),
)
