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
import * as peopleWords from "../words/people.ts"
import * as does from "../words/commands.ts"

/** A broker that is gone for good revokes nothing. */
const orForgotten = ({ code = "unknown", reason }: Failed, line: string): Failed =>
  new Failed({ reason, code, hint: peopleWords.tryAgainOnceTheBrokerIsThere(command, line) })

export const leave = Command.make(
  "leave",
  {
    slug: Argument.String("mesh").pipe(Argument.withDescription(peopleWords.theMeshToLeaveByItsSlug)),
    giveUpOwnerKey: Flag.Boolean("give-up-owner-key").pipe(
      Flag.withDescription(peopleWords.ofAMeshThatYouOwnIts),
      Flag.withDefault(false),
    ),
    forget: Flag.Boolean("forget").pipe(
      Flag.withDescription(peopleWords.ofAMeshWhoseBrokerIsGone),
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
          reason: peopleWords.youOwnNobodyCouldMakeItsAdmins(slug),
          code: "owner",
          hint: peopleWords.keepTheKeyThenLeave(command, slug, slug),
        })
      }
      yield* agreed(yes, forget ? `Forget ${slug}?` : `Leave ${slug}?`, [
        forget
          ? peopleWords.yourKeyThereIsForgottenAndNot(pubkey)
          : peopleWords.yourKeyThereIsRevokedAndForgotten(slug),
        peopleWords.whatWaitsForYouAndWasNot,
        peopleWords.toComeBackYouNeedANew,
        ...(ownerSecretKey === undefined ? [] : [peopleWords.youOwnItUnlessYouHaveExported]),
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
      if (forget) return yield* Console.log(peopleWords.isForgottenHereYourKeyIsNot(bold(slug)))
      yield* Console.log(
        isOfFirstClients
          ? peopleWords.yourKeyInIsForgottenHereAnd(bold(slug), pubkey)
          : wasOut
            ? peopleWords.yourKeyInWasRevokedBeforeAs(bold(slug))
            : peopleWords.youHaveLeftYourKeyIsRevoked(bold(slug)),
      )
    },
    Effect.scoped,
    Effect.provide(clientLayer),
    Effect.mapError(failed),
  ),
).pipe(
  Command.withDescription(does.leaveAMeshForGoodYourKey),
  Command.withExamples([
    { command: "claudemesh leave my-team", description: peopleWords.toComeBackYouNeedANew2 },
    { command: "claudemesh leave my-team --forget", description: peopleWords.whereItsBrokerIsGone },
  ]),
)
