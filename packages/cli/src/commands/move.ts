/**
 * `move`: a mesh whose broker has another address now. Its owner moves everybody; who has no word of the owner moves oneself. Nothing of
 * anybody's keys changes, and nothing that waits is sent before it is clear where to.
 */
import { askBroker } from "@claudemesh/client/connection/AskBroker"
import { BrokerPatience } from "@claudemesh/client/connection/Patience"
import type { BrokerUrl } from "@claudemesh/client/keys/BrokerUrl"
import { ConfigFile } from "@claudemesh/client/keys/ConfigFile"
import type { Membership } from "@claudemesh/client/keys/Membership"
import { Sodium } from "@claudemesh/client/keys/Sodium"
import { movedTo, movedWords, placeOf } from "@claudemesh/client/trust/FollowMove"
import { isMovedText, parseMoved } from "@claudemesh/domain/trust/MeshMoved"
import { Config, Console, Effect, Option, Result } from "effect"
import { Argument, Command, Flag } from "effect/unstable/cli"
import { Failed, failed, Misused } from "../Failed.ts"
import { command } from "../Launch.ts"
import { clientIdentity, clientLayer, newSessionId, theMesh } from "../Meshes.ts"
import { bold, printJson } from "../Output.ts"
import { brokerUrl } from "./create.ts"
import * as Flags from "./Flags.ts"
import { moveEverybody } from "./MoveEverybody.ts"
import * as does from "../words/commands.ts"
import * as movingWords from "../words/moving.ts"

/** Asks it as nobody's peer, with nothing of the outbox. */
export const asked = Effect.fnUntraced(function* (membership: Membership, to: BrokerUrl) {
  const { millis } = yield* BrokerPatience
  const identity = { client: clientIdentity, membership: { ...membership, brokerUrl: to } }
  yield* askBroker({ ...identity, sessionId: yield* newSessionId("move") }, millis)
})

const follow = Effect.fnUntraced(function* (membership: Membership, text: string, json: boolean) {
  const { brokerUrl: from, slug } = membership
  const moved = Option.getOrUndefined(parseMoved(text))
  if (moved === undefined) {
    return yield* new Misused({ reason: movingWords.theStatementIsIncomplete })
  }
  const place = placeOf(moved, membership, yield* Sodium)
  if (Result.isFailure(place)) {
    return yield* new Failed({
      reason: movingWords.staysAt(slug, from, `${place.failure}.`),
      code: "not_the_owners_word",
    })
  }
  const next = place.success
  if (next === undefined) {
    return yield* new Failed({
      reason: movingWords.staysAt(slug, from, movingWords.aStatementWasFollowed),
      code: "not_newer",
    })
  }
  yield* (yield* ConfigFile).update((meshes) => Result.succeed(meshes.map((mesh) => movedTo(mesh, next))))
  if (json) return yield* printJson({ mesh: slug, brokerUrl: next.brokerUrl, before: from, byOwner: true })
  yield* Console.log(movedWords(bold(slug), from, next.brokerUrl))
})

const moveOneself = Effect.fnUntraced(function* (
  membership: Membership,
  to: BrokerUrl,
  unchecked: boolean,
  json: boolean,
) {
  const { brokerUrl: from, meshId, slug } = membership
  if (!unchecked) {
    yield* Effect.mapError(asked(membership, to), (error) => {
      const { code = "failed", reason } = failed(error)
      const hint = movingWords.ifItIsNotUpYet(command, slug, to)
      return new Failed({ reason: movingWords.staysAt(slug, from, reason), code, hint })
    })
  }
  yield* (yield* ConfigFile).update((meshes) =>
    Result.succeed(meshes.map((mesh) => (mesh.meshId === meshId ? { ...mesh, brokerUrl: to } : mesh))),
  )
  if (json) return yield* printJson({ mesh: slug, brokerUrl: to, before: from, checked: !unchecked })
  yield* Console.log(
    [movingWords.isThereForYou(bold(slug), to), movingWords.theOwnerMovesEverybody(command, slug, to)].join("\n"),
  )
})

export const move = Command.make(
  "move",
  {
    slug: Argument.String("mesh").pipe(Argument.withDescription(movingWords.theMeshWhoseBrokerHasMoved)),
    url: Argument.String("url").pipe(Argument.withDescription(movingWords.whereItsBrokerIsNow)),
    unchecked: Flag.Boolean("unchecked").pipe(
      Flag.withDescription(movingWords.writeItDownWithoutAsking),
      Flag.withDefault(false),
    ),
    adminToken: Flag.Redacted("admin-token").pipe(
      Flag.withDescription(movingWords.theNewBrokersAdminToken),
      Flag.withFallbackConfig(Config.Redacted("BROKER_ADMIN_TOKEN")),
      Flag.optional,
    ),
    yes: Flags.yes,
    json: Flags.json,
  },
  Effect.fn(
    function* ({ adminToken, json, slug, unchecked, url, yes }) {
      const membership = yield* theMesh(Option.some(slug))
      if (isMovedText(url)) return yield* follow(membership, url, json)
      const to = yield* brokerUrl(url)
      const { brokerUrl: from, ownerSecretKey } = membership
      if (ownerSecretKey !== undefined && !unchecked) {
        return yield* moveEverybody({ membership, ownerSecretKey, to, adminToken, yes, json })
      }
      if (from === to) return yield* new Failed({ reason: movingWords.isThereAlready(slug, to), code: "already_there" })
      yield* moveOneself(membership, to, unchecked, json)
    },
    Effect.scoped,
    Effect.provide(clientLayer),
    Effect.mapError(failed),
  ),
).pipe(
  Command.withDescription(does.followAMeshWhoseBrokerHasAnother),
  Command.withExamples([
    {
      command: "claudemesh move my-team wss://mesh.example.com",
      description: movingWords.asTheOwnerEverybodyFollows,
    },
    { command: "claudemesh move my-team wss://mesh.example.com --unchecked", description: movingWords.beforeItIsUp },
  ]),
)
