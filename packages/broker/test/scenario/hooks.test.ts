/** What hooks report over HTTP: signed by the member whose session it is, or by a first client of this machine. */
import { assert, describe, it, layer } from "@effect/vitest"
import { Context, Effect, Layer } from "effect"
import {
  factsOf,
  makeMesh,
  newRevocation,
  type Person,
  post,
  revoke,
  sendRequest,
  signatureOver,
} from "../support/Meshes.ts"
import { newKeys, RawClient } from "../support/RawClient.ts"
import { startBroker, type TestBroker, withBroker } from "../support/TestBroker.ts"

class Shared extends Context.Service<Shared, TestBroker>()("hooks/Shared") {
  static readonly layer = Layer.effect(Shared, startBroker())
}

type Body = Readonly<Record<string, unknown>>

const answerOf = async (response: Promise<Response>) => {
  const { status } = await response
  const body = (await (await response).json()) as Body
  return [status, body["error"] ?? body]
}

const report = (origin: string, person: Person, body: Body, keys = person.keys) =>
  answerOf(post(origin, "/hook/set-status", person.meshId, body, keys))

const unsigned = (origin: string, body: Body, headers: Readonly<Record<string, string>> = {}) =>
  answerOf(
    fetch(`${origin}/hook/set-status`, {
      method: "POST",
      headers: { "content-type": "application/json", ...headers },
      body: JSON.stringify(body),
    }),
  )

/** A hook whose clock is behind, or whose report was long on its way. */
const reportedAt = (origin: string, person: Person, body: Body, atMillis: number) => {
  const facts = {
    ...factsOf(origin, "POST", "/hook/set-status", person.meshId, JSON.stringify(body)),
    time: atMillis,
  }
  return answerOf(sendRequest(origin, facts, { "claudemesh-signature": signatureOver(facts, person.keys) }))
}

const statusSeenBy = async (client: RawClient, sessionId: string) => {
  client.send({ type: "list_peers", id: "who" })
  const { peers } = await client.take("peers")
  const peer = (peers as ReadonlyArray<Body>).find((one) => one["sessionId"] === sessionId)
  return peer && [peer["status"], peer["statusSource"]]
}

const ok = [200, { ok: true }]

layer(Shared.layer, { excludeTestServices: true })("a hook's report", (it) => {
  const told = (name: string, scenario: (broker: TestBroker) => Promise<void>) =>
    it.effect(name, () => Effect.flatMap(Shared, (broker) => Effect.promise(() => scenario(broker))))

  told("that a member signed is of its own session, and beats what is said by hand (I10, I11)", async (broker) => {
    const { origin, url } = broker
    const mesh = await makeMesh(origin)
    const [alice, bob] = [mesh.member("alice"), mesh.member("bob")]
    const client = await RawClient.authenticatedV2(url, alice, { sessionId: "a1" })
    assert.deepStrictEqual(await report(origin, alice, { session_id: "a1", status: "working" }), ok)
    client.send({ type: "set_status", status: "idle", id: "s1" })
    await client.take("ok")
    assert.deepStrictEqual(await statusSeenBy(client, "a1"), ["working", "hook"])
    // Another member speaks for its own sessions alone, and nobody for a mesh that is not its own.
    assert.deepStrictEqual(await report(origin, bob, { session_id: "a1", status: "idle" }), ok)
    assert.deepStrictEqual(await report(origin, alice, { session_id: "a1", status: "idle" }, newKeys()), [
      404,
      "unknown_mesh",
    ])
    assert.deepStrictEqual(await statusSeenBy(client, "a1"), ["working", "hook"])
    client.send({ type: "set_status", status: "dnd", forSeconds: 60, id: "s2" })
    await client.take("ok")
    assert.deepStrictEqual(await report(origin, alice, { session_id: "a1", status: "idle" }), ok)
    assert.deepStrictEqual(await statusSeenBy(client, "a1"), ["dnd", "manual"])
    await client.close()
  })

  told("that comes late does not turn time back (I10)", async ({ origin, url }) => {
    const mesh = await makeMesh(origin)
    const alice = mesh.member("alice")
    const client = await RawClient.authenticatedV2(url, alice, { sessionId: "a1" })
    // After the broker began: what was signed before it is refused.
    const beforeMillis = Date.now() - 1
    assert.deepStrictEqual(await report(origin, alice, { session_id: "a1", status: "working" }), ok)
    assert.deepStrictEqual(await reportedAt(origin, alice, { session_id: "a1", status: "idle" }, beforeMillis), ok)
    assert.deepStrictEqual(await statusSeenBy(client, "a1"), ["working", "hook"])
    await client.close()
  })

  told("that is there before its session says hello is not lost", async ({ origin, url }) => {
    const mesh = await makeMesh(origin)
    const alice = mesh.member("alice")
    assert.deepStrictEqual(await report(origin, alice, { session_id: "a1", status: "working" }), ok)
    const client = await RawClient.authenticatedV2(url, alice, { sessionId: "a1" })
    assert.deepStrictEqual(await statusSeenBy(client, "a1"), ["working", "hook"])
    await client.close()
  })

  told("that says something else than a hook may is refused", async ({ origin }) => {
    const mesh = await makeMesh(origin)
    const alice = mesh.member("alice")
    for (const body of [
      { status: "working" },
      { session_id: "a1", status: "dnd" },
      { session_id: "a 1", status: "idle" },
      { session_id: "a1" },
    ]) {
      assert.deepStrictEqual(await report(origin, alice, body), [400, "malformed"], JSON.stringify(body))
    }
    const revocation = newRevocation(mesh.meshId, alice.keys.publicKey, mesh.owner)
    assert.strictEqual((await revoke(origin, revocation, mesh.owner)).status, 201)
    assert.deepStrictEqual(await report(origin, alice, { session_id: "a1", status: "idle" }), [410, "revoked"])
  })

  told("of a first client is of the one session that it names, by id, folder or process (I11)", async (broker) => {
    const { origin, url } = broker
    const mesh = await makeMesh(origin)
    const [alice, bob] = [mesh.member("alice"), mesh.member("bob")]
    const watching = await RawClient.authenticatedV2(url, bob, { sessionId: "b1" })
    const v1 = async (sessionId: string, cwd: string, pid: number) => {
      const client = await RawClient.open(url)
      client.send(client.helloV1(alice, { sessionId, cwd, pid }))
      await client.take("hello_ack")
      return client
    }
    const clients = [await v1("1-1", "/home/one", 1), await v1("2-2", "/home/two", 2), await v1("3-3", "/home/two", 3)]
    const seen = async () => [
      await statusSeenBy(watching, "1-1"),
      await statusSeenBy(watching, "2-2"),
      await statusSeenBy(watching, "3-3"),
    ]
    const [working, idle] = [
      ["working", "hook"],
      ["idle", undefined],
    ]
    const hook = { status: "working", pid: 9, session_id: "of-the-host" }
    assert.deepStrictEqual(await unsigned(origin, { ...hook, cwd: "/home/two" }), ok)
    assert.deepStrictEqual(await seen(), [idle, idle, idle], "it may be either of two")
    assert.deepStrictEqual(await unsigned(origin, { ...hook, cwd: "/home/one", pid: null, session_id: null }), ok)
    assert.deepStrictEqual(await seen(), [working, idle, idle])
    assert.deepStrictEqual(await unsigned(origin, { ...hook, cwd: "/home/two", pid: 3 }), ok)
    assert.deepStrictEqual(await seen(), [working, idle, working])
    assert.deepStrictEqual(await unsigned(origin, { status: "working", session_id: "2-2" }), ok)
    assert.deepStrictEqual(await seen(), [working, working, working])
    // Never of a session of v2, and not through a proxy or by another name.
    assert.deepStrictEqual(await unsigned(origin, { status: "working", session_id: "b1" }), ok)
    assert.deepStrictEqual(await statusSeenBy(watching, "b1"), ["idle", undefined])
    const idles = { status: "idle", session_id: "1-1" }
    for (const headers of [{ "x-forwarded-for": "10.0.0.1" }, { host: "evil.example.com" }]) {
      assert.deepStrictEqual(await unsigned(origin, idles, headers), ok)
    }
    assert.deepStrictEqual(await seen(), [working, working, working])
    await Promise.all([watching, ...clients].map((client) => client.close()))
  })
})

describe("reports of hooks", () => {
  it.live("have a rate for each key, and their own", () =>
    withBroker(
      async ({ origin }) => {
        const mesh = await makeMesh(origin)
        const [alice, bob] = [mesh.member("alice"), mesh.member("bob")]
        const body = { session_id: "a1", status: "idle" }
        const answers = [
          await report(origin, alice, body),
          await report(origin, alice, body),
          await report(origin, bob, body),
        ]
        assert.deepStrictEqual(answers, [ok, [429, "rate_limited"], ok])
      },
      { limits: { hooksPerKeyPerSecond: 0.001, hooksPerKeyBurst: 1 } },
    ),
  )

  it.live("are not shut off by a stranger's keys, nor by how many others report (I23)", () =>
    withBroker(
      async ({ origin }) => {
        const mesh = await makeMesh(origin)
        const [alice, bob] = [mesh.member("alice"), mesh.member("bob")]
        const body = { session_id: "a1", status: "idle" }
        for (let n = 0; n < 3; n++) {
          assert.deepStrictEqual(await report(origin, alice, body, newKeys()), [404, "unknown_mesh"])
        }
        for (const person of [alice, bob, alice]) assert.deepStrictEqual(await report(origin, person, body), ok)
      },
      { limits: { requestNoncesMax: 2 } },
    ),
  )

  it.live("that come again are answered again, and change nothing (I10)", () =>
    withBroker(async ({ origin, url }) => {
      const mesh = await makeMesh(origin)
      const alice = mesh.member("alice")
      const client = await RawClient.authenticatedV2(url, alice, { sessionId: "a1" })
      const facts = factsOf(origin, "POST", "/hook/set-status", mesh.meshId, '{"session_id":"a1","status":"working"}')
      const again = () => sendRequest(origin, facts, { "claudemesh-signature": signatureOver(facts, alice.keys) })
      assert.deepStrictEqual(await answerOf(again()), ok)
      await Bun.sleep(2)
      assert.deepStrictEqual(await report(origin, alice, { session_id: "a1", status: "idle" }), ok)
      assert.deepStrictEqual(await answerOf(again()), ok)
      assert.deepStrictEqual(await statusSeenBy(client, "a1"), ["idle", "hook"])
      await client.close()
    }),
  )

  it.live("without a signature do nothing where v1 is not admitted", () =>
    withBroker(
      async ({ origin }) => {
        assert.deepStrictEqual(await unsigned(origin, { status: "working", cwd: "/", pid: 1, session_id: "x" }), ok)
      },
      { environment: { BROKER_ALLOW_V1: "false" } },
    ),
  )
})
