/** `create`: a new mesh, its owner key, and oneself as its first member. */
import { createMesh } from "@claudemesh/client/invite/CreateMesh"
import { type BrokerUrl, brokerUrlOf } from "@claudemesh/client/keys/BrokerUrl"
import { ConfigFile } from "@claudemesh/client/keys/ConfigFile"
import { Sodium } from "@claudemesh/client/keys/Sodium"
import { Slug } from "@claudemesh/domain/Ids"
import { Config, Console, Effect, Option } from "effect"
import { Argument, Command, Flag } from "effect/unstable/cli"
import { Failed, failed, Misused } from "../Failed.ts"
import { bold, printJson } from "../Output.ts"
import { usableToken, warnIfInClear } from "./AdminToken.ts"
import * as Flags from "./Flags.ts"
import { nameFrom } from "./OwnName.ts"
import { nameNote, nextSteps } from "./Welcome.ts"
import * as joiningWords from "../words/joining.ts"
import * as does from "../words/commands.ts"

export const brokerUrl = (typed: string): Effect.Effect<BrokerUrl, Failed> =>
  Option.match(brokerUrlOf(typed), {
    onNone: () =>
      Effect.fail(
        new Misused({
          reason: joiningWords.isNotABrokersUrlWriteIt(typed === "" ? "An empty text" : typed),
        }),
      ),
    onSome: Effect.succeed,
  })

const tokenMissing = new Failed({
  reason: joiningWords.thisBrokerAsksForAnAdminToken,
  hint: joiningWords.giveItWithAdminTokenOr,
  code: "unauthorized",
})

export const create = Command.make(
  "create",
  {
    slug: Argument.String("slug").pipe(
      Argument.withDescription(joiningWords.whatTheMeshIsCalledLowerCase),
      Argument.withSchema(Slug),
    ),
    broker: Flags.broker,
    as: Flags.as,
    adminToken: Flag.Redacted("admin-token").pipe(
      Flag.withDescription(joiningWords.theBrokersAdminTokenWhereItIs),
      Flag.withFallbackConfig(Config.Redacted("BROKER_ADMIN_TOKEN")),
      Flag.optional,
    ),
    json: Flags.json,
  },
  Effect.fn(
    function* ({ adminToken, as, broker, json, slug }) {
      const url = yield* brokerUrl(broker)
      const file = yield* ConfigFile
      const here = (yield* file.read).find((mesh) => mesh.slug === slug)
      // Nobody is asked for a name where there can be no new mesh.
      const displayName = here === undefined ? yield* nameFrom(as) : here.displayName
      const token = yield* usableToken(adminToken)
      yield* warnIfInClear(token, url)
      const made = yield* createMesh({
        slug,
        brokerUrl: url,
        displayName,
        adminToken: Option.getOrUndefined(token),
      }).pipe(
        Effect.catchTag("AlreadyJoined", ({ message }) =>
          Effect.fail(
            new Failed({
              reason: `${message}.`,
              code: "already_joined",
              hint: joiningWords.giveTheNewOneAnotherSlug,
            }),
          ),
        ),
        Effect.mapError((error) =>
          error._tag === "BrokerRefused" && error.error === "unauthorized" && Option.isNone(token)
            ? tokenMissing
            : error,
        ),
      )
      const { memberId, meshId, ownerPublicKey, pubkey } = made
      if (json) {
        return yield* printJson({
          mesh: slug,
          meshId,
          brokerUrl: url,
          memberId,
          name: made.displayName,
          publicKey: pubkey,
          ownerPublicKey,
        })
      }
      yield* Console.log(
        [
          joiningWords.madeTheMeshOnYouAre(bold(slug), url, bold(made.displayName)),
          ...nameNote(as, made.displayName),
          ...nextSteps(file.path),
        ].join("\n"),
      )
    },
    Effect.provide(Sodium.layer),
    Effect.mapError(failed),
  ),
).pipe(
  Command.withDescription(does.makeAMeshAndItsOwnerKey),
  Command.withExamples([
    { command: "claudemesh create my-team", description: joiningWords.onTheBrokerOfThisMachine },
    {
      command: "claudemesh create my-team --broker wss://mesh.example.com --as alice",
      description: joiningWords.onABrokerElsewhereUnderAnotherName,
    },
  ]),
)
