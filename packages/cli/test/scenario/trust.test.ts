/** People let each other in and put each other out, by the commands alone, each in a home of their own. */
import { mkdir, readFile, stat, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { startBroker, temporaryFolder } from "../../../broker/test/support/TestBroker.ts"
import { claudemesh, main, type Ran } from "../support/Agent.ts"

type Person = (...args: ReadonlyArray<string>) => Promise<Ran>

interface Town {
  readonly folder: string
  /** Runs the command as this person; the first time in an empty home. */
  readonly person: (name: string, environment?: Readonly<Record<string, string>>) => Person
}

const town = (tell: (town: Town) => Promise<void>) =>
  Effect.scoped(
    Effect.gen(function* () {
      const broker = yield* startBroker()
      const folder = yield* temporaryFolder
      const person: Town["person"] =
        (name, environment = {}) =>
        (...args) =>
          claudemesh(args, {
            CLAUDEMESH_HOME: join(folder, name),
            CLAUDEMESH_BROKER: broker.origin,
            ...environment,
          })
      yield* Effect.promise(() => tell({ folder, person }))
    }),
  )

const done = ({ code, stderr, stdout }: Ran): string => {
  assert.strictEqual(code, 0, stderr)
  return stdout
}

const complaint = ({ code, stderr, stdout }: Ran): string => {
  assert.deepStrictEqual({ code, stdout }, { code: 1, stdout: "" })
  assert.match(stderr, /^claudemesh: [^\n]+\n$/)
  return stderr
}

const json = (ran: Ran) => JSON.parse(done(ran))

/** Ann owns the mesh, Bob is in it. */
const annAndBob = async ({ person }: Town, role: "member" | "admin" = "member") => {
  const ann = person("ann")
  const bob = person("bob")
  done(await ann("create", "team", "--as", "Ann"))
  const link = done(await ann("invite", "--role", role)).trim()
  done(await bob("join", link, "--as", "Bob"))
  return { ann, bob, link }
}

describe.concurrent("claudemesh invite and join", () => {
  it.live("print nothing but the link, which lets in as many as it says, by the role it says", () =>
    town(async ({ folder, person }) => {
      const ann = person("ann")
      done(await ann("create", "team", "--as", "Ann"))
      const made = await ann("invite", "--uses", "2", "--expires", "30m", "--name", "two of us")
      assert.match(made.stdout, /^http:\/\/127\.0\.0\.1:\d+\/join#[A-Za-z0-9._-]+\n$/)
      assert.match(made.stderr, /joins team as member, 2 times, until \d{4}-/)
      assert.notInclude(made.stderr, "\u001b")
      const link = made.stdout.trim()

      assert.match(
        done(await person("bob")("join", link, "--as", "Bob")),
        /^Joined team \(team\) on ws:.* You are Bob\.\n/,
      )
      const child = Bun.spawn([process.execPath, main, "join", "-", "--as", "Carl", "--slug", "anns"], {
        env: { PATH: process.env["PATH"] ?? "", HOME: "/nonexistent", CLAUDEMESH_HOME: join(folder, "carl") },
        stdin: new Blob([made.stdout]),
        stdout: "pipe",
        stderr: "pipe",
      })
      assert.match(await new Response(child.stdout).text(), /^Joined anns \(team\)/)
      assert.strictEqual(await child.exited, 0)
      assert.match(complaint(await person("dora")("join", link, "--as", "Dora")), /used_up.*ask for another link/)

      const peers = json(await person("carl")("peers", "--json")) as ReadonlyArray<Record<string, unknown>>
      assert.deepStrictEqual(
        Object.fromEntries(peers.map(({ displayName, member, role }) => [displayName, { role, member }])),
        {
          Ann: { role: "owner", member: "verified" },
          Bob: { role: "member", member: "verified" },
          Carl: { role: "member", member: "verified" },
        },
      )
      const [first] = (json(await ann("invites", "--json")) as ReadonlyArray<Record<string, unknown>>).slice(-1)
      assert.deepInclude(first, { label: "two of us", uses: 2, used: 2, state: "used_up" })
      assert.match(done(await ann("invites")), /\n[0-9a-f]{8} +two of us +member +2 of 2 +\S+ +used up +the owner\n/)
    }),
  )

  it.live("refuse a link that is damaged before anything is sent, and a mesh that is joined already", () =>
    town(async (there) => {
      const { bob, link } = await annAndBob(there)
      const torn = link.slice(0, -3)
      assert.match(complaint(await there.person("dora")("join", torn)), /no whole invite link.*copy it again/)
      assert.match(complaint(await bob("join", link)), /already a member there, as team/)
      const dora = there.person("dora")
      done(await dora("create", "team", "--as", "Dora"))
      assert.match(
        complaint(await dora("join", link, "--as", "Dora")),
        /already called team; call this one otherwise with --slug/,
      )
    }),
  )

  it.live("take no time that is none, and no more uses than there may be", () =>
    town(async ({ person }) => {
      const ann = person("ann")
      done(await ann("create", "team"))
      for (const wrong of [
        ["--expires", "7"],
        ["--expires", "0d"],
        ["--expires", "2000d"],
        ["--uses", "0"],
      ]) {
        assert.strictEqual((await ann("invite", ...wrong)).code, 2, wrong.join(" "))
      }
    }),
  )

  it.live("are the owner's and admins' business: an admin invites members, a member nobody", () =>
    town(async (there) => {
      const { bob } = await annAndBob(there, "admin")
      const link = done(await bob("invite")).trim()
      const carl = there.person("carl")
      done(await carl("join", link, "--as", "Carl"))
      assert.match(complaint(await bob("invite", "--role", "admin")), /an admin can invite members only/)
      assert.match(complaint(await carl("invite")), /only the owner of team and its admins may invite and revoke/)
      assert.match(complaint(await carl("invites")), /only the owner of team and its admins/)
      assert.match(done(await carl("send", "Ann", "hello")), /^queued: Ann on team/)
    }),
  )
})

describe.concurrent("claudemesh revoke, revoke-invite and leave", () => {
  it.live("put a member out for everybody: it cannot come back, and nothing is sent to it", () =>
    town(async (there) => {
      const { ann, bob } = await annAndBob(there)
      done(await bob("send", "Ann", "last words"))
      assert.match(complaint(await ann("revoke", "Carl")), /nobody here is Carl; there are: Ann \([0-9a-f]{8}\), Bob/)
      assert.match(complaint(await bob("revoke", "Ann")), /only the owner of team and its admins/)
      assert.match(complaint(await ann("revoke", "Ann")), /that is you; to leave the mesh/)
      assert.match(done(await ann("revoke", "Bob")), /^Bob \([0-9a-f]{8}\) is out of team/)
      assert.match(complaint(await bob("peers")), /revoked/)
      assert.match(complaint(await ann("send", "Bob", "are you there?")), /nobody here is "Bob"|revoked/)
      assert.match(done(await ann("inbox")), /Bob \(team, .*revoked: no member any more\)\nlast words\n/)
    }),
  )

  it.live("by an admin keep those whom the revoked had invited, and never put out the owner", () =>
    town(async (there) => {
      const { ann, bob } = await annAndBob(there, "admin")
      const carl = there.person("carl")
      done(await carl("join", done(await bob("invite")).trim(), "--as", "Carl"))
      assert.match(complaint(await bob("revoke", "Ann")), /forbidden/)
      assert.match(done(await ann("revoke", "Bob")), /They came by its invites and stay: Carl\./)
      assert.match(done(await ann("send", "Carl", "still here")), /^queued: Carl/)
      assert.match(done(await carl("inbox")), /Ann \(.*\)\nstill here\n/)
    }),
  )

  it.live("end a link, and who came by it stays", () =>
    town(async ({ person }) => {
      const ann = person("ann")
      done(await ann("create", "team", "--as", "Ann"))
      const link = done(await ann("invite", "--uses", "5", "--name", "open door")).trim()
      done(await person("bob")("join", link, "--as", "Bob"))
      assert.match(
        complaint(await ann("revoke-invite", "no door")),
        /there is no invite no door; there are: .*open door/,
      )
      assert.match(done(await ann("revoke-invite", "open door")), /any more\. They had, and stay: Bob\.\n$/)
      assert.match(complaint(await person("carl")("join", link, "--as", "Carl")), /revoked/)
      assert.match(done(await ann("send", "Bob", "hello")), /^queued: Bob/)
    }),
  )

  it.live("let a member leave, who is then revoked and has forgotten its key", () =>
    town(async (there) => {
      const { ann, bob } = await annAndBob(there)
      assert.match(complaint(await ann("leave", "team")), /you own team.*export.*--give-up-owner-key/)
      assert.match(done(await bob("leave", "team")), /^You have left team/)
      assert.notInclude(await readFile(join(there.folder, "bob", "config.json"), "utf8"), "secretKey")
      assert.match(complaint(await bob("peers")), /no mesh is joined/)
      const names = (json(await ann("peers", "--json")) as ReadonlyArray<Record<string, unknown>>).map(
        (one) => one["displayName"],
      )
      assert.deepStrictEqual(names, ["Ann"])
    }),
  )
})

describe.concurrent("claudemesh verify", () => {
  it.live("shows both the same number, and remembers that it was compared", () =>
    town(async (there) => {
      const { ann, bob } = await annAndBob(there)
      const hers = json(await ann("verify", "Bob", "--json"))
      const his = json(await bob("verify", "Ann", "--json"))
      assert.match(hers.number, /^(\d{5} ){11}\d{5}$/)
      assert.strictEqual(hers.number, his.number)
      assert.isFalse(hers.verified)
      assert.match(done(await ann("verify", "Bob", "--matches")), /^You have compared this number with Bob/)
      assert.isTrue(json(await ann("verify", "Bob", "--json")).verified)
      assert.match(done(await ann("peers")), /Bob +[0-9a-f]{8} +member, compared /)
      assert.match(done(await bob("peers")), /Ann +[0-9a-f]{8} +owner +away/)
      assert.match(complaint(await ann("verify", "Ann")), /that is you/)
    }),
  )
})

describe.concurrent("claudemesh export and import", () => {
  it.live("take an identity to another machine in a file that only the passphrase opens", () =>
    town(async (there) => {
      const { bob } = await annAndBob(there)
      const file = join(there.folder, "ann.json")
      const secret = { CLAUDEMESH_PASSPHRASE: "correct horse battery" }
      done(await there.person("ann", secret)("export", file))
      assert.strictEqual(((await stat(file)).mode & 0o777).toString(8), "600")
      const { secretKey } = JSON.parse(await readFile(join(there.folder, "ann", "config.json"), "utf8")).meshes[0]
      assert.notInclude(await readFile(file, "utf8"), secretKey.slice(0, 64))
      assert.match(complaint(await there.person("ann", secret)("export", file)), /is there already/)
      assert.match(complaint(await there.person("ann")("export", join(there.folder, "x"))), /CLAUDEMESH_PASSPHRASE/)

      const elsewhere = there.person("elsewhere", secret)
      const wrong = there.person("elsewhere", { CLAUDEMESH_PASSPHRASE: "incorrect horse" })
      assert.match(complaint(await wrong("import", file)), /the passphrase does not open this export/)
      done(await elsewhere("import", file))
      done(await bob("send", "Ann", "wherever you are"))
      assert.match(done(await elsewhere("inbox")), /Bob \(.*\)\nwherever you are\n/)
      done(await elsewhere("invite"))
    }),
  )

  it.live("name a file that is no export", () =>
    town(async ({ folder, person }) => {
      await mkdir(join(folder, "x"))
      const file = join(folder, "x", "note.txt")
      await writeFile(file, "dear diary")
      const reader = person("reader", { CLAUDEMESH_PASSPHRASE: "correct horse battery" })
      assert.match(complaint(await reader("import", file)), /no identity that claudemesh exported/)
      assert.match(complaint(await reader("import", join(folder, "nowhere"))), /nowhere/)
    }),
  )
})
