/**
 * Letting people in and putting them out, over a real broker's HTTP and sockets, every record and request signed by
 * hand: what is taken, what is refused and by which code, and what stands after a restart.
 */
import { assert, describe, it, layer } from "@effect/vitest"
import { Effect } from "effect"
import { freePort } from "../support/BrokerProcess.ts"
import {
  addInvite,
  certificateOf,
  factsOf,
  type Facts,
  join,
  listInvites,
  makeMesh,
  newInvite,
  newPerson,
  newRevocation,
  type Person,
  post,
  revoke,
  sendRequest,
  signatureOver,
  type TestInvite,
  type TestMesh,
} from "../support/Meshes.ts"
import { Postgres } from "../support/Postgres.ts"
import { type Keys, newKeys, RawClient, sendFrame, unseal } from "../support/RawClient.ts"
import { startBroker, temporaryFolder, type TestBroker, withBroker } from "../support/TestBroker.ts"

interface Answer extends Readonly<Record<string, unknown>> {
  readonly status: number
}

const answer = async (response: Response | Promise<Response>): Promise<Answer> => {
  const { status } = await response
  return { ...((await (await response).json()) as Readonly<Record<string, unknown>>), status }
}

const refusalOf = async (response: Promise<Response>) => {
  const { error, status } = await answer(response)
  return [status, error]
}

const anInvite = async (origin: string, mesh: TestMesh, changes: Readonly<Record<string, unknown>> = {}) => {
  const invite = newInvite(mesh, changes)
  assert.deepInclude(await answer(addInvite(origin, mesh.meshId, invite, mesh.owner)), { status: 201 })
  return invite
}

const joined = async (origin: string, mesh: TestMesh, name: string, by?: TestInvite): Promise<Person> => {
  const invite = by ?? (await anInvite(origin, mesh))
  const person = newPerson(mesh.meshId, name)
  assert.deepInclude(await answer(join(origin, person, invite)), { status: 201, memberId: person.memberId })
  return person
}

const membersSeenBy = async (url: string, person: Person) => {
  const client = await RawClient.authenticatedV2(url, person)
  client.send({ type: "list_members", id: "who" })
  const { members, revocations } = await client.take("members")
  await client.close()
  const names = (members as ReadonlyArray<Readonly<Record<string, unknown>>>).map((member) => member["displayName"])
  return { names: names.map(String).toSorted(), revocations }
}

const helloRefused = async (client: RawClient, hello: object) => {
  client.send(hello)
  const error = await client.take("error")
  return { error: error["code"], ...(await client.closed) }
}

/** One broker after another, on the same port and data. */
const lives = Effect.gen(function* () {
  const environment = {
    BROKER_DATA_DIR: yield* temporaryFolder,
    BROKER_PORT: String(yield* Effect.promise(freePort)),
  }
  return (scenario: (broker: TestBroker) => Promise<void>) => withBroker(scenario, { environment })
})

describe("an invite", () => {
  it.live("lets a person in, who can then be written to, and is counted", () =>
    withBroker(async ({ origin, url }) => {
      const mesh = await makeMesh(origin, ["alice"])
      const invite = newInvite(mesh, { uses: 2, label: "for carol" })
      const added = { status: 201, publicKey: invite.body.publicKey, created: true }
      assert.deepStrictEqual(await answer(addInvite(origin, mesh.meshId, invite, mesh.owner)), added)
      const again = await answer(addInvite(origin, mesh.meshId, invite, mesh.owner))
      assert.deepStrictEqual(again, { ...added, status: 200, created: false })

      const carol = await joined(origin, mesh, "carol", invite)
      const [alice] = mesh.members
      assert.ok(alice)
      const receiver = await RawClient.authenticatedV2(url, carol)
      const sender = await RawClient.authenticatedV2(url, alice)
      sender.send(sendFrame("m1", carol.keys.publicKey, "welcome", alice.keys))
      assert.strictEqual(unseal(await receiver.take("push"), carol.keys), "welcome")
      await Promise.all([receiver.close(), sender.close()])
      assert.deepStrictEqual(await membersSeenBy(url, carol), { names: ["alice", "carol"], revocations: 0 })

      const { invites } = await answer(listInvites(origin, mesh.meshId, mesh.owner))
      const states = (invites as ReadonlyArray<Readonly<Record<string, unknown>>>).map(({ state, used }) => [
        state,
        used,
      ])
      assert.sameDeepMembers(states, [
        ["used_up", 1],
        ["open", 1],
      ])
      assert.deepInclude(invites as ReadonlyArray<unknown>, { invite: invite.body, used: 1, state: "open" })
    }),
  )

  it.live("is no use twice for one person: the same join again gives the same answer", () =>
    withBroker(async ({ origin }) => {
      const mesh = await makeMesh(origin)
      const invite = await anInvite(origin, mesh)
      const carol = newPerson(mesh.meshId, "carol")
      const certificate = certificateOf(carol, invite)
      const send = () => answer(post(origin, "/join", mesh.meshId, { certificate }, carol.keys))
      assert.deepStrictEqual(await send(), { status: 201, memberId: carol.memberId, created: true })
      assert.deepStrictEqual(await send(), { status: 200, memberId: carol.memberId, created: false })
      const dave = newPerson(mesh.meshId, "dave")
      assert.deepStrictEqual(await refusalOf(join(origin, dave, invite)), [410, "used_up"])
    }),
  )

  it.live("that is expired, revoked, unknown or another mesh's lets nobody in", () =>
    withBroker(async ({ origin }) => {
      const mesh = await makeMesh(origin)
      const { meshId, owner } = mesh
      const dave = newPerson(meshId, "dave")
      const soon = await anInvite(origin, mesh, { expiresAt: new Date(Date.now() + 300).toISOString() })
      await Bun.sleep(350)
      assert.deepStrictEqual(await refusalOf(join(origin, dave, soon)), [410, "expired"])

      const stopped = await anInvite(origin, mesh)
      const first = newRevocation(meshId, stopped.body.publicKey, owner)
      assert.deepStrictEqual(await answer(revoke(origin, first, owner)), { status: 201, version: 1 })
      assert.deepStrictEqual(await refusalOf(join(origin, dave, stopped)), [410, "revoked"])

      assert.deepStrictEqual(await refusalOf(join(origin, dave, newInvite(mesh))), [404, "unknown_mesh"])
      const other = await makeMesh(origin)
      const theirs = await anInvite(origin, other)
      assert.deepStrictEqual(await refusalOf(join(origin, dave, theirs)), [404, "unknown_mesh"])
      const missing = newPerson("no-such-mesh", "dave")
      assert.deepStrictEqual(await refusalOf(join(origin, missing, theirs)), [404, "unknown_mesh"])
    }),
  )

  it.live("is taken from the owner and admins only, and asked for by them only", () =>
    withBroker(async ({ origin }) => {
      const mesh = await makeMesh(origin)
      const { meshId, owner } = mesh
      const [alice] = mesh.members
      assert.ok(alice)
      const byMember = newInvite(mesh, {}, alice.keys)
      assert.deepStrictEqual(await refusalOf(addInvite(origin, meshId, byMember, alice.keys)), [400, "bad_invite"])
      assert.deepStrictEqual(await refusalOf(addInvite(origin, meshId, newInvite(mesh), alice.keys)), [
        403,
        "forbidden",
      ])
      assert.deepStrictEqual(await refusalOf(listInvites(origin, meshId, alice.keys)), [403, "forbidden"])
      assert.deepStrictEqual(await refusalOf(listInvites(origin, meshId, newKeys())), [404, "unknown_mesh"])

      const admin = await joined(origin, mesh, "boss", await anInvite(origin, mesh, { role: "admin" }))
      const byAdmin = newInvite(mesh, {}, admin.keys)
      assert.deepInclude(await answer(addInvite(origin, meshId, byAdmin, admin.keys)), { status: 201 })
      await joined(origin, mesh, "carol", byAdmin)
      assert.deepInclude(await answer(listInvites(origin, meshId, admin.keys)), { status: 200 })
      const anAdmin = newInvite(mesh, { role: "admin" }, admin.keys)
      assert.deepStrictEqual(await refusalOf(addInvite(origin, meshId, anAdmin, admin.keys)), [400, "bad_invite"])
      const forged = { ...newInvite(mesh), body: { ...newInvite(mesh).body, uses: 1_000 } }
      assert.deepStrictEqual(await refusalOf(addInvite(origin, meshId, forged, owner)), [400, "bad_invite"])
    }),
  )
})

describe("a certificate", () => {
  it.live("that says something else than the invite's key signed, or is somebody else's, lets nobody in", () =>
    withBroker(async ({ origin }) => {
      const mesh = await makeMesh(origin)
      const { meshId } = mesh
      const invite = await anInvite(origin, mesh, { uses: 5 })
      const carol = newPerson(meshId, "carol")
      const certificate = certificateOf(carol, invite)
      const send = (changed: object, signer: Keys = carol.keys) =>
        refusalOf(post(origin, "/join", meshId, { certificate: changed }, signer))
      for (const changes of [
        { displayName: "dave" },
        { memberId: "other" },
        { allowV1: false },
        { joinedAt: new Date(Date.now() + 1).toISOString() },
        { signature: "0".repeat(128) },
      ]) {
        assert.deepStrictEqual(await send({ ...certificate, ...changes }), [400, "bad_certificate"])
      }
      assert.deepStrictEqual(await send(certificate, newKeys()), [403, "forbidden"])
      const byStranger = certificateOf(carol, invite, {}, newKeys())
      assert.deepStrictEqual(await send(byStranger), [400, "bad_certificate"])
      const old = certificateOf(carol, invite, { joinedAt: "2020-01-01T00:00:00.000Z" })
      assert.deepStrictEqual(await send(old), [400, "bad_certificate"])
      const taken = certificateOf({ ...carol, memberId: mesh.member("bob").memberId }, invite)
      assert.deepStrictEqual(await send(taken), [409, "conflict"])
      assert.deepInclude(await answer(post(origin, "/join", meshId, { certificate }, carol.keys)), { status: 201 })
    }),
  )
})

/** Fifty people, one use: exactly one is let in, and everybody else is told why. */
const raceOfFifty = async ({ origin, url }: TestBroker) => {
  const mesh = await makeMesh(origin, ["alice"])
  const invite = await anInvite(origin, mesh)
  const people = Array.from({ length: 50 }, (_, number) => newPerson(mesh.meshId, `racer ${number}`))
  const answers = await Promise.all(people.map((person) => answer(join(origin, person, invite))))
  const won = answers.filter(({ status }) => status === 201)
  assert.lengthOf(won, 1)
  assert.lengthOf(
    answers.filter(({ error, status }) => status === 410 && error === "used_up"),
    49,
  )
  const winner = people.find(({ memberId }) => memberId === won[0]?.["memberId"])
  assert.deepStrictEqual((await membersSeenBy(url, mesh.member("alice"))).names, ["alice", winner?.name])
}

describe("fifty who join by one use", () => {
  it.live("are one on SQLite, and the others are told that it is used up", () => withBroker(raceOfFifty))
})

layer(Postgres.layer, { excludeTestServices: true, timeout: "60 seconds" })(
  "fifty who join by one use, on Postgres",
  (it) => {
    it.effect("are one, and the others are told that it is used up", () =>
      Effect.gen(function* () {
        const url = yield* (yield* Postgres).freshDatabase
        const broker = yield* startBroker({ environment: { DATABASE_URL: url, BROKER_HOST: "127.0.0.1" } })
        yield* Effect.promise(() => raceOfFifty(broker))
      }).pipe(Effect.scoped),
    )
  },
)

describe("a revoked member", () => {
  it.live(
    "loses its sockets with 4002 at once and is not let in again, by no version and in no life of the broker",
    () =>
      Effect.gen(function* () {
        const live = yield* lives
        let world: { readonly mesh: TestMesh; readonly carol: Person } | undefined
        yield* live(async ({ origin, url }) => {
          const mesh = await makeMesh(origin, ["alice"])
          const carol = await joined(origin, mesh, "carol")
          const [one, two] = await Promise.all([
            RawClient.authenticatedV2(url, carol),
            RawClient.authenticatedV2(url, carol),
          ])
          const first = await RawClient.authenticatedV1(url, carol)
          const alice = await RawClient.authenticatedV2(url, mesh.member("alice"))
          one.send(sendFrame("m1", mesh.member("alice").keys.publicKey, "before", carol.keys))
          const push = await alice.take("push")
          assert.strictEqual(unseal(push, mesh.member("alice").keys), "before")

          const revocation = newRevocation(mesh.meshId, carol.keys.publicKey, mesh.owner)
          assert.deepStrictEqual(await answer(revoke(origin, revocation, mesh.owner)), { status: 201, version: 1 })
          assert.deepStrictEqual(
            (await Promise.all([one.closed, two.closed, first.closed])).map(({ code }) => code),
            [4002, 4002, 4002],
          )
          assert.deepInclude(await alice.take("trust_changed"), { version: 1 })
          alice.send(sendFrame("m2", carol.keys.publicKey, "after", mesh.member("alice").keys))
          assert.deepInclude(await alice.take("error"), { id: "m2", code: "unknown_target" })
          await alice.close()
          const seen = { names: ["alice"], revocations: 1 }
          assert.deepStrictEqual(await membersSeenBy(url, mesh.member("alice")), seen)
          world = { mesh, carol }
          await notLetIn(url, carol)
          const back = join(origin, carol, await anInvite(origin, mesh))
          assert.deepStrictEqual(await refusalOf(back), [410, "revoked"])
        })
        yield* live(async ({ origin, url }) => {
          assert.ok(world)
          const { carol, mesh } = world
          await notLetIn(url, carol)
          const seen = { names: ["alice"], revocations: 1 }
          assert.deepStrictEqual(await membersSeenBy(url, mesh.member("alice")), seen)
          const back = join(origin, carol, await anInvite(origin, mesh))
          assert.deepStrictEqual(await refusalOf(back), [410, "revoked"])
        })
      }).pipe(Effect.scoped),
  )

  it.live("is put out by the owner, by an admin, or by itself, and by nobody else", () =>
    withBroker(async ({ origin, url }) => {
      const mesh = await makeMesh(origin, ["alice", "bob", "carol"])
      const { meshId, owner } = mesh
      const [alice, bob, carol] = ["alice", "bob", "carol"].map((name) => mesh.member(name))
      assert.ok(alice && bob && carol)
      const admin = await joined(origin, mesh, "boss", await anInvite(origin, mesh, { role: "admin" }))
      const byMember = newRevocation(meshId, bob.keys.publicKey, alice.keys)
      assert.deepStrictEqual(await refusalOf(revoke(origin, byMember, alice.keys)), [403, "forbidden"])
      const byOwner = newRevocation(meshId, bob.keys.publicKey, owner)
      assert.deepStrictEqual(await refusalOf(revoke(origin, byOwner, newKeys())), [404, "unknown_mesh"])
      const theOwner = newRevocation(meshId, owner.publicKey, admin.keys)
      assert.deepStrictEqual(await refusalOf(revoke(origin, theOwner, admin.keys)), [403, "forbidden"])

      // It proves itself, so a member may bring it: a broker that lost it gets it again.
      assert.deepStrictEqual(await answer(revoke(origin, byOwner, alice.keys)), { status: 201, version: 1 })
      assert.deepStrictEqual(await answer(revoke(origin, byOwner, owner)), { status: 201, version: 1 })
      const fork = newRevocation(meshId, carol.keys.publicKey, owner)
      assert.deepStrictEqual(await refusalOf(revoke(origin, fork, owner)), [409, "conflict"])
      const second = newRevocation(meshId, carol.keys.publicKey, admin.keys, byOwner)
      assert.deepStrictEqual(await answer(revoke(origin, second, admin.keys)), { status: 201, version: 2 })
      const leaves = newRevocation(meshId, alice.keys.publicKey, alice.keys, second)
      assert.deepStrictEqual(await answer(revoke(origin, leaves, alice.keys)), { status: 201, version: 3 })
      assert.deepStrictEqual(await membersSeenBy(url, admin), { names: ["boss"], revocations: 3 })
    }),
  )
})

const notLetIn = async (url: string, person: Person) => {
  const v2 = await RawClient.open(url)
  const refused = await helloRefused(v2, await v2.helloV2(person))
  assert.deepInclude(refused, { error: "revoked", code: 4002 })
  const v1 = await RawClient.open(url)
  const asBefore = await helloRefused(v1, v1.helloV1(person))
  assert.deepInclude(asBefore, { code: 1008, reason: "unauthorized" })
}

describe("a request", () => {
  const world = async (origin: string) => {
    const mesh = await makeMesh(origin)
    const facts = factsOf(origin, "GET", "/invites", mesh.meshId)
    const send = (header: string) =>
      answer(sendRequest(origin, facts, header === "" ? {} : { "claudemesh-signature": header }))
    const signed = (changes: Partial<Facts>, keys = mesh.owner) => signatureOver({ ...facts, ...changes }, keys)
    return { mesh, facts, send, signed }
  }

  it.live("without a proof that is made for it alone is refused", () =>
    withBroker(async ({ origin }) => {
      const { facts, send, signed } = await world(origin)
      assert.deepInclude(await send(""), { status: 401, error: "unsigned" })
      assert.deepInclude(await send("mesh=m1 key=k"), { status: 401, error: "unsigned" })
      const cases: ReadonlyArray<Partial<Facts>> = [
        { audience: "wss://elsewhere.example.com" },
        { audience: facts.audience.replace("127.0.0.1", "127.0.0.2") },
        { method: "POST" },
        { path: "/join" },
        { path: "/invites?all" },
        { body: "{}" },
      ]
      for (const changes of cases) {
        assert.deepInclude(
          await send(signed(changes)),
          { status: 401, error: "bad_signature" },
          JSON.stringify(changes),
        )
      }
      const otherMesh = signed({}).replace(/^mesh=\S+/, "mesh=other")
      assert.deepInclude(await send(otherMesh), { status: 401, error: "bad_signature" })
      for (const time of [facts.time - 61_000, facts.time + 62_000]) {
        assert.deepInclude(await send(signed({ time })), { status: 401, error: "stale" })
      }
      const asksMore = sendRequest(origin, { ...facts, path: "/invites?all" }, { "claudemesh-signature": signed({}) })
      assert.deepStrictEqual(await refusalOf(asksMore), [401, "bad_signature"])
      assert.deepInclude(await send(signed({})), { status: 200 })
    }),
  )

  it.live("is taken once, and signed for the origin that was dialled, whichever of the broker's it is", () =>
    withBroker(async ({ origin }) => {
      const { facts, send, signed } = await world(origin)
      const header = signed({})
      assert.deepInclude(await send(header), { status: 200 })
      assert.deepInclude(await send(header), { status: 401, error: "replayed" })
      const byName = { audience: facts.audience.replace("127.0.0.1", "localhost"), nonce: "f".repeat(32) }
      assert.deepInclude(await send(signed(byName)), { status: 200 })
    }),
  )

  it.live("whose body names another mesh than it was signed for is refused", () =>
    withBroker(async ({ origin }) => {
      const [mine, theirs] = [await makeMesh(origin), await makeMesh(origin)]
      const invite = newInvite(theirs)
      const crossed = post(origin, "/invites", mine.meshId, invite.body, theirs.owner)
      assert.deepStrictEqual(await refusalOf(crossed), [400, "malformed"])
      const revocation = newRevocation(theirs.meshId, theirs.member("bob").keys.publicKey, theirs.owner)
      const other = post(origin, "/revocations", mine.meshId, revocation.body, theirs.owner)
      assert.deepStrictEqual(await refusalOf(other), [400, "malformed"])
    }),
  )

  it.live("that was used before a restart is stale after it", () =>
    Effect.gen(function* () {
      const live = yield* lives
      let again: (() => Promise<Answer>) | undefined
      yield* live(async ({ origin }) => {
        const { send, signed } = await world(origin)
        const header = signed({})
        again = () => send(header)
        assert.deepInclude(await again(), { status: 200 })
      })
      yield* live(async () => {
        assert.deepInclude(await again?.(), { status: 401, error: "stale" })
      })
    }).pipe(Effect.scoped),
  )
})
