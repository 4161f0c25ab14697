/**
 * Attacks on a real broker, over raw sockets and HTTP and made by hand: who attacks is a stranger, a member, or somebody
 * between two brokers. What each of them gets is an answer with a code, and nothing else.
 */
import { readdirSync, readFileSync } from "node:fs"
import { join as joinPath } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { badPoints } from "../../../domain/test/vectors/BadPoints.ts"
import { type Answer, answerOf, lookInto, rowsIn, stillServes, unhurried, worldOf } from "../support/Attacks.ts"
import {
  addInvite,
  certificateOf,
  factsOf,
  join,
  listInvites,
  makeMesh,
  meshRequest,
  newInvite,
  newPerson,
  newRevocation,
  type Person,
  post,
  postMesh,
  revoke,
  sendRequest,
  signatureOver,
  type TestMesh,
} from "../support/Meshes.ts"
import { type Frame, type Keys, newKeys, RawClient, seal, sendFrame, unseal } from "../support/RawClient.ts"
import { startBroker, type TestBroker, withBroker } from "../support/TestBroker.ts"

/** What a refused socket was told, all of it, and how it ended. */
const endOf = async (client: RawClient) => {
  const error = await client.take("error")
  const { code, reason } = await client.closed
  return { error: error["code"], message: error["message"], code, reason }
}

const listOf = (frame: Frame, field: string) => frame[field] as ReadonlyArray<Readonly<Record<string, unknown>>>

const asked = async (client: RawClient, type: string, answer: string, fields: object = {}): Promise<Frame> => {
  const id = `ask-${type}-${askedSoFar++}`
  client.send({ type, id, ...fields })
  return client.take(answer, (frame) => frame["id"] === id)
}
let askedSoFar = 0

describe("a hello that is not its sender's own", () => {
  it.live("is none when it is the broker's own challenge sent back, or a hello made of nothing else (I3)", () =>
    withBroker(async (broker) => {
      const { alice } = await worldOf(broker)
      const echo = await RawClient.open(broker.url)
      const challenge = await echo.take("challenge")
      echo.send(challenge)
      assert.strictEqual((await echo.take("error"))["code"], "unknown_type")
      echo.send({ ...challenge, type: "hello" })
      assert.deepInclude(await endOf(echo), { error: "malformed", code: 1008 })

      const made = await RawClient.open(broker.url)
      const hello = await made.helloV2(alice)
      const nonce = String((hello as Readonly<Record<string, unknown>>)["nonce"])
      made.send({ ...hello, signature: nonce + nonce })
      assert.deepInclude(await endOf(made), { error: "bad_signature", code: 1008 })
    }),
  )

  it.live("is none when another broker had it signed over this one's challenge and passes it on (I3)", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const [evil, good] = [yield* startBroker(), yield* startBroker()]
        yield* Effect.promise(async () => {
          const { body, owner, people } = meshRequest(["alice"])
          for (const { origin } of [evil, good]) assert.strictEqual((await postMesh(origin, body, owner)).status, 201)
          const [alice] = people
          assert.ok(alice)
          const relay = await RawClient.open(good.url)
          const nonce = String((await relay.take("challenge"))["nonce"])
          // The victim dials the evil one, which shows it the good one's challenge, and signs for what it dialled.
          const victim = await RawClient.open(evil.url)
          const hello = await victim.helloV2(alice, {}, { nonce })
          relay.send(hello)
          assert.deepInclude(await endOf(relay), { error: "bad_signature", code: 1008 })
          // The same words signed for the good one are taken: it was the origin that was wrong.
          const direct = await RawClient.authenticatedV2(good.url, alice)
          await Promise.all([victim.close(), direct.close()])
        })
      }),
    ),
  )
})

describe("a session id that everybody can read", () => {
  it.live("gives another member nothing: not the session's place, its messages, its acks, its status or its word", () =>
    withBroker(async (broker) => {
      const { alice, bob, mallory } = await worldOf(broker)
      const owner = await RawClient.authenticatedV2(broker.url, alice, { sessionId: "laptop" })
      await asked(owner, "set_status", "ok", { status: "idle" })
      await asked(owner, "join_channel", "ok", { channel: "builds" })
      const spy = await RawClient.authenticatedV2(broker.url, mallory)
      const published = listOf(await asked(spy, "list_peers", "peers"), "peers")
      const hers = published.find(({ pubkey }) => pubkey === alice.keys.publicKey)
      assert.strictEqual(hers?.["sessionId"], "laptop")

      const thief = await RawClient.authenticatedV2(broker.url, mallory, { sessionId: "laptop" })
      const target = `${alice.keys.publicKey}/laptop`
      const sender = await RawClient.authenticatedV2(broker.url, bob, { sessionId: "bobs" })
      sender.send(sendFrame("m1", target, "for alice", bob.keys))
      const ack = await sender.take("ack")
      assert.strictEqual(unseal(await owner.take("push"), alice.keys), "for alice")
      thief.send({ type: "client_ack", messageIds: [ack["messageId"]] })
      await asked(thief, "pull", "ok")
      const { state } = await asked(sender, "message_status", "message_state", { messageId: ack["messageId"] })
      assert.strictEqual(state, "delivered", "acked by somebody else")

      await asked(thief, "set_status", "ok", { status: "dnd" })
      const channels = listOf(await asked(thief, "list_channels", "channels"), "channels")
      assert.deepInclude(channels[0], { channel: "builds", joined: false, sessions: 1 })
      thief.send(sendFrame("m2", `${bob.keys.publicKey}/bobs`, "from whom?", mallory.keys))
      const pushed = await sender.take("push")
      assert.deepInclude(pushed, {
        senderPubkey: mallory.keys.publicKey,
        senderName: "mallory",
        senderSessionId: "laptop",
      })
      assert.deepStrictEqual(
        thief.frames.filter(({ type }) => type === "push"),
        [],
      )
      await thief.close()
      const peers = listOf(await asked(sender, "list_peers", "peers"), "peers")
      const alices = peers.filter(({ pubkey }) => pubkey === alice.keys.publicKey)
      assert.lengthOf(alices, 1)
      assert.deepInclude(alices[0], { sessionId: "laptop", attached: true, status: "idle" })
      await owner.settled()
      await Promise.all([owner.close(), spy.close(), sender.close()])
    }),
  )
})

describe("a member who writes another's key wherever a key fits", () => {
  it.live("is named as the sender by its own key and name, whatever else it says (I3)", () =>
    withBroker(async (broker) => {
      const { alice, bob, mallory } = await worldOf(broker)
      const hers = alice.keys.publicKey
      const claims = {
        senderPubkey: hers,
        senderName: "alice",
        senderSessionId: "laptop",
        senderMemberId: alice.memberId,
        sender: hers,
        from: hers,
        pubkey: hers,
        memberId: alice.memberId,
        meshId: "another",
        createdAt: "2020-01-01T00:00:00.000Z",
        messageId: "f".repeat(32),
        recipients: [hers],
      }
      const reader = await RawClient.authenticatedV2(broker.url, bob)
      const liar = await RawClient.authenticatedV2(broker.url, mallory, { sessionId: "lair", displayName: "alice" })
      liar.send(sendFrame("m1", bob.keys.publicKey, "I am alice", mallory.keys, claims))
      const ack = await liar.take("ack")
      const push = await reader.take("push")
      const real = { senderPubkey: mallory.keys.publicKey, senderName: "mallory", senderSessionId: "lair" }
      assert.deepInclude(push, { ...real, messageId: ack["messageId"], meshId: mallory.meshId })
      assert.notStrictEqual(push["createdAt"], claims.createdAt)
      assert.notStrictEqual(push["messageId"], claims.messageId)

      const sealedKeys = [alice, bob, mallory].map(({ keys }) => ({ pubkey: keys.publicKey, key: "AAECAwQ=" }))
      const box = { nonce: push["nonce"], ciphertext: push["ciphertext"] }
      liar.send({ type: "send", id: "m2", targetSpec: "*", priority: "now", ...box, sealedKeys, ...claims })
      assert.deepInclude(await reader.take("push"), { ...real, targetSpec: "*" })
      const peers = listOf(await asked(reader, "list_peers", "peers"), "peers")
      const lair = peers.find(({ sessionId }) => sessionId === "lair")
      assert.deepInclude(lair, { pubkey: mallory.keys.publicKey, memberId: mallory.memberId })

      const v1 = await RawClient.authenticatedV1(broker.url, mallory)
      v1.send(sendFrame("m3", bob.keys.publicKey, "as v1", mallory.keys, claims))
      const third = await reader.take("push")
      assert.deepInclude(third, { senderPubkey: mallory.keys.publicKey, senderName: "mallory" })
      await Promise.all([reader.close(), liar.close(), v1.close()])
    }),
  )

  it.live("has its own idempotency keys: another's id is neither taken by it nor used up, nor asked about", () =>
    withBroker(async (broker) => {
      const { alice, bob, mallory } = await worldOf(broker)
      const [honest, liar] = [
        await RawClient.authenticatedV2(broker.url, alice),
        await RawClient.authenticatedV2(broker.url, mallory),
      ]
      liar.send(sendFrame("same-id", bob.keys.publicKey, "first", mallory.keys))
      const squatted = await liar.take("ack")
      honest.send(sendFrame("same-id", bob.keys.publicKey, "second", alice.keys))
      const ack = await honest.take("ack")
      assert.notStrictEqual(ack["messageId"], squatted["messageId"])
      assert.notStrictEqual(ack["duplicate"], true)
      const refusal = await asked(liar, "message_status", "error", { messageId: ack["messageId"] })
      assert.strictEqual(refusal["code"], "unknown_message")
      const none = await asked(liar, "message_status", "error", { messageId: "0".repeat(32) })
      assert.strictEqual(none["message"], refusal["message"])
      await Promise.all([honest.close(), liar.close()])
    }),
  )
})

/** What a stranger may try with a key of its own; of a mesh, or of none. */
const strangersHellos: Readonly<Record<string, (mesh: TestMesh, stranger: Keys) => Person>> = {
  "a key of nobody under a member's id": (mesh, keys) => ({ ...mesh.member("alice"), keys }),
  "a key of nobody under an id of nobody": ({ meshId }, keys) => ({ ...newPerson(meshId, "x"), keys }),
  "the mesh that does not exist": (_, keys) => ({ ...newPerson("no-such-mesh", "x"), keys }),
  "the owner's key, which is no member's": ({ meshId, owner }) => ({ ...newPerson(meshId, "x"), keys: owner }),
}

describe("a stranger", () => {
  it.live(
    "is told the same on a socket whether the mesh, the member or the key is not there, and in the same time",
    () =>
      withBroker(
        async (broker) => {
          const { mesh } = await worldOf(broker)
          const said = new Map<string, Array<string>>()
          const took = new Map<string, Array<number>>()
          for (let round = 0; round < 15; round++) {
            for (const [name, of] of Object.entries(strangersHellos)) {
              for (const protocol of [1, 2] as const) {
                const client = await RawClient.open(broker.url)
                const person = of(mesh, newKeys())
                const hello = protocol === 1 ? client.helloV1(person) : await client.helloV2(person)
                const began = performance.now()
                client.send(hello)
                const end = await endOf(client)
                took.set(name, [...(took.get(name) ?? []), performance.now() - began])
                said.set(name, [...(said.get(name) ?? []), JSON.stringify(end)])
              }
            }
          }
          const all = new Set([...said.values()].flat())
          assert.deepStrictEqual(
            [...all],
            [
              JSON.stringify({
                error: "unauthorized",
                message: "no such member in this mesh",
                code: 1008,
                reason: "unauthorized",
              }),
            ],
          )
          const medians = [...took.values()].map((times) => times.toSorted((a, b) => a - b)[times.length >> 1] ?? 0)
          assert.isBelow(Math.max(...medians) - Math.min(...medians), 25, `milliseconds: ${medians.join(" ")}`)
        },
        { limits: unhurried },
      ),
  )

  it.live("learns over HTTP neither whether a mesh is there, nor its name, its invites, or how many were revoked", () =>
    withBroker(
      async (broker) => {
        const { bob, mesh } = await worldOf(broker)
        const { origin } = broker
        const first = newRevocation(mesh.meshId, bob.keys.publicKey, mesh.owner)
        assert.strictEqual((await revoke(origin, first, mesh.owner)).status, 201)
        const none = { ...mesh, meshId: "no-such-mesh" }
        const told = async (of: TestMesh): Promise<ReadonlyArray<Answer>> => {
          const me = newKeys()
          const { meshId } = of
          const x: Person = { ...newPerson(meshId, "x"), keys: me }
          const guess = (changes: object) => newInvite(of, { ...changes }, me)
          const anInvite = newInvite(of)
          const responses = [
            await listInvites(origin, meshId, me),
            await addInvite(origin, meshId, anInvite, me),
            await addInvite(origin, meshId, guess({ slug: "test", meshName: "Test" }), me),
            await addInvite(origin, meshId, guess({ slug: "other", meshName: "Other" }), me),
            await join(origin, x, newInvite(of)),
            await join(origin, x, guess({})),
            await revoke(origin, newRevocation(meshId, me.publicKey, me), me),
            await revoke(origin, newRevocation(meshId, mesh.member("alice").keys.publicKey, me), me),
            await revoke(origin, newRevocation(meshId, me.publicKey, me, first, { meshId }), me),
          ]
          return Promise.all(responses.map(answerOf))
        }
        const [here, nowhere] = [await told(mesh), await told(none)]
        assert.deepStrictEqual(here, nowhere)
        for (const { status } of here) assert.oneOf(status, [400, 403, 404])
        const page = await (await fetch(`${origin}/health`)).text()
        assert.notInclude(page, mesh.meshId)
      },
      { limits: unhurried },
    ),
  )
})

describe("a member who asks the broker for what only others can do", () => {
  it.live("finds no frame that signs, seals or opens, and nobody's sealed key but its own", () =>
    withBroker(async (broker) => {
      const { alice, bob, mallory } = await worldOf(broker)
      const spy = await RawClient.authenticatedV2(broker.url, mallory)
      for (const type of ["sign", "verify", "seal", "open", "unseal", "decrypt", "encrypt", "get_key", "history"]) {
        spy.send({ type, id: `o-${type}`, text: "x", pubkey: alice.keys.publicKey })
        assert.deepInclude(await spy.take("error"), { code: "unknown_type", id: `o-${type}` })
      }
      const box = seal("x", alice.keys.publicKey, bob.keys)
      const keyFor = (person: Person, key: string) => ({ pubkey: person.keys.publicKey, key })
      const sealedKeys = [keyFor(alice, "QUxJQ0U="), keyFor(mallory, "TUFMTE9SWQ==")]
      const writer = await RawClient.authenticatedV2(broker.url, bob)
      const reader = await RawClient.authenticatedV2(broker.url, alice)
      await asked(writer, "set_profile", "ok", { ...box, sealedKeys })
      writer.send({ type: "send", id: "g1", targetSpec: "*", priority: "now", ...box, sealedKeys })
      assert.strictEqual((await spy.take("push"))["sealedKey"], "TUFMTE9SWQ==")
      assert.strictEqual((await reader.take("push"))["sealedKey"], "QUxJQ0U=")
      writer.send({
        type: "send",
        id: "g2",
        targetSpec: "*",
        priority: "now",
        ...box,
        sealedKeys: sealedKeys.slice(0, 1),
      })
      assert.deepInclude(await writer.take("ack", ({ id }) => id === "g2"), { unsealed: [mallory.keys.publicKey] })
      await reader.take("push")
      for (const [type, answer] of [
        ["list_peers", "peers"],
        ["list_members", "members"],
      ] as const) {
        await asked(spy, type, answer)
      }
      await asked(spy, "get_trust", "trust", { keys: [alice.keys.publicKey, bob.keys.publicKey], after: 0 })
      assert.deepStrictEqual(
        spy.texts.filter((text) => text.includes("QUxJQ0U=")),
        [],
        "another's sealed key",
      )
      await Promise.all([spy.close(), writer.close(), reader.close()])
    }),
  )

  it.live("is told of a stranger's key only that nobody has proved it, and of an invite never its secret", () =>
    withBroker(async (broker) => {
      const { mallory, mesh } = await worldOf(broker)
      const invite = newInvite(mesh)
      await addInvite(broker.origin, mesh.meshId, invite, mesh.owner)
      const other = await makeMesh(broker.origin, ["eve"])
      const spy = await RawClient.authenticatedV2(broker.url, mallory)
      const keys = [
        newKeys().publicKey,
        other.member("eve").keys.publicKey,
        mesh.owner.publicKey,
        invite.keys.publicKey,
      ]
      const trust = await asked(spy, "get_trust", "trust", { keys, after: 0 })
      assert.deepInclude(trust, { certificates: [], invites: [], revocations: [], version: 0 })
      spy.send(sendFrame("m1", other.member("eve").keys.publicKey, "across", mallory.keys))
      assert.deepInclude(await spy.take("error"), { code: "unknown_target", id: "m1" })
      await spy.close()
    }),
  )
})

/** The forms in which a program might write a key down. */
const formsOf = (keys: Keys): ReadonlyArray<Buffer> => {
  const seed = Buffer.from(keys.secretKey.slice(0, 32))
  const texts = [seed.toString("hex"), seed.toString("base64").slice(0, -2), seed.toString("base64url").slice(0, -2)]
  return [seed, ...texts.map((text) => Buffer.from(text)), Buffer.from(seed.toString("hex").toUpperCase())]
}

const filesIn = (folder: string): ReadonlyArray<string> =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => joinPath(entry.parentPath, entry.name))

describe("the broker's folder", () => {
  it.live("has nobody's secret key after a mesh was made, joined by an invite, used and left", () =>
    withBroker(async (broker) => {
      const { alice, bob, mallory, mesh } = await worldOf(broker)
      const invite = newInvite(mesh, { role: "admin" })
      await addInvite(broker.origin, mesh.meshId, invite, mesh.owner)
      const carol = newPerson(mesh.meshId, "carol")
      assert.strictEqual((await join(broker.origin, carol, invite)).status, 201)
      const hers = newInvite(mesh, {}, carol.keys)
      assert.strictEqual((await addInvite(broker.origin, mesh.meshId, hers, carol.keys)).status, 201)
      const reader = await RawClient.authenticatedV2(broker.url, carol)
      const v1 = await RawClient.authenticatedV1(broker.url, bob)
      v1.send(sendFrame("m1", carol.keys.publicKey, "hello", bob.keys))
      await reader.take("push")
      v1.send(sendFrame("m2", alice.keys.publicKey, "for later", bob.keys))
      await v1.take("ack", ({ id }) => id === "m2")
      await asked(reader, "join_channel", "ok", { channel: "builds" })
      await Promise.all([reader.close(), v1.close()])
      const leaves = newRevocation(mesh.meshId, mallory.keys.publicKey, mallory.keys)
      assert.strictEqual((await revoke(broker.origin, leaves, mallory.keys)).status, 201)

      const secrets = [mesh.owner, invite.keys, hers.keys, ...[alice, bob, mallory, carol].map(({ keys }) => keys)]
      const contents = filesIn(broker.dataDir).map((file) => readFileSync(file))
      assert.isTrue(
        contents.some((content) => content.includes(carol.keys.publicKey)),
        "the search finds public keys",
      )
      const found = secrets.flatMap(formsOf).filter((form) => contents.some((content) => content.includes(form)))
      assert.lengthOf(found, 0)
      const columns = lookInto(broker.dataDir, (database) =>
        database
          .query<{ readonly name: string }, []>(
            // The broker has a secret of its own, which signs the audit and proves nobody.
            `SELECT c.name FROM sqlite_master t JOIN pragma_table_info(t.name) c
              WHERE t.type = 'table' AND NOT (t.name = 'audit_key' AND c.name = 'secret_key')`,
          )
          .all(),
      )
      assert.includeDeepMembers(columns, [{ name: "ciphertext" }, { name: "public_key" }])
      assert.deepStrictEqual(
        columns.filter(({ name }) => /secret|private|seed|password|token/.test(name)),
        [],
      )
    }),
  )
})

describe("a key that is no key: of small order, not canonical, or all zero", () => {
  const noKeys = [...badPoints.map(String), "0".repeat(64), "f".repeat(64)]

  it.live("founds no mesh, joins none, signs no request and says no hello (I3)", () =>
    withBroker(
      async (broker) => {
        const world = await worldOf(broker)
        const { mesh } = world
        const { origin, url } = broker
        const door = newInvite(mesh, { uses: 1_000 })
        await addInvite(origin, mesh.meshId, door, mesh.owner)
        const before = rowsIn(broker.dataDir)
        for (const publicKey of noKeys) {
          const { body, founding, owner, people } = meshRequest(["mallory"])
          const [mallory] = people
          assert.ok(mallory)
          const members = [certificateOf(mallory, founding, { publicKey })]
          const founded = await answerOf(await postMesh(origin, { ...body, members }, owner))
          assert.deepInclude(founded, { status: 400, error: "bad_key" }, publicKey)

          // Signatures that hold for such keys where they are checked carelessly: R is a point of small order, S is 0.
          const certificate = certificateOf(newPerson(mesh.meshId, "x"), door, { publicKey })
          const facts = factsOf(origin, "POST", "/join", mesh.meshId, JSON.stringify({ certificate }))
          for (const r of [publicKey, `01${"0".repeat(62)}`, "0".repeat(64)]) {
            const signature = `${r}${"0".repeat(64)}`
            const header = signatureOver(facts, { ...newKeys(), publicKey }).replace(/\w+$/, signature)
            const refused = await answerOf(await sendRequest(origin, facts, { "claudemesh-signature": header }))
            assert.deepInclude(refused, { status: 401, error: "bad_signature" }, publicKey)
          }
          const bySomebody = await answerOf(await post(origin, "/join", mesh.meshId, { certificate }, newKeys()))
          assert.deepInclude(bySomebody, { status: 403, error: "forbidden" })
          const client = await RawClient.open(url)
          const hello = await client.helloV2({ ...mallory, meshId: mesh.meshId })
          client.send({ ...hello, pubkey: publicKey, signature: `01${"0".repeat(62)}${"0".repeat(64)}` })
          assert.deepInclude(await endOf(client), { error: "bad_signature", code: 1008 }, publicKey)
        }
        assert.deepStrictEqual(rowsIn(broker.dataDir), before)
        assert.isTrue(await stillServes(world))
      },
      { limits: unhurried },
    ),
  )
})

describe("a direct message to who is nobody here", () => {
  it.live("is refused alike for a stranger's key, a bad point and another mesh's member", () =>
    withBroker(async (broker: TestBroker) => {
      const { mallory } = await worldOf(broker)
      const eve = (await makeMesh(broker.origin, ["eve"])).member("eve")
      const client = await RawClient.authenticatedV2(broker.url, mallory)
      const { ciphertext, nonce } = JSON.parse(
        JSON.stringify(sendFrame("x", eve.keys.publicKey, "hello", mallory.keys)),
      ) as Readonly<Record<string, unknown>>
      const answers = []
      for (const key of [newKeys().publicKey, String(badPoints[0]), eve.keys.publicKey]) {
        client.send({ type: "send", id: "m1", targetSpec: key, priority: "now", nonce, ciphertext })
        answers.push(JSON.stringify(await client.take("error")))
      }
      assert.lengthOf(new Set(answers), 1)
      assert.include(answers[0], `"unknown_target"`)
      await client.close()
    }),
  )
})
