import { DisplayName, Slug } from "@claudemesh/domain/Ids"
import { createMeshStatement } from "@claudemesh/domain/trust/CreateMeshStatement"
import { assert, layer } from "@effect/vitest"
import { Effect, Option, Redacted } from "effect"
import * as HttpClient from "effect/unstable/http/HttpClient"
import * as HttpClientResponse from "effect/unstable/http/HttpClientResponse"
import type * as HttpClientRequest from "effect/unstable/http/HttpClientRequest"
import { createMesh, health } from "../src/http/BrokerHttp.ts"
import { BrokerUrl, brokerUrlOf, httpOriginOf } from "../src/http/BrokerUrl.ts"
import { newMesh } from "../src/keys/CreateMesh.ts"
import { Sodium } from "../src/keys/Sodium.ts"
import { testLayer } from "./support/FakeBroker.ts"

const answering = (status: number, body: unknown, seen: Array<HttpClientRequest.HttpClientRequest> = []) =>
  Effect.provideService(
    HttpClient.HttpClient,
    HttpClient.make((request) => {
      seen.push(request)
      return Effect.succeed(HttpClientResponse.fromWeb(request, Response.json(body, { status })))
    }),
  )

const mesh = newMesh({
  slug: Slug.make("team"),
  name: DisplayName.make("The Team"),
  members: [DisplayName.make("Alice"), DisplayName.make("Bob")],
})

layer(testLayer)("making a mesh", (it) => {
  it.effect("signs the mesh with the owner's key, and gives each member keys of its own", () =>
    Effect.gen(function* () {
      const { members, owner, request } = yield* mesh
      const { signature, ...signed } = request
      assert.isTrue((yield* Sodium).verify(createMeshStatement(signed), signature, owner.publicKey))
      assert.strictEqual(new Set([...members, owner].map(({ secretKey }) => secretKey)).size, 3)
      assert.deepEqual(
        request.members.map(({ displayName }) => displayName),
        ["Alice", "Bob"],
      )
      assert.notInclude(JSON.stringify(request), owner.secretKey.slice(0, 64))
    }),
  )

  it.effect("posts it to the broker, with the admin token where there is one", () =>
    Effect.gen(function* () {
      const { request } = yield* mesh
      const seen: Array<HttpClientRequest.HttpClientRequest> = []
      const answer = { meshId: request.meshId, slug: request.slug, created: true }
      const created = yield* createMesh("https://mesh.example.com", request, Redacted.make("secret")).pipe(
        answering(201, answer, seen),
      )
      assert.deepEqual(created, answer)
      assert.deepInclude(seen[0], { method: "POST", url: "https://mesh.example.com/meshes" })
      assert.strictEqual(seen[0]?.headers["authorization"], "Bearer secret")
    }),
  )

  it.effect("fails with the broker's error and its explanation", () =>
    Effect.gen(function* () {
      const { request } = yield* mesh
      const body = { error: "conflict", message: "another mesh has this id" }
      const failed = yield* Effect.flip(createMesh("https://mesh.example.com", request).pipe(answering(409, body)))
      assert.deepInclude(failed, { _tag: "BrokerRefused", status: 409, error: "conflict", explanation: body.message })
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
