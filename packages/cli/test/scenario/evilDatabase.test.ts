/**
 * A database administrator who is nobody's friend: the broker is stopped, rows are changed by hand, and it is started
 * again. Real homes and real commands then show nothing false as proved, seal nothing to an invented key, and say what
 * is wrong.
 */
import { Database } from "bun:sqlite"
import { randomBytes } from "node:crypto"
import { mkdtempSync } from "node:fs"
import { chmod, cp, readFile, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { addInvite, newInvite } from "../../../broker/test/support/Meshes.ts"
import { type Keys, newKeys, RawClient, sendFrame } from "../../../broker/test/support/RawClient.ts"
import { restartableBroker, temporaryFolder, type TestBroker } from "../../../broker/test/support/TestBroker.ts"
import { claudemesh, complaint, done, type Ran } from "../support/Agent.ts"

type Person = (...args: ReadonlyArray<string>) => Promise<Ran>
type Row = Readonly<Record<string, unknown>>

const json = (ran: Ran): ReadonlyArray<Row> => JSON.parse(done(ran))

const jsonLines = (ran: Ran): ReadonlyArray<Row> =>
  done(ran)
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line))

/** Ann owns the mesh. Bob and Carl came by one invite. Ann has looked at who is there, Carl never has. */
interface Template {
  readonly folder: string
  readonly broker: TestBroker
  readonly ann: Person
  readonly bob: Person
  readonly carl: Person
  readonly meshId: string
  readonly key: (name: string) => string
  readonly id: (name: string) => string
  /** Changes rows while no broker runs. */
  readonly changed: (change: (database: Database) => void) => Promise<void>
  readonly rows: (query: string) => Promise<ReadonlyArray<Row>>
}

const openRows = <A>(folder: string, use: (database: Database) => A): A => {
  const database = new Database(join(folder, "data", "broker.sqlite"))
  try {
    return use(database)
  } finally {
    database.close()
  }
}

const personIn =
  (folder: string, broker: TestBroker) =>
  (name: string): Person =>
  (...args) =>
    claudemesh(args, { CLAUDEMESH_HOME: join(folder, name), CLAUDEMESH_BROKER: broker.origin })

interface Founded {
  readonly folder: string
  readonly meshId: string
  readonly members: ReadonlyArray<Row>
}

/** The template as every scenario finds it: made once by the commands, and copied. */
const makeTemplate = async (folder: string): Promise<Founded> =>
  Effect.runPromise(
    Effect.scoped(
      Effect.gen(function* () {
        const broker = yield* restartableBroker(join(folder, "data"))
        return yield* Effect.promise(async () => {
          const person = personIn(folder, broker)
          const [ann, bob, carl] = [person("ann"), person("bob"), person("carl")]
          const [made] = jsonLines(await ann("create", "team", "--as", "Ann", "--json"))
          const link = done(await ann("invite", "--uses", "2")).trim()
          done(await bob("join", link, "--as", "Bob"))
          done(await carl("join", link, "--as", "Carl"))
          const members = json(await ann("peers", "--json"))
          await broker.end()
          return { folder, meshId: String(made?.["meshId"]), members }
        })
      }),
    ),
  )

let template: { readonly folder: string; readonly founded: Promise<Founded> } | undefined
const theTemplate = (): Promise<Founded> => {
  if (template === undefined) {
    const folder = mkdtempSync(join(tmpdir(), "claudemesh-test-"))
    template = { folder, founded: makeTemplate(folder) }
  }
  return template.founded
}
afterAll(() => rm(template?.folder ?? "", { recursive: true, force: true }))

/** The broker of a copy has another port. */
const moveHome = async (folder: string, name: string, brokerUrl: string): Promise<void> => {
  const path = join(folder, name, "config.json")
  const { meshes, ...rest } = JSON.parse(await readFile(path, "utf8"))
  await writeFile(path, JSON.stringify({ ...rest, meshes: meshes.map((mesh: Row) => ({ ...mesh, brokerUrl })) }))
}

const scenario = (tell: (template: Template) => Promise<void>) =>
  Effect.scoped(
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const founded = yield* Effect.promise(async () => {
        const there = await theTemplate()
        await cp(there.folder, folder, { recursive: true })
        return there
      })
      const broker = yield* restartableBroker(join(folder, "data"))
      yield* Effect.promise(async () => {
        await Promise.all(["ann", "bob", "carl"].map((name) => moveHome(folder, name, broker.url)))
        const person = personIn(folder, broker)
        const [ann, bob, carl] = [person("ann"), person("bob"), person("carl")]
        const of = (name: string, field: string) => String(founded.members.find((one) => one.name === name)?.[field])
        const whileStopped = async <A>(use: (database: Database) => A): Promise<A> => {
          await broker.end()
          const result = openRows(folder, use)
          await broker.beginAgain()
          return result
        }
        await tell({
          folder,
          broker,
          ann,
          bob,
          carl,
          meshId: founded.meshId,
          key: (name) => of(name, "publicKey"),
          id: (name) => of(name, "memberId"),
          changed: async (change) => whileStopped(change),
          rows: (query) => whileStopped((database) => database.query<Row, []>(query).all()),
        })
      })
    }),
  )

const named = (rows: ReadonlyArray<Row>, name: string) => rows.filter((one) => one.name === name)

const newId = () => randomBytes(8).toString("hex")

/** The membership as the home has it. */
const membershipOf = async (folder: string, name: string): Promise<Row> =>
  JSON.parse(await readFile(join(folder, name, "config.json"), "utf8")).meshes[0]

describe.concurrent("a member that the database made up", () => {
  it.live("is listed as unverified, gets nothing that is sealed, and is no one's namesake", () =>
    scenario(async ({ ann, bob, broker, changed, id, key, meshId, rows }) => {
      const eve = { meshId, memberId: newId(), keys: newKeys() }
      await changed((database) =>
        // With Bob's name, and his certificate's other fields: it is as near to a proof as rows can be.
        database.run(
          `INSERT INTO member (mesh_id, id, public_key, display_name, created_at, invite, allow_v1, joined_at, signature, consent)
           SELECT mesh_id, ?, ?, display_name, created_at, invite, allow_v1, joined_at, signature, consent FROM member WHERE id = ?`,
          [eve.memberId, eve.keys.publicKey, id("Bob")],
        ),
      )
      const listed = json(await ann("peers", "--json"))
      const [real, ...namesakes] = named(listed, "Bob")
      assert.deepInclude(real, { publicKey: key("Bob"), member: "certified", role: "member" })
      assert.deepStrictEqual(namesakes, [])
      const hersListed = listed.find(({ publicKey }) => publicKey === eve.keys.publicKey)
      assert.deepInclude(hersListed, { name: null, brokerSays: "Bob", member: "uncertified", role: null })
      assert.match(String(hersListed?.["why"]), /not certified/)
      // The broker lets her in: it believes its rows. She sees sessions and sizes, and no text.
      const hers = await RawClient.authenticatedV2(broker.url, eve)
      const [sent] = jsonLines(await ann("send", "Bob", "for the real Bob", "--json"))
      assert.strictEqual(sent?.["target"], key("Bob"))
      assert.match(complaint(await ann("send", eve.keys.publicKey, "for Eve")), /not certified/)
      const [group] = jsonLines(await ann("send", "*", "for all of us", "--json"))
      assert.notInclude(JSON.stringify(group?.["recipients"]), eve.keys.publicKey)
      hers.send(sendFrame("m1", key("Ann"), "I am Bob", eve.keys))
      await hers.take("ack")
      await hers.settled()
      assert.deepStrictEqual(
        hers.frames.filter(({ type }) => type === "push"),
        [],
      )
      await hers.close()
      const [message] = jsonLines(await ann("inbox", "--json"))
      assert.deepInclude(message?.["from"], { name: null, publicKey: eve.keys.publicKey, member: "uncertified" })
      const texts = jsonLines(await bob("inbox", "--json")).map(({ text }) => text)
      assert.sameMembers(texts, ["for the real Bob", "for all of us"])
      assert.deepStrictEqual(await rows(`SELECT * FROM delivery WHERE member_id = '${eve.memberId}'`), [])
    }),
  )

  it.live("is unverified also with an invite of its own that says the owner signed it", () =>
    scenario(async ({ ann, carl, changed, meshId }) => {
      const eve = { meshId, memberId: newId(), keys: newKeys() }
      const door = newKeys().publicKey
      await changed((database) => {
        database.run(
          `INSERT INTO invite SELECT mesh_id, ?, slug, mesh_name, allow_unsealed, owner_public_key, broker_url, 'admin', uses, 0,
           expires_at, expires_millis, label, owner_public_key, signature FROM invite LIMIT 1`,
          [door],
        )
        database.run(
          `INSERT INTO member (mesh_id, id, public_key, display_name, created_at, invite, allow_v1, joined_at, signature, consent)
           SELECT mesh_id, ?, ?, 'Eve', created_at, ?, 1, joined_at, signature, consent FROM member LIMIT 1`,
          [eve.memberId, eve.keys.publicKey, door],
        )
      })
      for (const person of [ann, carl]) {
        const row = json(await person("peers", "--json")).find(({ brokerSays }) => brokerSays === "Eve")
        assert.deepInclude(row, { name: null, member: "uncertified", role: null })
        assert.match(String(row?.["why"]), /its invite was not signed by who it says/)
        assert.match(complaint(await person("send", "Eve", "hello")), /No certified member is "Eve"/)
      }
    }),
  )
})

describe.concurrent("a key that the database lists under the name of a member whom it hides", () => {
  it.live("is not what the name means, to any command, and only its whole key is that key", () =>
    scenario(async ({ ann, carl, changed, id, key, rows }) => {
      const eve = newKeys().publicKey
      await changed((database) =>
        database.run("UPDATE member SET id = ?, public_key = ? WHERE id = ?", [newId(), eve, id("Bob")]),
      )
      const listed = await ann("peers", "--json")
      assert.deepInclude(named(json(listed), "Bob")[0], { publicKey: key("Bob"), listed: false, member: "certified" })
      assert.match(listed.stderr, /the broker does not list Bob \([0-9a-f]{8}\), who is certified/)
      assert.match(listed.stderr, /the broker lists the key [0-9a-f]{8} as "Bob"; it is not certified/)
      const [compared] = jsonLines(await ann("verify", "Bob", "--json"))
      assert.strictEqual(compared?.["publicKey"], key("Bob"))
      assert.match(complaint(await ann("verify", eve)), /not certified/)
      assert.match(complaint(await ann("revoke", eve.slice(0, 12), "--yes")), /No certified member is/)
      // Carl has never seen the real one: he is told so, and no other is taken for him.
      assert.match(complaint(await carl("verify", "Bob")), /No certified member is "Bob"\. The broker lists the key/)

      assert.match(
        done(await ann("revoke", "Bob", "--yes")),
        new RegExp(`^Bob \\(${key("Bob").slice(0, 8)}\\) is out of team`),
      )
      assert.match(
        done(await ann("revoke", "Bob", "--yes")),
        /^Bob \([0-9a-f]{8}\) is out of team already: it was revoked at/,
      )
      const [other] = jsonLines(await ann("revoke", eve, "--json", "--yes"))
      assert.deepInclude(other, { name: null, publicKey: eve, certified: false, already: false })
      const subjects = (await rows("SELECT subject FROM revocation ORDER BY version")).map(({ subject }) => subject)
      assert.deepStrictEqual(subjects, [key("Bob"), eve])
    }),
  )
})

describe.concurrent("an invite's label that the database changed", () => {
  it.live("is nobody's word: the label finds the invite that was signed with it, or none", () =>
    scenario(async ({ ann, changed, folder, key, rows }) => {
      const [front] = jsonLines(await ann("invite", "--name", "front door", "--json"))
      const [back] = jsonLines(await ann("invite", "--name", "back door", "--json"))
      await changed((database) => {
        database.run("UPDATE invite SET label = 'front door' WHERE public_key = ?", [String(back?.["invite"])])
        database.run("DELETE FROM invite WHERE public_key = ?", [String(front?.["invite"])])
      })
      const listed = await ann("invites")
      assert.match(
        done(listed),
        /front door +member +\? of 1 +[-\d]+ [:\d]+ UTC +not listed by the broker +the owner\n/,
      )
      assert.include(listed.stderr, `an invite with the key ${String(back?.["invite"])} that is not genuine`)
      // On another machine of hers nothing is known of what she had made on this one.
      const elsewhere = join(folder, "elsewhere")
      await cp(join(folder, "ann", "config.json"), join(elsewhere, "config.json"))
      await chmod(elsewhere, 0o700)
      const refused = await claudemesh(["revoke-invite", "front door"], { CLAUDEMESH_HOME: elsewhere })
      assert.match(complaint(refused), /There is no invite "front door"\. Invites: .*for 2 members/)
      assert.match(complaint(await ann("revoke-invite", key("Bob"))), /the key of the member Bob, and not of an invite/)

      assert.match(done(await ann("revoke-invite", "front door")), /^Invite "?front door"? .* is revoked: nobody joins/)
      assert.match(done(await ann("revoke-invite", "front door")), /is revoked already/)
      assert.match(done(await ann("revoke-invite", String(back?.["invite"]))), /^Invite .*back door/)
      const subjects = (await rows("SELECT subject FROM revocation ORDER BY version")).map(({ subject }) => subject)
      assert.deepStrictEqual(subjects, [front?.["invite"], back?.["invite"]])
    }),
  )
})

describe.concurrent("a member's row that the database changed", () => {
  it.live("with another key is refused, by who knew the old one and by who did not, and nothing is sealed to it", () =>
    scenario(async ({ ann, carl, changed, id, key, rows }) => {
      const old = key("Bob")
      const { publicKey } = newKeys()
      await changed((database) => database.run("UPDATE member SET public_key = ? WHERE id = ?", [publicKey, id("Bob")]))
      const seen = json(await ann("peers", "--json")).find((row) => row["publicKey"] === publicKey)
      assert.deepInclude(seen, { member: "uncertified", role: null })
      assert.strictEqual(seen?.["why"], `its key was ${old.slice(0, 8)} and is said to be ${publicKey.slice(0, 8)} now`)
      const fresh = json(await carl("peers", "--json")).find((row) => row["publicKey"] === publicKey)
      assert.deepInclude(fresh, { member: "uncertified", role: null })
      for (const person of [ann, carl]) {
        assert.match(complaint(await person("send", publicKey, "hello")), /is said to be|not certified/)
        await person("send", "*", "all of you")
      }
      // Ann knows whose name that is; Carl has never seen him.
      assert.match(complaint(await carl("send", "Bob", "hello")), /No certified member is "Bob"/)
      assert.match(complaint(await ann("send", "Bob", "hello")), /unknown_target/)
      assert.deepStrictEqual(await rows(`SELECT * FROM delivery WHERE member_id = '${id("Bob")}'`), [])
    }),
  )

  it.live("with another name keeps the name of its certificate, or is unverified where that is not known", () =>
    scenario(async ({ ann, carl, changed, id, key }) => {
      await changed((database) => database.run("UPDATE member SET display_name = 'Ann' WHERE id = ?", [id("Bob")]))
      const rowOf = async (person: Person) =>
        json(await person("peers", "--json")).find((row) => row["publicKey"] === key("Bob"))
      assert.deepInclude(await rowOf(ann), { name: "Bob", member: "certified", role: "member" })
      assert.deepInclude(await rowOf(carl), { member: "uncertified", role: null })
      // Her name is hers: it leads to the one who is proved to have it.
      const [sent] = jsonLines(await carl("send", "Ann", "for Ann", "--json"))
      assert.strictEqual(sent?.["target"], key("Ann"))
    }),
  )

  it.live("whose invite was raised to admin is no admin to anybody, and can invite nobody", () =>
    scenario(async ({ ann, bob, broker, carl, changed, folder, key, meshId }) => {
      await changed((database) => database.run("UPDATE invite SET role = 'admin' WHERE role = 'member'"))
      for (const person of [ann, carl]) {
        const row = json(await person("peers", "--json")).find(({ publicKey }) => publicKey === key("Bob"))
        assert.oneOf(row?.["role"], ["member", null])
      }
      assert.match(complaint(await bob("invite")), /only the owner of team and its admins/)
      // By hand, past his own command: his signed certificate is still a member's.
      const { ownerPublicKey, pubkey, secretKey } = await membershipOf(folder, "bob")
      const keys: Keys = { publicKey: String(pubkey), secretKey: Buffer.from(String(secretKey), "hex") }
      const owner: Keys = { publicKey: String(ownerPublicKey), secretKey: new Uint8Array() }
      const invite = newInvite({ meshId, owner }, { slug: "team", meshName: "team", brokerUrl: broker.url }, keys)
      const refused = await addInvite(broker.origin, meshId, invite, keys)
      assert.strictEqual(refused.status, 400)
      assert.deepInclude(await refused.json(), { error: "bad_invite" })
    }),
  )
})

/** As `Layout.ts` of the embedded store has it: the lower bits of a key are a sequence number, with a priority and an address above. */
const seqMask = (1n << 36n) - 1n
const belowAddress = (1n << 38n) - 1n
/** The rows of what waits of a message, and its number: one mesh is in the file. */
const ofWaiting = (messageId: string) =>
  `WHERE (key & ${seqMask}) = (SELECT key & ${seqMask} FROM accepted WHERE id = x'${messageId}')`

/** The number of an address, which is made where there is none yet. */
const addressOf = (database: Database, meshId: string, memberId: string, session = ""): number => {
  database.run(
    `INSERT INTO address (mesh_id, member_id, session_id, own, used_at) VALUES (?, ?, ?, NULL, 0)
     ON CONFLICT DO NOTHING`,
    [meshId, memberId, session],
  )
  const row = database
    .query<{ readonly number: number }, [string, string, string]>(
      "SELECT number FROM address WHERE mesh_id = ? AND member_id = ? AND session_id = ?",
    )
    .get(meshId, memberId, session)
  return row?.number ?? assert.fail("there is no such address")
}

type Tamper = (database: Database, messageId: string, template: Template) => void

const waiting =
  (change: (template: Template) => string): Tamper =>
  (database, messageId, template) =>
    void database.run(`UPDATE waiting SET ${change(template)} ${ofWaiting(messageId)}`)

const accepted =
  (change: (template: Template, database: Database) => string): Tamper =>
  (database, messageId, template) =>
    void database.run(`UPDATE accepted SET ${change(template, database)} WHERE id = x'${messageId}'`)

/** What is done to one of the messages. */
const tampering: Readonly<Record<string, Tamper>> = {
  "addressed to another session": waiting(({ key }) => `target_spec = '${key("Bob")}/laptop'`),
  "addressed to everybody": waiting(() => "target_spec = '*'"),
  "given to another sender": accepted(
    ({ id, meshId }, database) => `sender = ${addressOf(database, meshId, id("Carl"), "s1")}`,
  ),
  "given to another session of its sender": accepted(
    ({ id, meshId }, database) => `sender = ${addressOf(database, meshId, id("Ann"), "phone")}`,
  ),
  "with another text": waiting(
    () =>
      "ciphertext = substr(ciphertext, 1, 40) || CASE substr(ciphertext, 41, 1) WHEN 'A' THEN 'B' ELSE 'A' END || substr(ciphertext, 42)",
  ),
  "with another nonce": waiting(
    () => "nonce = CASE substr(nonce, 1, 1) WHEN 'A' THEN 'B' ELSE 'A' END || substr(nonce, 2)",
  ),
  "dated back": accepted(() => "created_at = created_at - 3600000"),
  "made urgent": (database, messageId) => {
    database.run(`UPDATE waiting SET key = key & ~${3n << 36n} ${ofWaiting(messageId)}`)
    database.run(`UPDATE accepted SET priority = 0 WHERE id = x'${messageId}'`)
  },
  "made an answer": waiting(() => `reply_to = '${"0".repeat(32)}'`),
  "given another id": accepted(() => `id = x'${"f".repeat(32)}'`),
  "put into another's inbox": (database, messageId, { id, meshId }) => {
    const inbox = addressOf(database, meshId, id("Carl"))
    database.run(`UPDATE waiting SET key = (${inbox} << 38) | (key & ${belowAddress}) ${ofWaiting(messageId)}`)
  },
}

interface Read {
  readonly messages: ReadonlyArray<Row>
  readonly idOf: ReadonlyMap<string, string>
}

/** One template for all of them: each message is changed in its own way, and everything is read. */
const tamperedWith = () => {
  let read: Promise<Read> | undefined
  const run = async (): Promise<Read> => {
    const idOf = new Map<string, string>()
    const messages: Array<Row> = []
    await Effect.runPromise(
      scenario(async (template) => {
        const { ann, bob, carl, changed } = template
        for (const what of Object.keys(tampering)) {
          const [sent] = jsonLines(await ann("send", "Bob", `the plan ${what}`, "--json"))
          idOf.set(what, String(sent?.["messageId"]))
        }
        await changed((database) => {
          for (const [what, tamper] of Object.entries(tampering)) tamper(database, String(idOf.get(what)), template)
        })
        idOf.set("given another id", "f".repeat(32))
        messages.push(...jsonLines(await bob("inbox", "--json")), ...jsonLines(await carl("inbox", "--json")))
      }),
    )
    return { messages, idOf }
  }
  return () => (read ??= run())
}

describe.concurrent("a waiting message that the database changed", () => {
  const readAll = tamperedWith()

  for (const what of Object.keys(tampering)) {
    it.live(`${what} is shown to nobody as text, and the reader is told that it cannot be`, () =>
      Effect.promise(async () => {
        const { idOf, messages } = await readAll()
        assert.lengthOf(messages, Object.keys(tampering).length)
        const [message, ...others] = messages.filter(({ messageId }) => messageId === idOf.get(what))
        assert.deepInclude(message, { text: null, authenticated: "no" })
        assert.oneOf(Object(message?.["problem"])._tag, ["Mismatch", "Undecryptable"])
        assert.lengthOf(others, 0)
        assert.notInclude(JSON.stringify(messages), "the plan")
      }),
    )
  }

  it.live("copied under another id is read once: the copy cannot be shown", () =>
    scenario(async ({ ann, bob, changed }) => {
      done(await ann("send", "Bob", "the plan"))
      await changed((database) => {
        database.run(
          `INSERT INTO accepted SELECT key + 100, x'${"f".repeat(32)}', sender, priority, created_at, expires_at, content_hash, recipients
           FROM accepted`,
        )
        database.run(
          `INSERT INTO waiting SELECT key + 100, leased_at, expires_at, sealed_key, nonce, target_spec, reply_to, ciphertext
           FROM waiting`,
        )
      })
      const messages = jsonLines(await bob("inbox", "--json"))
      assert.sameDeepMembers(
        messages.map(({ authenticated, text }) => [text, authenticated]),
        [
          ["the plan", "yes"],
          [null, "no"],
        ],
      )
      assert.include(JSON.stringify(messages), `"field":"messageId"`)
    }),
  )

  it.live("dated on is shown with the time at which its sender wrote it", () =>
    scenario(async ({ ann, bob, changed }) => {
      const before = Date.now()
      done(await ann("send", "Bob", "the plan"))
      await changed((database) => {
        database.run("UPDATE accepted SET created_at = created_at + 86400000, expires_at = expires_at + 86400000")
        database.run("UPDATE waiting SET expires_at = expires_at + 86400000")
      })
      const [message] = jsonLines(await bob("inbox", "--json"))
      assert.deepInclude(message, { text: "the plan", authenticated: "yes" })
      assert.isAtLeast(Date.parse(String(message?.["acceptedAt"])), before + 86_400_000)
      assert.isBelow(Date.parse(String(message?.["sentAt"])), Date.now())
    }),
  )

  it.live("put back after it was read is not shown again, and is done with", () =>
    scenario(async ({ ann, bob, changed, rows }) => {
      done(await ann("send", "Bob", "the plan"))
      await changed((database) => database.run("CREATE TABLE kept AS SELECT * FROM waiting"))
      assert.lengthOf(jsonLines(await bob("inbox", "--json")), 1)
      await changed((database) => {
        assert.strictEqual(database.run("INSERT INTO waiting SELECT * FROM kept").changes, 1)
        database.run("DELETE FROM consumed")
        database.run("DROP TABLE kept")
      })
      assert.deepStrictEqual(jsonLines(await bob("inbox", "--json")), [])
      assert.deepStrictEqual(await rows("SELECT id FROM message WHERE ciphertext <> ''"), [])
    }),
  )

  it.live("moved to another mesh of the same people is not shown there", () =>
    scenario(async ({ ann, bob, changed, meshId }) => {
      const [other] = jsonLines(await ann("create", "other", "--as", "Ann", "--json"))
      done(await bob("join", done(await ann("invite", "--mesh", "other")).trim(), "--as", "Bob"))
      const there = json(await ann("peers", "--mesh", "other", "--json"))
      const idThere = (name: string) => String(named(there, name)[0]?.["memberId"])
      done(await ann("send", "team:Bob", "the plan"))
      await changed((database) => {
        const mesh = String(other?.["meshId"])
        const [number, inbox] = ["", idThere("Bob")].map((memberId) => addressOf(database, mesh, memberId))
        const session = database
          .query<{ readonly session_id: string }, []>(
            "SELECT session_id FROM address WHERE number = (SELECT sender FROM accepted)",
          )
          .get()?.session_id
        const sender = addressOf(database, mesh, idThere("Ann"), session)
        const ofTeam = addressOf(database, meshId, "")
        database.run(`UPDATE waiting SET key = (${inbox} << 38) | ((key & ${belowAddress}) + 1000)`)
        database.run(
          `UPDATE accepted SET key = (${number} << 36) | ((key & ${seqMask}) + 1000), sender = ${sender} WHERE (key >> 36) = ${ofTeam}`,
        )
      })
      const [message] = jsonLines(await bob("inbox", "--json"))
      assert.deepInclude(message, { mesh: "other", text: null, authenticated: "no" })
    }),
  )
})

describe.concurrent("a revocation that the database", () => {
  it.live("deleted stays in force for who knows of it, who says that the broker hides it", () =>
    scenario(async ({ ann, bob, changed, key, rows, id }) => {
      done(await ann("revoke", "Bob", "--yes"))
      assert.match(complaint(await bob("peers")), /revoked/)
      await changed((database) => database.run("DELETE FROM revocation"))
      const looked = await ann("peers", "--json")
      assert.match(looked.stderr, /team: the broker shows 0 revocations, and 1 are known: it hides some/)
      assert.match((await ann("status")).stderr, /team: the broker shows 0 revocations, and 1 are known: it hides some/)
      const row = json(looked).find(({ publicKey }) => publicKey === key("Bob"))
      assert.deepInclude(row, { member: "revoked", role: null })
      const refused = await ann("send", "Bob", "hello")
      assert.deepInclude(refused, { code: 1, stdout: "" })
      assert.match(refused.stderr, /claudemesh: [^\n]*revoked/)
      done(await ann("send", "*", "for members"))
      // The broker lets him in again. What he says is not a member's word.
      done(await bob("send", "Ann", "I am back"))
      assert.strictEqual(done(await bob("inbox")), "No messages.\n")
      assert.match(
        done(await ann("inbox")),
        /Bob \([0-9a-f]{8}\) on team, .*revoked: not a member any more.*\n {2}I am back\n/,
      )
      // With the next revocation the broker gets back the one it had lost.
      done(await ann("revoke", "Carl", "--yes"))
      assert.match(complaint(await bob("peers")), /revoked/)
      assert.deepStrictEqual(await rows(`SELECT * FROM delivery WHERE member_id = '${id("Bob")}'`), [])
    }),
  )

  it.live("turned against somebody else lets nobody back in: the mesh is not served", () =>
    scenario(async ({ ann, bob, carl, changed, key }) => {
      done(await ann("revoke", "Bob", "--yes"))
      await changed((database) => database.run("UPDATE revocation SET subject = ?", [key("Carl")]))
      const looks = await Promise.all([ann, bob, carl].map((person) => person("peers", "--timeout", "5")))
      for (const { code, stdout } of looks) assert.deepStrictEqual({ code, stdout }, { code: 1, stdout: "" })
    }),
  )
})
