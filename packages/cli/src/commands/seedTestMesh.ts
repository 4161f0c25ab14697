/** `seed-test-mesh`: for developing and testing, a mesh with members whose keys are printed. Loopback only. */
import { join } from "node:path"
import { createMesh } from "@claudemesh/client/http/BrokerHttp"
import { isLoopback } from "@claudemesh/client/keys/BrokerUrl"
import { ConfigFile } from "@claudemesh/client/keys/ConfigFile"
import { isNotMade } from "@claudemesh/client/invite/CreateMesh"
import { membershipIn, type NewMesh, newMesh } from "@claudemesh/client/invite/NewMesh"
import { Sodium } from "@claudemesh/client/keys/Sodium"
import { membersPerMeshMax } from "@claudemesh/domain/Limits"
import { DisplayName, Slug } from "@claudemesh/domain/Ids"
import { Console, Effect, Option, Redacted, Result, Schema } from "effect"
import { Command, Flag } from "effect/unstable/cli"
import { Failed, failed } from "../Failed.ts"
import { command, quoted } from "../Launch.ts"
import { bold, printJson, shortKey, table } from "../Output.ts"
import { brokerUrl } from "./create.ts"
import * as Flags from "./Flags.ts"
import * as runWords from "../words/running.ts"
import * as does from "../words/commands.ts"

const names = ["alice", "bob", "carol", "dave", "erin", "frank", "grace", "heidi", "ivan", "judy"]

const nameOf = (index: number): DisplayName => DisplayName.make(names[index] ?? `member-${index + 1}`)

export const seedTestMesh = Command.make(
  "seed-test-mesh",
  {
    slug: Flag.String("slug").pipe(
      Flag.withDescription(runWords.whatTheMeshIsCalledDefaultTest),
      Flag.withSchema(Slug),
      Flag.withDefault(Slug.make("test")),
    ),
    members: Flag.Int("members").pipe(
      Flag.withDescription(runWords.howManyAliceBobCarolDefault2),
      Flag.withSchema(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: membersPerMeshMax }))),
      Flag.withDefault(2),
    ),
    broker: Flags.broker,
    into: Flag.String("into").pipe(
      Flag.withDescription(runWords.writeDirNameConfigJsonForEach),
      Flag.withMetavar("DIR"),
      Flag.optional,
    ),
    json: Flags.json,
  },
  Effect.fn(
    function* ({ broker, into, json, members: count, slug }) {
      const url = yield* brokerUrl(broker)
      if (!isLoopback(url)) {
        return yield* new Failed({
          reason: runWords.isNotOnThisMachineTestMeshes(url),
        })
      }
      const mesh = yield* newMesh({
        slug,
        name: DisplayName.make(slug),
        brokerUrl: url,
        members: Array.from({ length: count }, (_, index) => nameOf(index)),
        role: "member",
        allowV1: true,
      })
      const { members, owner, request } = mesh
      if (Option.isSome(into)) yield* slugIsFree(slug, into.value, members)
      const folders = Option.isSome(into) ? yield* writeHomes(mesh, into.value) : []
      // Keys first: of a mesh that the broker has, or may have, none is lost.
      yield* createMesh(url, request, owner).pipe(
        Effect.tapError((error) => (isNotMade(error) ? removeFromHomes(mesh, folders) : Effect.void)),
      )
      if (json) {
        return yield* printJson({
          meshId: request.meshId,
          mesh: slug,
          brokerUrl: url,
          owner: { publicKey: owner.publicKey, secretKey: Redacted.value(owner.secretKey) },
          members: members.map(({ certificate, displayName, memberId, publicKey, secretKey }) => ({
            memberId,
            name: displayName,
            publicKey,
            secretKey: Redacted.value(secretKey),
            certificate,
          })),
        })
      }
      yield* Console.log(runWords.madeTheTestMeshOn(bold(slug), request.meshId, url))
      yield* Console.log(
        table(
          ["MEMBER", "KEY", folders.length > 0 ? "CLAUDEMESH_HOME" : "SECRET KEY"],
          members.map(({ displayName, publicKey, secretKey }, index) => [
            displayName,
            shortKey(publicKey),
            folders[index] ?? Redacted.value(secretKey),
          ]),
        ),
      )
      const [first = ".", second = first] = folders
      if (folders.length > 0) {
        yield* Console.log(
          [
            runWords.nextClaudemeshHomeSendHello(quoted(first), command, members[1]?.displayName ?? "alice"),
            `       CLAUDEMESH_HOME=${quoted(second)} ${command} inbox`,
          ].join("\n"),
        )
      }
    },
    Effect.provide(Sodium.layer),
    Effect.mapError(failed),
  ),
).pipe(
  Command.withDescription(does.makeAMeshWithTestMembersOn),
  Command.withExamples([
    {
      command: "claudemesh seed-test-mesh --into ./test-homes",
      description: runWords.twoMembersEachWithAHomeOf,
    },
    { command: "claudemesh seed-test-mesh --members 5 --json", description: runWords.fiveMembersAsJson },
  ]),
)

/** A home for each member, with the mesh in it. What was written is taken away where the rest cannot be. */
const writeHomes = Effect.fnUntraced(function* (mesh: NewMesh, into: string) {
  const written: Array<string> = []
  return yield* Effect.forEach(mesh.members, (member) => {
    const folder = join(into, member.displayName)
    return Effect.gen(function* () {
      const { update } = yield* ConfigFile
      yield* update((meshes) => Result.succeed([...meshes, membershipIn(mesh, member)]))
      written.push(folder)
      return folder
    }).pipe(Effect.provide(ConfigFile.layerIn(folder)))
  }).pipe(Effect.onError(() => removeFromHomes(mesh, written)))
})

/** The broker did not make it, or was not asked. */
const removeFromHomes = ({ request: { meshId } }: NewMesh, folders: ReadonlyArray<string>) =>
  Effect.forEach(
    folders,
    (folder) =>
      Effect.flatMap(ConfigFile, ({ update }) =>
        update((meshes) => Result.succeed(meshes.filter((mesh) => mesh.meshId !== meshId))),
      ).pipe(Effect.provide(ConfigFile.layerIn(folder)), Effect.ignore),
    { discard: true },
  )

/** Asked before the mesh is made: none is made that cannot be written down. */
const slugIsFree = (slug: Slug, into: string, members: ReadonlyArray<{ readonly displayName: DisplayName }>) =>
  Effect.forEach(
    members,
    ({ displayName }) => {
      const folder = join(into, displayName)
      return Effect.gen(function* () {
        const joined = yield* (yield* ConfigFile).read
        if (!joined.some((mesh) => mesh.slug === slug)) return
        return yield* new Failed({
          reason: runWords.hasAMeshAlready(folder, slug),
          code: "already_joined",
          hint: runWords.giveTheNewOneAnotherName,
        })
      }).pipe(Effect.provide(ConfigFile.layerIn(folder)))
    },
    { discard: true },
  )
