import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { DisplayName, Slug } from "@claudemesh/domain/Ids"
import { parseProof, signatureHeader } from "@claudemesh/domain/trust/SignedRequest"
import { TrustRegister } from "@claudemesh/domain/trust/TrustRegister"
import { Join } from "@claudemesh/domain/wire/HttpApi"
import * as BunFileSystem from "@effect/platform-bun/BunFileSystem"
import { assert, layer } from "@effect/vitest"
import { Effect, Fiber, FileSystem, Layer, Option, Schema } from "effect"
import { TestClock } from "effect/testing"
import * as HttpClient from "effect/unstable/http/HttpClient"
import type * as HttpClientRequest from "effect/unstable/http/HttpClientRequest"
import * as HttpClientResponse from "effect/unstable/http/HttpClientResponse"
import { joinMesh } from "../src/invite/JoinMesh.ts"
import { newInvite } from "../src/invite/NewInvite.ts"
import type { Membership } from "../src/keys/Membership.ts"
import { verifierOf } from "../src/keys/SignRecords.ts"
import { Sodium } from "../src/keys/Sodium.ts"
import { testLayer } from "./support/FakeBroker.ts"
import { forMembers, hourMillis, owner, withChecksum } from "./support/Invites.ts"
import { allPlain, plain, plainKey } from "./support/Plain.ts"

type Answer = "joins" | "silent" | { readonly status: number; readonly error: string }

/** What was asked of the broker, and what it answers. `silent`: it joins, and the answer is lost. */
class Door {
  readonly asked: Array<typeof Join.Type> = []
  readonly requests: Array<HttpClientRequest.HttpClientRequest> = []
  answer: Answer = "joins"

  readonly client = HttpClient.make((request) =>
    Effect.suspend(() => {
      this.requests.push(request)
      const text = request.body._tag === "Uint8Array" ? Buffer.from(request.body.body).toString() : ""
      const body = Schema.decodeUnknownSync(Schema.fromJsonString(Join))(text)
      this.asked.push(body)
      if (this.answer === "silent") return Effect.never
      const json =
        this.answer === "joins"
          ? Response.json({ memberId: body.certificate.memberId, created: true }, { status: 201 })
          : Response.json({ error: this.answer.error, message: "no" }, { status: this.answer.status })
      return Effect.succeed(HttpClientResponse.fromWeb(request, json))
    }),
  )
}

const zoe = DisplayName.make("Zoë")

const atDoor = <A, E, R>(
  body: (place: {
    readonly door: Door
    readonly directory: string
    readonly olga: Membership
    readonly link: string
    readonly enter: (more?: Partial<Parameters<typeof joinMesh>[0]>) => ReturnType<typeof joinMesh<void, never, never>>
    readonly kept: Array<Membership>
    readonly pending: () => ReadonlyArray<string>
  }) => Effect.Effect<A, E, R>,
) =>
  Effect.gen(function* () {
    yield* TestClock.setTime(1_795_507_198_670)
    const directory = join(yield* (yield* FileSystem.FileSystem).makeTempDirectoryScoped(), "home")
    const door = new Door()
    const olga = yield* owner()
    const { link } = yield* newInvite(olga, forMembers)
    const kept: Array<Membership> = []
    const enter = (more: Partial<Parameters<typeof joinMesh>[0]> = {}) =>
      joinMesh({ link, displayName: zoe, joined: [], directory, ...more }, (membership) =>
        Effect.sync(() => {
          kept.push(membership)
        }),
      )
    const pending = () => {
      const folder = join(directory, "pending")
      return existsSync(folder) ? readdirSync(folder).map((name) => join(folder, name)) : []
    }
    return yield* body({ door, directory, olga, link, enter, kept, pending }).pipe(
      Effect.provideService(HttpClient.HttpClient, door.client),
    )
  })

/** The first try gets no answer. */
const unanswered = <A, E, R>(enter: Effect.Effect<A, E, R>, door: Door) =>
  Effect.gen(function* () {
    door.answer = "silent"
    const fiber = yield* Effect.forkChild(Effect.flip(enter))
    // Files are written in real time.
    while (door.asked.length === 0) yield* TestClock.withLive(Effect.sleep("1 millis"))
    yield* TestClock.adjust("10 seconds")
    return yield* Fiber.join(fiber)
  })

layer(Layer.merge(testLayer, BunFileSystem.layer))("joining by a link", (it) => {
  it.effect("gives a membership whose proof leads to the owner, and asks the broker signed by the new key", () =>
    atDoor(({ door, enter, kept, olga, pending }) =>
      Effect.gen(function* () {
        const membership = yield* enter()
        assert.deepEqual(allPlain(kept), [plain(membership)])
        assert.deepInclude<unknown>(membership, {
          meshId: olga.meshId,
          slug: olga.slug,
          name: olga.name,
          displayName: zoe,
          brokerUrl: olga.brokerUrl,
          joinedAt: "2026-11-24T07:59:58.670Z",
        })
        assert.notProperty(membership, "ownerSecretKey")
        const register = new TrustRegister(olga.meshId, olga.ownerPublicKey ?? olga.pubkey, verifierOf(yield* Sodium))
        if (membership.invite) register.learnInvite(membership.invite)
        if (membership.certificate) register.learnCertificate(membership.certificate)
        assert.deepInclude<unknown>(register.standingOf(membership.pubkey), { _tag: "Verified", role: "member" })

        assert.deepEqual(door.asked, [{ certificate: membership.certificate }])
        const [request] = door.requests
        assert.strictEqual(request?.url, "https://mesh.example.com/team/join")
        const proof = Option.getOrUndefined(parseProof(request?.headers[signatureHeader] ?? ""))
        assert.strictEqual(proof?.key, membership.pubkey)
        assert.notInclude(JSON.stringify(door.asked), plainKey(membership.secretKey).slice(0, 64))
        assert.deepStrictEqual(pending(), [])
      }),
    ),
  )

  it.effect("sends nothing before the link has been verified, and the mesh is known not to be joined already", () =>
    atDoor(({ directory, door, enter, link, olga }) =>
      Effect.gen(function* () {
        const refused = yield* Effect.forEach(
          [
            enter({ link: link.slice(0, -1) }),
            enter({ link: withChecksum(link.replace(".member.", ".admin.")) }),
            enter({ joined: [olga] }),
            enter({ joined: [{ ...olga, meshId: (yield* owner("x")).meshId }] }),
            Effect.andThen(TestClock.adjust(hourMillis), enter()),
          ],
          (attempt) => Effect.map(Effect.flip(attempt), (error) => error._tag),
        )
        assert.deepStrictEqual<ReadonlyArray<string>>(refused, [
          "LinkBroken",
          "LinkForged",
          "AlreadyJoined",
          "AlreadyJoined",
          "LinkExpired",
        ])
        assert.deepStrictEqual(door.asked, [])
        assert.isFalse(existsSync(join(directory, "config.json")))
      }),
    ),
  )

  it.effect("calls the mesh as it is told to, where its own name is taken", () =>
    atDoor(({ enter, olga }) =>
      Effect.gen(function* () {
        const other = { ...olga, meshId: (yield* owner("x")).meshId }
        const membership = yield* enter({ joined: [other], slug: Slug.make("team-2") })
        assert.strictEqual(membership.slug, "team-2")
        assert.strictEqual(membership.invite?.slug, "team")
      }),
    ),
  )

  it.effect("asks for the very same again after a try that got no answer, so that no second use is spent", () =>
    atDoor(({ door, enter, kept, pending }) =>
      Effect.gen(function* () {
        const failed = yield* unanswered(enter(), door)
        assert.strictEqual(failed._tag, "BrokerUnreachable")
        assert.deepStrictEqual(kept, [])
        const [file = ""] = pending()
        assert.strictEqual((statSync(file).mode & 0o777).toString(8), "600")
        assert.strictEqual((statSync(join(file, "..")).mode & 0o777).toString(8), "700")

        door.answer = "joins"
        // The link has expired by now. The broker may have taken the first try while it was good.
        yield* TestClock.adjust(2 * hourMillis)
        const membership = yield* enter({ displayName: DisplayName.make("Another name") })
        assert.strictEqual(door.asked.length, 2)
        assert.deepEqual(door.asked[1], door.asked[0])
        assert.strictEqual(membership.displayName, zoe)
        assert.strictEqual(membership.pubkey, door.asked[0]?.certificate.publicKey)
        assert.deepStrictEqual(pending(), [])
      }),
    ),
  )

  it.effect("certifies the kept key anew where the broker finds the first try too old, and keeps that", () =>
    atDoor(({ door, enter, pending }) =>
      Effect.gen(function* () {
        yield* unanswered(enter(), door)
        door.answer = { status: 400, error: "bad_certificate" }
        yield* TestClock.adjust(hourMillis / 2)
        yield* Effect.flip(enter({ displayName: DisplayName.make("Zoë B.") }))
        const [first, again, anew] = door.asked.map(({ certificate }) => certificate)
        assert.deepEqual(again, first)
        assert.strictEqual(anew?.publicKey, first?.publicKey)
        assert.strictEqual(anew?.memberId, first?.memberId)
        assert.strictEqual(anew?.displayName, "Zoë B.")
        assert.notStrictEqual(anew?.joinedAt, first?.joinedAt)
        assert.deepInclude(JSON.parse(readFileSync(pending()[0] ?? "", "utf8")), { certificate: anew })
      }),
    ),
  )

  it.effect("keeps the key until the membership is written down", () =>
    atDoor(({ directory, door, link, pending }) =>
      Effect.gen(function* () {
        const options = { link, displayName: zoe, joined: [], directory }
        assert.strictEqual(yield* Effect.flip(joinMesh(options, () => Effect.fail("disk full"))), "disk full")
        assert.strictEqual(pending().length, 1)
        yield* joinMesh(options, () => Effect.void)
        assert.deepEqual(door.asked[1], door.asked[0])
      }),
    ),
  )

  it.effect("forgets the key when the invite is over, and keeps it when the broker may take it later", () =>
    atDoor(({ door, enter, pending }) =>
      Effect.gen(function* () {
        door.answer = { status: 503, error: "unavailable" }
        yield* Effect.flip(enter())
        assert.strictEqual(pending().length, 1)
        door.answer = { status: 410, error: "used_up" }
        const failed = yield* Effect.flip(enter())
        assert.deepInclude(failed, { _tag: "BrokerRefused", error: "used_up" })
        assert.deepStrictEqual(pending(), [])
      }),
    ),
  )

  it.effect("names the file that cannot be understood, and leaves it", () =>
    atDoor(({ door, enter, pending }) =>
      Effect.gen(function* () {
        door.answer = { status: 503, error: "unavailable" }
        yield* Effect.flip(enter())
        const [file = ""] = pending()
        writeFileSync(file, "{")
        const failed = yield* Effect.flip(enter())
        assert.deepInclude(failed, { _tag: "PendingBroken", path: file })
        assert.strictEqual(readFileSync(file, "utf8"), "{")
        assert.strictEqual(door.asked.length, 1)
      }),
    ),
  )
})
