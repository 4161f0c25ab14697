import { DisplayName, MeshId, Slug } from "@claudemesh/domain/Ids"
import { isoFromMillis } from "@claudemesh/domain/IsoTime"
import { parseProof, requestStatement, signatureHeader } from "@claudemesh/domain/trust/SignedRequest"
import { ChainVerifier } from "@claudemesh/domain/trust/ChainVerifier"
import { CreateMesh } from "@claudemesh/domain/wire/HttpApi"
import { assert, layer } from "@effect/vitest"
import { Clock, Effect, Option, Redacted, Schema } from "effect"
import { TestClock } from "effect/testing"
import * as HttpClient from "effect/unstable/http/HttpClient"
import * as HttpClientResponse from "effect/unstable/http/HttpClientResponse"
import type * as HttpClientRequest from "effect/unstable/http/HttpClientRequest"
import { addInvite, createMesh, health, join, listInvites, revoke } from "../src/http/BrokerHttp.ts"
import { BrokerUrl, brokerUrlOf, httpOriginOf, isSentInClear } from "../src/keys/BrokerUrl.ts"
import { membershipIn, newMesh, type NewMesh } from "../src/invite/NewMesh.ts"
import { signRevocation, verifierOf } from "../src/keys/SignRecords.ts"
import { Sodium } from "../src/keys/Sodium.ts"
import { testLayer } from "./support/FakeBroker.ts"
import { plainKey } from "./support/Plain.ts"

type Seen = Array<HttpClientRequest.HttpClientRequest>

/** Gives the answers one after the other, the last one again and again. */
const answeringInTurn = (answers: ReadonlyArray<readonly [status: number, body: unknown]>, seen: Seen = []) =>
  Effect.provideService(
    HttpClient.HttpClient,
    HttpClient.make((request) => {
      const [status, body] = answers[Math.min(seen.length, answers.length - 1)] ?? [500, ""]
      seen.push(request)
      return Effect.succeed(HttpClientResponse.fromWeb(request, Response.json(body, { status })))
    }),
  )

const answering = (status: number, body: unknown, seen: Seen = []) => answeringInTurn([[status, body]], seen)

const brokerUrl = BrokerUrl.make("wss://mesh.example.com/ws")

const mesh = newMesh({
  slug: Slug.make("team"),
  name: DisplayName.make("The Team"),
  brokerUrl,
  members: [DisplayName.make("Alice"), DisplayName.make("Bob")],
  role: "owner",
  allowV1: false,
})

const registerOf = ({ request }: NewMesh) =>
  Effect.map(Sodium, (sodium) => {
    const register = new ChainVerifier(request.meshId, request.ownerPublicKey, verifierOf(sodium))
    register.learnInvite(request.invite)
    for (const certificate of request.members) register.learnCertificate(certificate)
    return register
  })

const bodyOf = (request: HttpClientRequest.HttpClientRequest | undefined): string =>
  request?.body._tag === "Uint8Array" ? Buffer.from(request.body.body).toString() : ""

/** The proof in the header, where it fits the request as it went out. */
const proofOf = (request: HttpClientRequest.HttpClientRequest | undefined, method: "GET" | "POST", path: string) =>
  Effect.map(Sodium, ({ verify }) => {
    const proof = Option.getOrUndefined(parseProof(request?.headers[signatureHeader] ?? ""))
    if (proof === undefined) return undefined
    const facts = { audience: "wss://mesh.example.com", method, path, body: bodyOf(request) }
    return verify(requestStatement(facts, proof), proof.signature, proof.key) ? proof : undefined
  })

layer(testLayer)("making a mesh", (it) => {
  it.effect("gives each member keys of its own and a proof that leads to the owner's key", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(1_795_507_198_670)
      const made = yield* mesh
      const { members, owner, request } = made
      const register = yield* registerOf(made)
      assert.deepEqual<unknown>(
        members.map(({ publicKey }) => register.standingOf(publicKey)),
        members.map(({ certificate }) => ({ _tag: "Certified", certificate, role: "owner" })),
      )
      assert.strictEqual(new Set([...members, owner].map(({ secretKey }) => Redacted.value(secretKey))).size, 3)
      assert.deepEqual(
        request.members.map(({ displayName }) => displayName),
        ["Alice", "Bob"],
      )
      for (const { secretKey } of [...members, owner]) {
        assert.notInclude(JSON.stringify(request), Redacted.value(secretKey).slice(0, 64))
      }
      assert.isTrue(Schema.is(CreateMesh)(request))
    }),
  )

  it.effect("invites no more than its first members, and for an hour", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(1_795_507_198_670)
      const { invite } = (yield* mesh).request
      assert.strictEqual(invite.uses, 2)
      assert.strictEqual(invite.expiresAt, isoFromMillis(1_795_507_198_670 + 3_600_000))
      assert.strictEqual(invite.brokerUrl, brokerUrl)
    }),
  )

  it.effect("leaves each member its proof, in a mesh that takes clear text only where the owner signed so", () =>
    Effect.gen(function* () {
      const sealed = yield* mesh
      const open = yield* newMesh({
        slug: Slug.make("open"),
        name: DisplayName.make("open"),
        brokerUrl,
        members: sealed.members,
        role: "member",
        allowV1: true,
        allowUnsealed: true,
      })
      const [alice] = sealed.members
      const [sameAlice] = open.members
      if (alice === undefined || sameAlice === undefined) return assert.fail("no members")
      const inSealed = membershipIn(sealed, alice)
      assert.deepInclude(inSealed, { certificate: alice.certificate, invite: sealed.request.invite, brokerUrl })
      assert.notProperty(inSealed, "allowUnsealed")
      const inOpen = membershipIn(open, sameAlice)
      assert.isTrue(inOpen.allowUnsealed)
      assert.isTrue(inOpen.certificate?.allowV1)
      assert.strictEqual(plainKey(inOpen.secretKey), plainKey(inSealed.secretKey))
      assert.strictEqual((yield* registerOf(open)).standingOf(alice.publicKey)._tag, "Certified")
    }),
  )

  it.effect("posts it to the broker, signed by the owner, with the admin token where there is one", () =>
    Effect.gen(function* () {
      const { owner, request } = yield* mesh
      const seen: Seen = []
      const answer = { meshId: request.meshId, slug: request.slug, created: true }
      const created = yield* createMesh(brokerUrl, request, owner, Redacted.make("secret")).pipe(
        answering(201, answer, seen),
      )
      assert.deepEqual(created, answer)
      assert.deepInclude(seen[0], { method: "POST", url: "https://mesh.example.com/meshes" })
      assert.strictEqual(seen[0]?.headers["authorization"], "Bearer secret")
      assert.strictEqual(seen[0]?.headers["content-type"], "application/json")
      const proof = yield* proofOf(seen[0], "POST", "/meshes")
      assert.deepInclude(proof, { mesh: request.meshId, key: owner.publicKey })
      assert.deepEqual<unknown>(JSON.parse(bodyOf(seen[0])), request)
    }),
  )

  it.effect("signs each request over its own path and body, with the key it is for, and never the same twice", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(1_795_507_198_670)
      const { members, owner, request } = yield* mesh
      const { invite, meshId } = request
      const [alice] = members
      if (alice === undefined) return assert.fail("no members")
      const register = yield* registerOf(yield* mesh)
      const revocation = signRevocation(
        yield* Sodium,
        {
          meshId,
          version: 1,
          previous: register.head,
          subject: alice.publicKey,
          kept: [],
          at: isoFromMillis(yield* Clock.currentTimeMillis),
          by: owner.publicKey,
        },
        owner.secretKey,
      )
      const seen: Seen = []
      const listed = { invites: [{ invite, used: 2, state: "used_up" }] }
      yield* addInvite(brokerUrl, invite, owner).pipe(
        answering(201, { publicKey: invite.publicKey, created: true }, seen),
      )
      const joined = { memberId: alice.memberId, created: true }
      yield* join(brokerUrl, meshId, alice.certificate, alice).pipe(answering(201, joined, seen))
      yield* revoke(brokerUrl, revocation, owner).pipe(answering(201, { version: 1 }, seen))
      assert.deepEqual<unknown>(
        yield* listInvites(brokerUrl, meshId, owner).pipe(answering(200, listed, seen)),
        listed.invites,
      )
      const proofs = yield* Effect.all([
        proofOf(seen[0], "POST", "/invites"),
        proofOf(seen[1], "POST", "/join"),
        proofOf(seen[2], "POST", "/revocations"),
        proofOf(seen[3], "GET", "/invites"),
      ])
      assert.deepEqual(
        proofs.map((proof) => proof?.key),
        [owner.publicKey, alice.publicKey, owner.publicKey, owner.publicKey],
      )
      assert.deepEqual(
        proofs.map((proof) => [proof?.mesh, proof?.time]),
        proofs.map(() => [meshId, "1795507198670"]),
      )
      assert.strictEqual(new Set(proofs.map((proof) => proof?.nonce)).size, 4)
      assert.strictEqual(bodyOf(seen[3]), "")
      // What was signed for one path is none for another.
      assert.isUndefined(yield* proofOf(seen[0], "POST", "/join"))
    }),
  )

  it.effect("signs once more where the broker calls the signature stale, and no more than that", () =>
    Effect.gen(function* () {
      const { owner, request } = yield* mesh
      const stale = [401, { error: "stale", message: "sign it again" }] as const
      const created = { meshId: request.meshId, slug: request.slug, created: true }
      const seen: Seen = []
      yield* createMesh(brokerUrl, request, owner).pipe(answeringInTurn([stale, [201, created]], seen))
      const first = yield* proofOf(seen[0], "POST", "/meshes")
      const second = yield* proofOf(seen[1], "POST", "/meshes")
      assert.strictEqual(first?.key, second?.key)
      assert.notStrictEqual(first?.nonce, second?.nonce)

      const seenAll: Seen = []
      const failed = yield* Effect.flip(
        createMesh(brokerUrl, request, owner).pipe(answeringInTurn([stale, stale], seenAll)),
      )
      assert.deepInclude(failed, { _tag: "BrokerRefused", error: "stale" })
      assert.include(failed.message, "clock")
      assert.strictEqual(seenAll.length, 2)
    }),
  )

  it.effect("fails with the broker's error, its explanation and what can be done", () =>
    Effect.gen(function* () {
      const { members, owner, request } = yield* mesh
      const body = { error: "conflict", message: "another mesh has this id" }
      const failed = yield* Effect.flip(createMesh(brokerUrl, request, owner).pipe(answering(409, body)))
      assert.deepInclude(failed, { _tag: "BrokerRefused", status: 409, error: "conflict", explanation: body.message })
      const [alice] = members
      if (alice === undefined) return assert.fail("no members")
      const usedUp = yield* Effect.flip(
        join(brokerUrl, MeshId.make("m"), alice.certificate, alice).pipe(
          answering(410, { error: "used_up", message: "the invite has no use left" }),
        ),
      )
      assert.strictEqual(
        usedUp.message,
        "the broker refused (used_up): the invite has no use left. Ask for another link.",
      )
    }),
  )

  it.effect("fails as unreachable when what answers is no broker", () =>
    Effect.gen(function* () {
      const failed = yield* Effect.flip(health("https://mesh.example.com").pipe(answering(200, "<html>")))
      assert.strictEqual(failed._tag, "BrokerUnreachable")
    }),
  )

  it.effect("reads the health also of a broker whose database is away", () =>
    Effect.gen(function* () {
      const body = { status: "degraded", version: "1", gitSha: "abc", uptime: 3, db: "down" }
      assert.deepEqual(yield* health("https://mesh.example.com").pipe(answering(503, body)), body)
    }),
  )

  it.effect("knows which URLs lead over a network without TLS", () =>
    Effect.sync(() => {
      const isInClear = (host: string, scheme = "ws") => isSentInClear(BrokerUrl.make(`${scheme}://${host}/ws`))
      for (const host of ["localhost:7900", "a.localhost", "127.0.0.1", "127.9.9.9:1", "[::1]", "[::ffff:127.0.0.1]"]) {
        assert.isFalse(isInClear(host), host)
      }
      const others = [
        "10.0.0.5",
        "mesh.example.com",
        "127.0.0.1.example.com",
        "0.0.0.0",
        "[fe80::1]",
        "localhost.a.org",
      ]
      for (const host of others) {
        assert.isTrue(isInClear(host), host)
        assert.isFalse(isInClear(host, "wss"), host)
      }
    }),
  )

  it.effect("finds the HTTP origin of a broker's URL, and the URL of what a person types", () =>
    Effect.sync(() => {
      assert.strictEqual(httpOriginOf(BrokerUrl.make("wss://mesh.example.com/ws")), "https://mesh.example.com")
      assert.strictEqual(httpOriginOf(BrokerUrl.make("ws://127.0.0.1:7900/ws")), "http://127.0.0.1:7900")
      assert.strictEqual(httpOriginOf(BrokerUrl.make("wss://example.com/mesh/ws")), "https://example.com/mesh")
      for (const typed of ["https://mesh.example.com", "wss://mesh.example.com/ws", "https://mesh.example.com/ws/"]) {
        assert.deepEqual(Option.getOrUndefined(brokerUrlOf(typed)), "wss://mesh.example.com/ws")
      }
      assert.deepStrictEqual(
        ["mesh.example.com", "ftp://a", ""].map((typed) => Option.isNone(brokerUrlOf(typed))),
        [true, true, true],
      )
    }),
  )
})
