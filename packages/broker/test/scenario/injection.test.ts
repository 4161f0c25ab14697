/**
 * Text that means something to SQL, to JSON, to a template or to a terminal, in every field that a broker stores, on both
 * databases. What is allowed comes back byte for byte in the broker's next life; what is not is refused; no row is lost.
 */
import { assert, describe, it, layer } from "@effect/vitest"
import { Effect } from "effect"
import { answerOf, rowsIn, unhurried } from "../support/Attacks.ts"
import {
  addInvite,
  certificateOf,
  join,
  type Json,
  listInvites,
  makeMesh,
  meshRequest,
  newInvite,
  newPerson,
  type Person,
  postMesh,
  type TestInvite,
} from "../support/Meshes.ts"
import { Postgres } from "../support/Postgres.ts"
import { type Frame, type Keys, newKeys, RawClient, sendFrame } from "../support/RawClient.ts"
import { startBroker, temporaryFolder, type TestBroker } from "../support/TestBroker.ts"

/** Each fits a display name, which is the freest text that is stored. */
const injections = [
  "'; DROP TABLE mesh.member; --",
  "'); DELETE FROM mesh.mesh WHERE ('1'='1",
  `" OR "1"="1`,
  "' UNION SELECT public_key FROM mesh.member --",
  "\\'; DROP TABLE message; --",
  `"},{"mesh_id":"x"}]`,
  "\\u0027 OR 1=1",
  "\\u0000",
  "$1 $2 ?1 :name @x",
  "`id`; $(reboot)",
  "%s %n %00 {{7*7}} ${7*7}",
  "<script>alert(1)</script>",
  "null",
  "NaN",
  "1e400",
  "-0",
  "[]",
  "a\\",
  "e\u0301 is not \u00e9",
  "\uffff\u{10ffff}",
  "=cmd|'/c calc'!A1",
]

/** Of these, and some like them, what a member may be called. */
const memberNames = [
  "Robert'); DROP TABLE mesh.member;--",
  `" OR "1"="1`,
  "\\u0027 OR 1=1",
  "$1 $2 ?1",
  "`id`; $(reboot)",
  "%s %n %00 {{7*7}}",
  "null",
  "NaN",
  "1e400",
  `["a"]`,
  "a\\",
]

/** What an id, a session or a message may be called, and a database might take for another thing. */
const oddIds = ["null", "NaN", "--", "0x1F", "1e5", "-1", "007", "true"]
const oddSessions = [...oddIds, ":p1", "1.0", "..", "DROP:TABLE"]
const oddChannels = ["null", "nan", "0x1f", "1e5", "007", "true", "1.0", "drop-table"]
const ciphertexts = ["AAAA", "++++", "////", "AA==", "AAA=", "bnVsbA=="]

type Live = (scenario: (broker: TestBroker) => Promise<void>) => Effect.Effect<void, unknown>

/** One broker after another on the same data. */
const livesOn =
  (environment: Readonly<Record<string, string>>): Live =>
  (scenario) =>
    Effect.scoped(
      Effect.flatMap(startBroker({ environment, limits: unhurried }), (broker) =>
        Effect.promise(() => scenario(broker)),
      ),
    )

interface Made {
  readonly meshId: string
  readonly owner: Keys
  readonly name: string
  readonly invites: ReadonlyArray<TestInvite>
  readonly people: ReadonlyArray<Person>
  readonly certificates: ReadonlyArray<Json>
}

const named = async ({ origin }: TestBroker, name: string, meshId: string): Promise<Made> => {
  const { body, founding, owner, people } = meshRequest(memberNames, { name, meshId }, { meshName: name, label: name })
  const members = people.map((person, number) =>
    certificateOf({ ...person, memberId: oddIds[number] ?? person.memberId }, founding),
  )
  assert.deepInclude(await answerOf(await postMesh(origin, { ...body, members }, owner)), { status: 201 }, name)
  const later = newInvite(
    { meshId, owner },
    { meshName: name, label: name, brokerUrl: "ws://x/');DROP/**/TABLE/**/mesh.mesh;--\"\\" },
  )
  assert.strictEqual((await addInvite(origin, meshId, later, owner)).status, 201, name)
  const found = people.map((person, number) => ({ ...person, memberId: oddIds[number] ?? person.memberId }))
  return { meshId, owner, name, invites: [founding, later], people: found, certificates: members }
}

const asked = async (client: RawClient, frame: object, answer: string): Promise<Frame> => {
  client.send({ id: "ask", ...frame })
  return client.take(answer)
}

/** Everything of the mesh as the broker tells it. */
const readBack = async ({ origin, url }: TestBroker, made: Made) => {
  const [someone] = made.people
  assert.ok(someone)
  const { invites } = await answerOf(await listInvites(origin, made.meshId, made.owner))
  const client = await RawClient.open(url)
  client.send(await client.helloV2(someone, { maxInFlight: 0 }))
  const ack = await client.take("hello_ack")
  const { members } = await asked(client, { type: "list_members" }, "members")
  const keys = made.people.map(({ keys }) => keys.publicKey)
  const { certificates } = await asked(client, { type: "get_trust", keys, after: 0 }, "trust")
  await client.close()
  return {
    own: ack["memberDisplayName"],
    invites: (invites as ReadonlyArray<Json>).map(({ invite }) => invite),
    members: (members as ReadonlyArray<Json>).map(({ displayName, memberId }) => [displayName, memberId]),
    certificates,
  }
}

const storedTexts = (live: Live) =>
  Effect.gen(function* () {
    const meshes: Array<Made> = []
    const check = async (broker: TestBroker) => {
      for (const made of meshes) {
        const read = await readBack(broker, made)
        assert.strictEqual(read.own, made.people[0]?.name)
        assert.sameDeepMembers(
          read.invites,
          made.invites.map(({ body }) => body),
          made.name,
        )
        assert.sameDeepMembers(
          read.members,
          made.people.map(({ memberId, name }) => [name, memberId]),
        )
        assert.sameDeepMembers(read.certificates as Array<unknown>, [...made.certificates], made.name)
      }
    }
    yield* live(async (broker) => {
      for (const [number, text] of injections.entries()) {
        meshes.push(await named(broker, text, oddIds[number] ?? `mesh-${number}`))
      }
      await check(broker)
    })
    yield* live(check)
  })

const storedMessages = (live: Live) =>
  Effect.gen(function* () {
    let people: ReadonlyArray<Person> = []
    const sent = new Map<unknown, object>()
    yield* live(async ({ origin, url }) => {
      people = (await makeMesh(origin, ["alice", "bob"])).members
      const [alice, bob] = people
      assert.ok(alice && bob)
      const reader = await RawClient.authenticatedV2(url, bob, { sessionId: "--" })
      for (const channel of oddChannels) await asked(reader, { type: "join_channel", channel }, "ok")
      await reader.close()
      const { nonce } = sendFrame("x", bob.keys.publicKey, "x", alice.keys) as unknown as Json
      // A session has to have been there before it can be written to.
      for (const sessionId of oddSessions) await (await RawClient.authenticatedV2(url, bob, { sessionId })).close()
      for (const [number, session] of oddSessions.entries()) {
        const writer = await RawClient.authenticatedV2(url, alice, { sessionId: session })
        const targetSpec = `${bob.keys.publicKey}/${session}`
        const ciphertext = ciphertexts[number % ciphertexts.length]
        const content = {
          targetSpec,
          priority: "now",
          nonce,
          ciphertext,
          replyTo: "0".repeat(31) + number.toString(16),
        }
        writer.send({ type: "send", id: session, ...content })
        const { messageId } = await writer.take("ack")
        sent.set(messageId, { ...content, messageId, senderSessionId: session, senderName: "alice" })
        await writer.close()
      }
    })
    yield* live(async ({ url }) => {
      const [alice, bob] = people
      assert.ok(alice && bob)
      const readers: Array<RawClient> = []
      for (const sessionId of oddSessions) readers.push(await RawClient.authenticatedV2(url, bob, { sessionId }))
      const [first, , dashes] = readers
      assert.ok(first && dashes)
      const arrived = () => readers.flatMap(({ frames }) => frames.filter(({ type }) => type === "push"))
      const deadline = performance.now() + 5_000
      while (arrived().length < sent.size && performance.now() < deadline) await Bun.sleep(5)
      assert.lengthOf(arrived(), oddSessions.length)
      for (const push of arrived()) assert.deepInclude(push, sent.get(push["messageId"]) ?? { none: push })
      const { channels } = await asked(dashes, { type: "list_channels" }, "channels")
      const joined = (channels as ReadonlyArray<Json>).filter((one) => one["joined"] === true)
      assert.sameMembers(
        joined.map(({ channel }) => channel),
        oddChannels,
      )
      await Promise.all(readers.map((reader) => reader.close()))
    })
  })

/** The fields that hold no such text: every injection in every one of them is refused. `rows` counts what is stored. */
const refusedTexts = (live: Live, rows: (broker: TestBroker) => Promise<unknown>) =>
  live(async (broker) => {
    const { origin, url } = broker
    const mesh = await makeMesh(origin, ["alice", "bob"])
    const door = newInvite(mesh, { uses: 1_000 })
    await addInvite(origin, mesh.meshId, door, mesh.owner)
    const [alice, bob] = mesh.members
    assert.ok(alice && bob)
    const client = await RawClient.authenticatedV2(url, alice, { maxInFlight: 0 })
    const good = sendFrame("m1", bob.keys.publicKey, "x", alice.keys)
    const before = await rows(broker)
    for (const text of injections) {
      // What is as good an id as any.
      if (/^[\w-]+$/.test(text)) continue
      const frames: ReadonlyArray<readonly [object, string]> = [
        [{ ...good, id: text }, "malformed"],
        [{ ...good, targetSpec: text }, "bad_target"],
        [{ ...good, targetSpec: `#${text}` }, "bad_target"],
        [{ ...good, targetSpec: `tag:${text}` }, "bad_target"],
        [{ ...good, targetSpec: `${bob.keys.publicKey}/${text}` }, "bad_target"],
        [{ ...good, ciphertext: text }, "malformed"],
        // An empty one stands for a text that is erased: it would be acked and never delivered (I7).
        [{ ...good, ciphertext: "" }, "malformed"],
        [{ ...good, nonce: text }, "malformed"],
        [{ ...good, priority: text }, "malformed"],
        [{ ...good, replyTo: text }, "malformed"],
        [{ type: "join_channel", id: "c1", channel: text }, "malformed"],
        [{ type: "leave_channel", id: "c1", channel: text }, "malformed"],
        [{ type: "message_status", id: "c1", messageId: text }, "malformed"],
        [{ type: "client_ack", messageIds: [text] }, "malformed"],
        [{ type: "set_status", id: "c1", status: text }, "malformed"],
      ]
      for (const [frame, code] of frames) {
        client.send(frame)
        assert.strictEqual((await client.take("error"))["code"], code, JSON.stringify(frame))
      }
      for (const field of ["sessionId", "memberId", "meshId", "tags"]) {
        const stranger = await RawClient.open(url)
        const hello = await stranger.helloV2(alice)
        stranger.send({ ...hello, [field]: field === "tags" ? [text] : text })
        assert.strictEqual((await stranger.take("error"))["code"], "malformed", `${field} ${text}`)
        await stranger.closed
      }
      for (const field of ["slug", "meshId"]) {
        // The mesh stands in a header, which is no place for such letters.
        if (field === "meshId" && /[^ -~]/.test(text)) continue
        const { body, owner } = meshRequest(["carol"], { [field]: text }, { [field]: text })
        const refused = await answerOf(await postMesh(origin, body, owner))
        assert.oneOf(refused["error"], ["malformed", "unsigned"], `${field} ${text}`)
      }
      for (const field of ["slug", "role", "expiresAt", "brokerUrl"]) {
        const invite = newInvite(mesh, { [field]: text })
        const refused = await answerOf(await addInvite(origin, mesh.meshId, invite, mesh.owner))
        assert.deepInclude(refused, { status: 400, error: "malformed" }, `${field} ${text}`)
      }
      for (const field of ["memberId", "joinedAt"]) {
        const refused = await answerOf(await join(origin, newPerson(mesh.meshId, "dave"), door, { [field]: text }))
        assert.deepInclude(refused, { status: 400, error: "malformed" }, `${field} ${text}`)
      }
    }
    await client.close()
    assert.deepStrictEqual(await rows(broker), before)
  })

/** Names that look like another, or read as a key or a target: they may name a mesh, which nobody is picked by. */
const notForMembers: Readonly<Record<string, string>> = {
  "a Cyrillic letter among Latin ones": "\u0430lice",
  "a Greek letter among Latin ones": "\u03bfwner",
  "full-width letters": "\uff41lice",
  "a ligature": "\ufb01nn",
  "mathematical letters": "\u{1d41a}lice",
  "a decomposed letter": "e\u0301va",
  "a Hangul filler": "\u3164",
  "a blank Braille cell": "al\u2800ice",
  "a variation selector": "alice\ufe0f",
  "a private character": "alice\ue000",
  "stacked marks": `a${"\u0300".repeat(8)}`,
  "two spaces": "al  ice",
  "a no-break space": "al\u00a0ice",
  "a key": "0123456789abcdef",
  "a target": "#alice",
  "a slash": "alice/laptop",
}

/** Names that turn the text around them, say something to a terminal, or are none. */
const unprintable: Readonly<Record<string, string>> = {
  "a right-to-left override": "bob\u202egpj.exe",
  "a right-to-left mark": "bob\u200f",
  "a direction isolate": "\u2066bob\u2069",
  "a zero-width space": "al\u200bice",
  "a zero-width joiner": "al\u200dice",
  "a byte order mark": "\ufeffalice",
  "a soft hyphen": "al\u00adice",
  "tag characters": "alice\u{e0041}",
  "a NUL": "alice\u0000",
  "a newline": "alice\nowner",
  "a carriage return": "alice\rowner",
  "a line separator": "alice\u2028",
  "a paragraph separator": "alice\u2029",
  "a backspace": "alice\b\b",
  "a terminal's escape": "\u001b[31malice",
  "a terminal's escape in one byte": "\u009b31malice",
  "a bell": "alice\u0007",
  "a lone surrogate": "alice\ud800",
  "a space at the end": "alice ",
  nothing: "",
  "65 letters": "a".repeat(65),
}

describe("a name", () => {
  for (const [what, name] of Object.entries({ ...notForMembers, ...unprintable })) {
    it.live(`with ${what} makes no member, by joining or with a new mesh`, () =>
      Effect.scoped(
        Effect.gen(function* () {
          const broker = yield* startBroker()
          yield* Effect.promise(async () => {
            const { origin } = broker
            const mesh = await makeMesh(origin, ["alice"])
            const door = newInvite(mesh)
            await addInvite(origin, mesh.meshId, door, mesh.owner)
            const joined = await answerOf(await join(origin, newPerson(mesh.meshId, name), door))
            assert.deepInclude(joined, { status: 400, error: "malformed" })
            const { body, owner } = meshRequest([name])
            assert.deepInclude(await answerOf(await postMesh(origin, body, owner)), { status: 400, error: "malformed" })

            const titled = meshRequest(["bob"], { name }, { meshName: name, label: name })
            const made = await answerOf(await postMesh(origin, titled.body, titled.owner))
            const labelled = newInvite(mesh, { label: name })
            const added = await answerOf(await addInvite(origin, mesh.meshId, labelled, mesh.owner))
            const statuses = what in notForMembers ? [201, 201] : [400, 400]
            assert.deepStrictEqual([made.status, added.status], statuses)

            const first = await RawClient.open(broker.url)
            const hello = await first.helloV2(mesh.member("alice"))
            first.send({ ...hello, displayName: name })
            const answer = what in notForMembers ? await first.take("hello_ack") : await first.take("error")
            // A session's own label: it never stands where a member's name does.
            if (answer.type === "hello_ack") assert.strictEqual(answer["memberDisplayName"], "alice")
            else assert.strictEqual(answer["code"], "malformed")
            await first.close()
          })
        }),
      ),
    )
  }
})

describe("text that means something to a database, on SQLite", () => {
  const onSqlite = <A>(scenario: (live: Live, dataDir: string) => Effect.Effect<A, unknown>) =>
    Effect.scoped(
      Effect.flatMap(temporaryFolder, (dataDir) => scenario(livesOn({ BROKER_DATA_DIR: dataDir }), dataDir)),
    )

  it.live("comes back byte for byte as a name, label, URL or id, also after a restart", () => onSqlite(storedTexts))

  it.live("comes back byte for byte in messages, sessions and channels, also after a restart", () =>
    onSqlite(storedMessages),
  )

  it.live("is refused in every field that is no free text, and no row is lost or made", () =>
    onSqlite((live, dataDir) => refusedTexts(live, () => Promise.resolve(rowsIn(dataDir)))),
  )
})

layer(Postgres.layer, { excludeTestServices: true, timeout: "60 seconds" })(
  "text that means something to a database, on Postgres",
  (it) => {
    const onPostgres = <A>(scenario: (live: Live, url: string) => Effect.Effect<A, unknown>) =>
      Effect.gen(function* () {
        const url = yield* (yield* Postgres).freshDatabase
        return yield* scenario(livesOn({ DATABASE_URL: url, BROKER_HOST: "127.0.0.1" }), url)
      })

    it.effect("comes back byte for byte as a name, label, URL or id, also after a restart", () =>
      onPostgres(storedTexts),
    )

    it.effect("comes back byte for byte in messages, sessions and channels, also after a restart", () =>
      onPostgres(storedMessages),
    )

    it.effect("is refused in every field that is no free text, and no row is lost or made", () =>
      onPostgres((live, url) =>
        refusedTexts(live, async () => {
          const sql = new Bun.SQL(url)
          const tables = ["mesh", "member", "invite", "revocation", "message", "delivery", "audit_log"]
          const rows = []
          for (const table of tables) rows.push([...(await sql.unsafe(`SELECT * FROM mesh.${table}`))])
          await sql.close()
          return rows
        }),
      ),
    )
  },
)

describe("an invite's secret", () => {
  it.live("that is sent to the broker by mistake is not stored", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const broker = yield* startBroker()
        yield* Effect.promise(async () => {
          const mesh = await makeMesh(broker.origin, ["alice"])
          const invite = newInvite(mesh)
          const secret = Buffer.from(newKeys().secretKey).toString("hex")
          const body = { ...invite.body, secretKey: secret, secret }
          const added = await addInvite(broker.origin, mesh.meshId, { ...invite, body }, mesh.owner)
          assert.strictEqual(added.status, 201)
          assert.notInclude(JSON.stringify(rowsIn(broker.dataDir)), secret)
        })
      }),
    ),
  )
})
