/** People let each other in and put each other out, by the commands alone, each in a home of their own. */
import { readFile, stat, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { startBroker, temporaryFolder } from "../../../broker/test/support/TestBroker.ts"
import { claudemesh, complaint, done, main, type Ran } from "../support/Agent.ts"

type Person = (...args: ReadonlyArray<string>) => Promise<Ran>

interface Template {
  readonly folder: string
  /** Runs the command as this person; the first time in an empty home. */
  readonly person: (name: string, environment?: Readonly<Record<string, string>>) => Person
}

const template = (tell: (template: Template) => Promise<void>) =>
  Effect.scoped(
    Effect.gen(function* () {
      const broker = yield* startBroker()
      const folder = yield* temporaryFolder
      const person: Template["person"] =
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

const json = (ran: Ran) => JSON.parse(done(ran))

describe.concurrent("claudemesh invite and join", () => {
  it.live("print nothing but the link, which lets in as many as it says, by the role it says", () =>
    template(async ({ folder, person }) => {
      const ann = person("ann")
      done(await ann("create", "team", "--as", "Ann"))
      const made = await ann("invite", "--uses", "2", "--expires", "30m", "--name", "two of us")
      assert.match(made.stdout, /^http:\/\/127\.0\.0\.1:\d+\/join#[A-Za-z0-9._-]+\n$/)
      assert.match(made.stderr, /joins team as member, 2 times, until \d{4}-/)
      assert.notInclude(made.stderr, "\u001b")
      const link = made.stdout.trim()

      const bob = person("bob")
      assert.match(done(await bob("join", link, "--as", "Bob")), /^Joined team on ws:.* You are Bob\.\n/)
      assert.match(complaint(await bob("join", link)), /already a member there, as team/)
      const child = Bun.spawn([process.execPath, main, "join", "-", "--as", "Carl", "--slug", "anns"], {
        env: { PATH: process.env["PATH"] ?? "", HOME: "/nonexistent", CLAUDEMESH_HOME: join(folder, "carl") },
        stdin: new Blob([made.stdout]),
        stdout: "pipe",
        stderr: "pipe",
      })
      assert.match(await new Response(child.stdout).text(), /^Joined anns \(team\)/)
      assert.strictEqual(await child.exited, 0)

      const dora = person("dora")
      assert.match(
        complaint(await dora("join", link.slice(0, -3))),
        /The invite link is incomplete or damaged .*Copy the whole link again/,
      )
      assert.match(complaint(await dora("join", link, "--as", "Dora")), /used_up.*Ask for another link/)
      done(await dora("create", "team", "--as", "Dora"))
      assert.match(complaint(await dora("join", link)), /already called team\. Call this one otherwise with --slug/)

      const peers = json(await person("carl")("peers", "--json")) as ReadonlyArray<Record<string, unknown>>
      assert.deepStrictEqual(Object.fromEntries(peers.map(({ member, name, role }) => [name, { role, member }])), {
        Ann: { role: "owner", member: "certified" },
        Bob: { role: "member", member: "certified" },
        Carl: { role: "member", member: "certified" },
      })
      assert.match(
        done(await ann("invites")),
        /\n[0-9a-f]{8} +two of us +member +2 of 2 +[-\d]+ [\d:]+ UTC +used up +the owner\n/,
      )
      for (const wrong of [
        ["--expires", "7"],
        ["--uses", "0"],
      ]) {
        assert.strictEqual((await ann("invite", ...wrong)).code, 2, wrong.join(" "))
      }
    }),
  )
})

describe.concurrent("admins, by the commands", () => {
  it.live(
    "invite and revoke members, but make no admins, and never put out the owner; whom they had invited stays",
    () =>
      template(async ({ person }) => {
        const [ann, bob, carl] = [person("ann"), person("bob"), person("carl")]
        done(await ann("create", "team", "--as", "Ann"))
        done(await bob("join", done(await ann("invite", "--role", "admin")).trim(), "--as", "Bob"))
        done(await carl("join", done(await bob("invite")).trim(), "--as", "Carl"))
        assert.match(complaint(await bob("invite", "--role", "admin")), /an admin can invite members only/)
        assert.match(complaint(await carl("invite")), /only the owner of team and its admins may invite and revoke/)
        assert.match(complaint(await carl("revoke", "Bob", "--yes")), /only the owner of team and its admins/)
        assert.match(complaint(await bob("revoke", "Ann", "--yes")), /forbidden/)
        assert.match(complaint(await ann("revoke", "Ann", "--yes")), /That is you\. To leave the mesh: /)
        assert.match(
          complaint(await ann("revoke", "Dora", "--yes")),
          /Nobody here is "Dora"\. Members: Ann \([0-9a-f]{8}\), Bob/,
        )

        done(await bob("send", "Ann", "last words"))
        const revoked = done(await ann("revoke", "Bob", "--yes"))
        assert.match(
          revoked,
          /^Bob \([0-9a-f]{8}\) is out of team.*\nMembers who joined by their invites stay: Carl\.\n$/,
        )
        assert.match(complaint(await bob("peers")), /revoked/)
        assert.match(
          complaint(await ann("send", "Bob", "are you there?")),
          /Bob \([0-9a-f]{8}\) is not a member any more: it was revoked at/,
        )
        assert.match(
          done(await ann("inbox")),
          /Bob \([0-9a-f]{8}\) on team, .*revoked: not a member any more.*\n {2}last words\n/,
        )
        assert.match(done(await ann("send", "Carl", "still here")), /^Carl on .*: Waits until Carl's session connects/)
        assert.match(done(await carl("inbox")), /Ann \(.*\n {2}still here\n/)

        // Who was put out can forget the mesh, and come back by a new invite, also one that lost its lines on the way.
        assert.match(
          complaint(await bob("inbox")),
          /Your key was revoked there\. Forget the mesh here with: claudemesh leave/,
        )
        assert.match(done(await bob("leave", "team", "--yes")), /^Your key in team was revoked before/)
        const link = done(await ann("invite")).trim()
        done(await bob("join", ` ${link.slice(0, 99)}\n ${link.slice(99)}\n`, "--as", "Bob"))
        done(await bob("send", "Ann", "back again"))
      }),
  )
})

describe.concurrent("members, by the commands", () => {
  it.live("compare keys, leave, and stay when the link that they came by is ended", () =>
    template(async ({ folder, person }) => {
      const [ann, bob] = [person("ann"), person("bob")]
      done(await ann("create", "team", "--as", "Ann"))
      const link = done(await ann("invite", "--uses", "5", "--name", "open door")).trim()
      done(await bob("join", link, "--as", "Bob"))

      const hers = json(await ann("verify", "Bob", "--json"))
      const his = json(await bob("verify", "Ann", "--json"))
      assert.match(hers.number, /^(\d{5} ){11}\d{5}$/)
      assert.deepStrictEqual([hers.number, hers.verified], [his.number, false])
      assert.match(done(await ann("verify", "Bob")), /both of you: claudemesh verify [0-9a-f]{64} --matches\n/)
      assert.match(done(await ann("verify", "Bob", "--matches")), /^You have compared this number with Bob/)
      assert.match(done(await ann("peers")), /Bob +[0-9a-f]{8} +member, verified /)
      assert.match(done(await bob("peers")), /Ann +[0-9a-f]{8} +owner +away/)
      assert.match(complaint(await ann("verify", "Ann")), /That is you/)

      assert.match(
        complaint(await ann("revoke-invite", "no door")),
        /There is no invite "no door"\. Invites: .*open door/,
      )
      assert.match(
        done(await ann("revoke-invite", "open door")),
        /^Invite open door \([0-9a-f]{8}\) is revoked: .* Members who joined with it stay: Bob\.\n$/,
      )
      assert.match(complaint(await person("carl")("join", link, "--as", "Carl")), /revoked/)
      assert.match(done(await ann("send", "Bob", "hello")), /^Bob on .*: Waits until Bob's session connects/)

      assert.match(complaint(await ann("leave", "team", "--yes")), /you own team.*export.*--give-up-owner-key/)
      assert.match(done(await bob("leave", "team", "--yes")), /^You have left team/)
      assert.notInclude(await readFile(join(folder, "bob", "config.json"), "utf8"), "secretKey")
      assert.match(complaint(await bob("peers")), /no mesh is joined/)
      assert.notInclude(done(await ann("peers")), "Bob")

      // What this machine remembers of the mesh is signed in part by the key that he had then.
      done(await bob("join", done(await ann("invite")).trim(), "--as", "Bob"))
      done(await bob("send", "Ann", "back again"))
      assert.match(done(await ann("inbox")), /Bob \(.*\n {2}back again\n/)
    }),
  )
})

describe.concurrent("claudemesh export and import", () => {
  it.live("take an identity to another machine in a file that only the passphrase opens", () =>
    template(async ({ folder, person }) => {
      const secret = { CLAUDEMESH_PASSPHRASE: "correct horse battery" }
      const ann = person("ann", secret)
      done(await ann("create", "team", "--as", "Ann"))
      const file = join(folder, "ann.json")
      done(await ann("export", file))
      assert.strictEqual(((await stat(file)).mode & 0o777).toString(8), "600")
      const { secretKey } = JSON.parse(await readFile(join(folder, "ann", "config.json"), "utf8")).meshes[0]
      assert.notInclude(await readFile(file, "utf8"), secretKey.slice(0, 64))
      assert.match(complaint(await ann("export", file)), /is there already/)
      assert.match(complaint(await person("ann")("export", join(folder, "x"))), /CLAUDEMESH_PASSPHRASE/)

      const elsewhere = person("elsewhere", secret)
      const wrong = person("elsewhere", { CLAUDEMESH_PASSPHRASE: "incorrect horse" })
      assert.match(complaint(await wrong("import", file)), /the passphrase does not open this export/)
      await writeFile(join(folder, "note.txt"), "dear diary")
      assert.match(
        complaint(await elsewhere("import", join(folder, "note.txt"))),
        /not an identity that claudemesh exported/,
      )
      done(await elsewhere("import", file))
      done(await ann("send", "Ann", "wherever you are"))
      assert.match(done(await elsewhere("inbox")), /Ann \(.*\n {2}wherever you are\n/)
      done(await elsewhere("invite"))
    }),
  )

  it.live("takes of a backup what is missing here, and leaves what is here as it is", () =>
    template(async ({ folder, person }) => {
      const ann = person("ann", { CLAUDEMESH_PASSPHRASE: "correct horse battery" })
      done(await ann("create", "team", "--as", "Ann"))
      done(await ann("create", "other", "--as", "Ann"))
      const file = join(folder, "both.json")
      done(await ann("export", file))
      done(await ann("leave", "other", "--give-up-owner-key", "--yes"))
      assert.match(done(await ann("import", file)), /^You are in other on .*\nYou were in team here already\.\n/)
      assert.match(complaint(await ann("import", file)), /nothing to take over: you are in team, other here already/)
      assert.match(complaint(await ann("import", join(folder, "none.json"))), /none\.json: there is no such file/)
    }),
  )
})
