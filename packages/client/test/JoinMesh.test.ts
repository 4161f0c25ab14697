import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { DisplayName, Slug } from "@claudemesh/domain/Ids"
import { parseProof, signatureHeader } from "@claudemesh/domain/trust/SignedRequest"
import { ChainVerifier } from "@claudemesh/domain/trust/ChainVerifier"
import { Join } from "@claudemesh/domain/wire/HttpApi"
import * as BunFileSystem from "@effect/platform-bun/BunFileSystem"
import { assert, layer } from "@effect/vitest"
import { Effect, Exit, Fiber, FileSystem, Layer, Option, Result, Schema } from "effect"
import { TestClock } from "effect/testing"
import * as HttpClient from "effect/unstable/http/HttpClient"
import type * as HttpClientRequest from "effect/unstable/http/HttpClientRequest"
import * as HttpClientResponse from "effect/unstable/http/HttpClientResponse"
import { type InviteLink, verifyInviteLink } from "../src/invite/InviteLink.ts"
import { joinMesh } from "../src/invite/JoinMesh.ts"
import { newInvite } from "../src/invite/NewInvite.ts"
import { ConfigFile } from "../src/keys/ConfigFile.ts"
import type { Membership } from "../src/keys/Membership.ts"
import { verifierOf } from "../src/keys/SignRecords.ts"
import { Sodium } from "../src/keys/Sodium.ts"
import { FileUnusable } from "../src/local/SecretFile.ts"
import { StateDb, type StateDbError } from "../src/local/StateDb.ts"
import { testLayer } from "./support/FakeBroker.ts"
import { forMembers, hourMillis, joinedBy, owner, withChecksum } from "./support/Invites.ts"
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

type Options = Parameters<typeof joinMesh<never, never>>[0]

const atDoor = <A, E, R>(
  body: (place: {
    readonly door: Door
    readonly directory: string
    readonly olga: Membership
    readonly link: string
    readonly enter: (more?: Partial<Options>) => ReturnType<typeof joinMesh<never, never>>
    readonly config: typeof ConfigFile.Service
    /** What is written down of joins that are not over. */
    readonly pending: Effect.Effect<ReadonlyArray<string>, StateDbError>
  }) => Effect.Effect<A, E, R>,
) =>
  Effect.gen(function* () {
    yield* TestClock.setTime(1_795_507_198_670)
    const directory = join(yield* (yield* FileSystem.FileSystem).makeTempDirectoryScoped(), "home")
    const door = new Door()
    const olga = yield* owner()
    const { link } = yield* newInvite(olga, forMembers)
    const enter = (more: Partial<Options> = {}) => joinMesh({ link, displayName: zoe, ...more })
    return yield* Effect.gen(function* () {
      const pending = (yield* StateDb).read((db) =>
        db
          .query<{ record: string }, []>("SELECT record FROM pending")
          .all()
          .map(({ record }) => record),
      )
      return yield* body({ door, directory, olga, link, enter, config: yield* ConfigFile, pending })
    }).pipe(
      Effect.provide(ConfigFile.layer.pipe(Layer.provideMerge(StateDb.layerIn(directory)))),
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
    atDoor(({ config, directory, door, enter, olga, pending }) =>
      Effect.gen(function* () {
        const membership = yield* enter()
        assert.deepEqual(allPlain(yield* config.read), [plain(membership)])
        assert.deepInclude<unknown>(membership, {
          meshId: olga.meshId,
          slug: olga.slug,
          name: olga.name,
          displayName: zoe,
          brokerUrl: olga.brokerUrl,
          joinedAt: "2026-11-24T07:59:58.670Z",
        })
        assert.notProperty(membership, "ownerSecretKey")
        const register = new ChainVerifier(olga.meshId, olga.ownerPublicKey ?? olga.pubkey, verifierOf(yield* Sodium))
        if (membership.invite) register.learnInvite(membership.invite)
        if (membership.certificate) register.learnCertificate(membership.certificate)
        assert.deepInclude<unknown>(register.standingOf(membership.pubkey), { _tag: "Certified", role: "member" })

        assert.deepEqual(door.asked, [{ certificate: membership.certificate }])
        const [request] = door.requests
        assert.strictEqual(request?.url, "https://mesh.example.com/team/join")
        const proof = Option.getOrUndefined(parseProof(request?.headers[signatureHeader] ?? ""))
        assert.strictEqual(proof?.key, membership.pubkey)
        assert.notInclude(JSON.stringify(door.asked), plainKey(membership.secretKey).slice(0, 64))
        assert.deepStrictEqual(yield* pending, [])
        for (const name of ["state.db", "state.db-wal"]) {
          const bytes = readFileSync(join(directory, name)).toString("latin1")
          assert.notInclude(bytes, plainKey(membership.secretKey).slice(0, 64))
        }
      }),
    ),
  )

  it.effect("sends nothing before the link has been verified, and the mesh is known not to be joined already", () =>
    atDoor(({ config, door, enter, link, olga, pending }) =>
      Effect.gen(function* () {
        const having = (mesh: Membership) => config.update(() => Result.succeed([mesh]))
        const other = { ...olga, meshId: (yield* owner("x")).meshId }
        const refused = yield* Effect.forEach(
          [
            enter({ link: link.slice(0, -1) }),
            enter({ link: withChecksum(link.replace(".member.", ".admin.")) }),
            Effect.andThen(having(olga), enter()),
            Effect.andThen(having(other), enter()),
            Effect.andThen(
              Effect.andThen(
                TestClock.adjust(hourMillis),
                config.update(() => Result.succeed([])),
              ),
              enter(),
            ),
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
        assert.deepStrictEqual(yield* pending, [])
      }),
    ),
  )

  it.effect("calls the mesh as it is told to, where its own name is taken", () =>
    atDoor(({ config, enter, olga }) =>
      Effect.gen(function* () {
        const other = { ...olga, meshId: (yield* owner("x")).meshId }
        yield* config.update(() => Result.succeed([other]))
        const membership = yield* enter({ slug: Slug.make("team-2") })
        assert.strictEqual(membership.slug, "team-2")
        assert.strictEqual(membership.invite?.slug, "team")
      }),
    ),
  )

  it.effect("asks for the very same again after a try that got no answer, so that no second use is spent", () =>
    atDoor(({ config, door, enter, pending }) =>
      Effect.gen(function* () {
        const failed = yield* unanswered(enter(), door)
        assert.strictEqual(failed._tag, "BrokerUnreachable")
        assert.deepStrictEqual(yield* config.read, [])
        assert.lengthOf(yield* pending, 1)

        door.answer = "joins"
        // The link has expired by now. The broker may have taken the first try while it was good.
        yield* TestClock.adjust(2 * hourMillis)
        const membership = yield* enter({ displayName: DisplayName.make("Another name") })
        assert.strictEqual(door.asked.length, 2)
        assert.deepEqual(door.asked[1], door.asked[0])
        assert.strictEqual(membership.displayName, zoe)
        assert.strictEqual(membership.pubkey, door.asked[0]?.certificate.publicKey)
        assert.deepStrictEqual(yield* pending, [])
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
        assert.deepInclude(JSON.parse((yield* pending)[0] ?? ""), { certificate: anew })
      }),
    ),
  )

  it.effect("keeps the key until the membership is written down", () =>
    atDoor(({ config, door, enter, pending }) =>
      Effect.gen(function* () {
        const full = new FileUnusable({ path: config.path, doing: "write", reason: "the disk is full" })
        const onFullDisk = Effect.provideService(ConfigFile, { ...config, update: () => Effect.fail(full) })
        assert.strictEqual(yield* Effect.flip(onFullDisk(enter())), full)
        assert.lengthOf(yield* pending, 1)
        const { pubkey } = yield* enter()
        assert.deepEqual(door.asked[1], door.asked[0])
        assert.deepStrictEqual(
          (yield* config.read).map((mesh) => mesh.pubkey),
          [pubkey],
        )
      }),
    ),
  )

  it.effect("is finished by the same again when all was done but to forget the key, and the broker is not asked", () =>
    atDoor(({ config, door, enter, pending }) =>
      Effect.gen(function* () {
        const db = yield* StateDb
        const update: typeof config.update = (change) => Effect.andThen(config.update(change), Effect.die("killed"))
        yield* Effect.exit(enter().pipe(Effect.provideService(ConfigFile, { ...config, update })))
        assert.lengthOf(yield* pending, 1)
        const [membership] = yield* config.read
        assert.strictEqual((yield* enter()).pubkey, membership?.pubkey)
        assert.lengthOf(door.asked, 1)
        assert.deepStrictEqual(yield* pending, [])
        assert.lengthOf(yield* config.read, 1)
        assert.strictEqual((yield* Effect.flip(enter()))._tag, "AlreadyJoined")
        assert.deepStrictEqual(yield* db.read((rows) => rows.query("SELECT 1 FROM pending").all()), [])
      }),
    ),
  )

  it.effect("is one member however often it is asked for at once", () =>
    atDoor(({ config, door, enter, pending }) =>
      Effect.gen(function* () {
        const exits = yield* Effect.all(
          Array.from({ length: 5 }, () => Effect.exit(enter())),
          { concurrency: "unbounded" },
        )
        assert.isTrue(exits.some(Exit.isSuccess))
        assert.lengthOf(yield* config.read, 1)
        assert.strictEqual(new Set(door.asked.map(({ certificate }) => certificate.publicKey)).size, 1)
        assert.deepStrictEqual(yield* pending, [])
      }),
    ),
  )

  it.effect("forgets the key when the invite is over, and keeps it when the broker may take it later", () =>
    atDoor(({ door, enter, pending }) =>
      Effect.gen(function* () {
        door.answer = { status: 503, error: "unavailable" }
        yield* Effect.flip(enter())
        assert.lengthOf(yield* pending, 1)
        door.answer = { status: 410, error: "used_up" }
        const failed = yield* Effect.flip(enter())
        assert.deepInclude(failed, { _tag: "BrokerRefused", error: "used_up" })
        assert.deepStrictEqual(yield* pending, [])
      }),
    ),
  )

  it.effect("forgets the key that was certified under a name that is taken: the next try has another name", () =>
    atDoor(({ door, enter, pending }) =>
      Effect.gen(function* () {
        door.answer = { status: 409, error: "name_taken" }
        const failed = yield* Effect.flip(enter())
        assert.match("message" in failed ? failed.message : "", /^The name .*--as/)
        assert.deepStrictEqual(yield* pending, [])
        door.answer = "joins"
        const joined = yield* enter({ displayName: DisplayName.make("Another") })
        assert.strictEqual(joined.displayName, "Another")
      }),
    ),
  )

  it.effect("proves the key that a first client joined with: as it is certified, else by the link", () =>
    atDoor(({ config, door, enter, link, olga, pending }) =>
      Effect.gen(function* () {
        const zoe = yield* joinedBy(link, "Zoë")
        const { brokerUrl, displayName, joinedAt, memberId, meshId, name, pubkey, secretKey } = zoe
        const slug = Slug.make("ours")
        const earlier = { brokerUrl, displayName, joinedAt, memberId, meshId, name, pubkey, secretKey, slug }
        yield* config.update(() => Result.succeed([earlier]))
        const { certificate, invite } = zoe
        if (certificate === undefined || invite === undefined) return assert.fail("no proof")

        let askedAs: Membership | undefined
        const proved = yield* enter({
          displayName: DisplayName.make("Another"),
          proofOf: (membership) => {
            askedAs = membership
            return Effect.succeed({ certificate, invite })
          },
        })
        assert.deepEqual(plain(proved), plain({ ...zoe, slug }))
        assert.strictEqual(askedAs?.ownerPublicKey, olga.ownerPublicKey)
        assert.deepEqual(allPlain(yield* config.read), [plain({ ...zoe, slug })])
        assert.deepStrictEqual([door.asked, yield* pending], [[], []])

        yield* config.update(() => Result.succeed([earlier]))
        const joined = yield* enter({ displayName: DisplayName.make("Another") })
        assert.lengthOf(door.asked, 1)
        assert.deepInclude<unknown>(door.asked[0]?.certificate, { publicKey: pubkey, memberId, displayName: "Zoë" })
        assert.strictEqual(plainKey(joined.secretKey), plainKey(secretKey))
        assert.deepEqual(allPlain(yield* config.read), [plain(joined)])
        assert.strictEqual((yield* Effect.flip(enter()))._tag, "AlreadyJoined")
      }),
    ),
  )

  it.effect("takes over what an earlier version kept of such a try, and names its file where it is broken", () =>
    atDoor(({ directory, door, enter, link, olga, pending }) =>
      Effect.gen(function* () {
        const { invite } = yield* verifyInviteLink(link)
        const folder = join(directory, "pending")
        const file = join(folder, `${invite.publicKey.slice(0, 32)}.json`)
        mkdirSync(folder, { recursive: true, mode: 0o700 })
        writeFileSync(file, "{", { mode: 0o600 })
        assert.deepInclude(yield* Effect.flip(enter()), { _tag: "PendingBroken", path: file })
        assert.strictEqual(readFileSync(file, "utf8"), "{")

        const earlier = plain(yield* joinedBy((yield* newInvite(olga, forMembers)).link, "Zoë"))
        const mine = plain(yield* joinedBy(link, "Zoë"))
        writeFileSync(file, JSON.stringify({ certificate: mine.certificate, secretKey: mine.secretKey }), {
          mode: 0o600,
        })
        const { pubkey } = yield* enter()
        assert.strictEqual(pubkey, mine.pubkey)
        assert.notStrictEqual(pubkey, earlier.pubkey)
        assert.deepEqual(door.asked[0]?.certificate, mine.certificate)
        assert.isFalse(existsSync(folder))
        assert.deepStrictEqual(yield* pending, [])
      }),
    ),
  )

  it.effect(
    "asks the person before anything is sent or made, shows what the owner signed, and asks nobody who is in",
    () =>
      atDoor(({ door, link, olga, pending }) =>
        Effect.gen(function* () {
          const shown: Array<string> = []
          const answering = (agrees: boolean) => (seen: InviteLink) =>
            Effect.suspend(() => {
              shown.push(`${seen.invite.ownerPublicKey} ${seen.invite.role}`)
              return agrees ? Effect.void : Effect.fail("no" as const)
            })
          const joining = (agrees: boolean) =>
            joinMesh<never, never, "no">({ link, displayName: zoe, agree: answering(agrees) })
          assert.strictEqual(yield* Effect.flip(joining(false)), "no")
          assert.deepStrictEqual(shown, [`${olga.ownerPublicKey} member`])
          assert.lengthOf(door.requests, 0)
          assert.lengthOf(yield* pending, 0)
          yield* joining(true)
          assert.lengthOf(door.requests, 1)
          assert.strictEqual(
            yield* Effect.flip(Effect.mapError(joining(true), (error) => (error === "no" ? error : error._tag))),
            "AlreadyJoined",
          )
          assert.lengthOf(shown, 2)
        }),
      ),
  )
})
