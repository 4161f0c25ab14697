/** Every command as a person or a script runs it: a process, its exit code, stdout and stderr. */
import { readdir, readFile, stat } from "node:fs/promises"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { freePort } from "../../../broker/test/support/BrokerProcess.ts"
import { makeMesh, type TestMesh } from "../../../broker/test/support/Meshes.ts"
import { type Keys, RawClient, sendFrame, unseal } from "../../../broker/test/support/RawClient.ts"
import { claudemesh, complaint, main } from "../support/Agent.ts"
import { writeHome } from "../support/Homes.ts"
import { doneQuietly as done, inHome, scenario, withFolder } from "../support/InHome.ts"
import { linesOf } from "../support/Lines.ts"

const mode = async (path: string): Promise<string> => ((await stat(path)).mode & 0o777).toString(8)

const jsonLines = (text: string): ReadonlyArray<Record<string, unknown>> =>
  text
    .trim()
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line))

const hex = (digits: number) => new RegExp(`^[0-9a-f]{${digits}}$`)

describe.concurrent("claudemesh create", () => {
  it.live("writes a config that only its owner can read, and joins each slug once (I19)", () =>
    scenario(async ({ broker, folder }) => {
      const home = join(folder, "new", "home")
      const create = (...args: ReadonlyArray<string>) => inHome(home)("create", ...args, "--broker", broker.origin)
      assert.match(done(await create("team", "--as", "Ann")), /^Made the mesh team on ws:.* You are Ann\.\n/)
      assert.deepStrictEqual([await mode(home), await mode(join(home, "config.json"))], ["700", "600"])
      assert.sameMembers(await readdir(home), ["config.json", "state.db"])

      const before = await readFile(join(home, "config.json"), "utf8")
      assert.match(complaint(await create("team")), /already called team\. Give the new one another slug/)
      assert.strictEqual(await readFile(join(home, "config.json"), "utf8"), before)

      const [made] = jsonLines(done(await create("other", "--as", "Ann", "--json")))
      assert.deepStrictEqual(Object.keys(made ?? {}).toSorted(), [
        "brokerUrl",
        "memberId",
        "mesh",
        "meshId",
        "name",
        "ownerPublicKey",
        "publicKey",
      ])
      assert.deepInclude(made, { mesh: "other", name: "Ann", brokerUrl: broker.url })
      const listed = jsonLines(done(await inHome(home)("list", "--json")))
      assert.deepStrictEqual(
        (listed[0] as unknown as ReadonlyArray<{ mesh: string }>).map(({ mesh }) => mesh),
        ["team", "other"],
      )
    }),
  )

  it.live("says what to do when no broker answers, and leaves no key behind", () =>
    withFolder(async (folder) => {
      const home = join(folder, "home")
      const url = `ws://127.0.0.1:${await freePort()}`
      const said = complaint(await inHome(home)("create", "team", "--broker", url))
      assert.match(
        said,
        /no broker answers at .*: nothing listens on that port \(connection refused\)\. Is the broker running\?.*claudemesh broker/,
      )
      assert.deepStrictEqual(await readdir(home), ["state.db"])
      assert.notInclude(await readFile(join(home, "state.db"), "latin1"), "secretKey")
      const { code, stderr } = await inHome(home)("create", "team", "--broker", "nowhere")
      assert.strictEqual(code, 2)
      assert.match(stderr, /write it like wss:/)
    }),
  )
})

describe.concurrent("an admin token", () => {
  it.live("that would go over a network unencrypted is warned of before it is sent", () =>
    withFolder(async (folder) => {
      let tokens = 0
      const server = Bun.serve({
        port: 0,
        hostname: "0.0.0.0",
        fetch: ({ headers }) => {
          tokens += headers.get("authorization") === "Bearer a-secret-of-the-broker" ? 1 : 0
          return new Response("no broker", { status: 418 })
        },
      })
      const create = (host: string, ...args: ReadonlyArray<string>) =>
        inHome(folder)("create", "team", "--broker", `http://${host}:${server.port}`, ...args)
      const token = ["--admin-token", "a-secret-of-the-broker"]
      // It is this machine all the same, by an address that does not say so.
      const [remote, here, without] = await Promise.all([
        create("0.0.0.0", ...token),
        create("127.0.0.1", ...token),
        create("0.0.0.0"),
      ])
      await server.stop(true)
      assert.match(remote.stderr, /^claudemesh: warning: the admin token goes to ws:\/\/0\.0\.0\.0:\d+\/ws unencrypted/)
      assert.notInclude(remote.stderr, "a-secret")
      assert.strictEqual(tokens, 2)
      for (const { stderr } of [here, without]) assert.notInclude(stderr, "warning")
    }),
  )
})

describe.concurrent("claudemesh seed-test-mesh", () => {
  it.live("prints the mesh with every key in exactly this shape", () =>
    scenario(async ({ alice, broker }) => {
      const [seeded] = jsonLines(
        done(await alice("seed-test-mesh", "--slug", "try", "--members", "3", "--broker", broker.url, "--json")),
      )
      const { members, owner, ...rest } = seeded as {
        readonly members: ReadonlyArray<Record<string, unknown>>
        readonly owner: Record<string, unknown>
      } & Record<string, unknown>
      assert.deepStrictEqual(Object.keys(seeded ?? {}), ["meshId", "mesh", "brokerUrl", "owner", "members"])
      assert.deepStrictEqual({ ...rest, meshId: "" }, { meshId: "", mesh: "try", brokerUrl: broker.url })
      assert.deepStrictEqual(Object.keys(owner), ["publicKey", "secretKey"])
      assert.match(String(owner["publicKey"]), hex(64))
      assert.match(String(owner["secretKey"]), hex(128))
      assert.deepStrictEqual(
        members.map(({ name }) => name),
        ["alice", "bob", "carol"],
      )
      for (const member of members) {
        assert.deepStrictEqual(Object.keys(member), ["memberId", "name", "publicKey", "secretKey", "certificate"])
        assert.match(String(member["publicKey"]), hex(64))
        assert.match(String(member["secretKey"]), hex(128))
        assert.isTrue(String(member["secretKey"]).endsWith(String(member["publicKey"])))
        const { memberId, name, publicKey } = member
        assert.deepInclude(member["certificate"], { displayName: name, memberId, publicKey, allowV1: true })
      }
    }),
  )

  it.live("writes homes that work, and makes no mesh that it cannot write down", () =>
    scenario(async ({ broker, folder }) => {
      const homes = join(folder, "homes")
      const seed = () => claudemesh(["seed-test-mesh", "--into", homes, "--broker", broker.url])
      assert.include(done(await seed()), join(homes, "bob"))
      assert.deepStrictEqual((await readdir(homes)).toSorted(), ["alice", "bob"])
      assert.deepStrictEqual(
        [await mode(join(homes, "bob")), await mode(join(homes, "bob", "config.json"))],
        ["700", "600"],
      )
      assert.match(
        done(await inHome(join(homes, "alice"))("send", "bob", "from", "alice")),
        /^bob on test: Waits until bob's session connects\. /,
      )
      assert.include(done(await inHome(join(homes, "bob"))("inbox")), "from alice")
      assert.match(complaint(await seed()), /homes\/alice has a mesh test already\. .*--slug.*--into/)
    }),
  )

  it.live("writes every key before the broker hears of it, and keeps them unless the mesh was surely not made", () =>
    withFolder(async (folder) => {
      const config = (name: string) => readFile(join(folder, "homes", name, "config.json"), "utf8")
      const found: Array<string> = []
      const answering = (status: number) => async () => {
        found.push(await config("alice"), await config("bob"))
        return Response.json({ error: "internal", message: "no" }, { status })
      }
      const seed = async (status: number) => {
        const broker = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: answering(status) })
        const url = `ws://127.0.0.1:${broker.port}/ws`
        complaint(await claudemesh(["seed-test-mesh", "--into", join(folder, "homes"), "--broker", url]))
        await broker.stop(true)
        return (await config("alice")).includes('"slug": "test"')
      }
      assert.isFalse(await seed(400))
      assert.isTrue(await seed(500))
      assert.lengthOf(found, 4)
      for (const text of found) assert.include(text, '"slug": "test"')
    }),
  )

  it.live("refuses a broker that is not on this machine", () =>
    withFolder(async () => {
      const urls = ["wss://mesh.example.com", "ws://127.example.com", "ws://10.0.0.1:7900"]
      const runs = await Promise.all(urls.map((url) => claudemesh(["seed-test-mesh", "--broker", url])))
      for (const ran of runs) {
        assert.match(complaint(ran), /is not on this machine; test meshes are made on a loopback broker only/)
      }
    }),
  )
})

describe.concurrent("claudemesh list, peers and status", () => {
  it.live("show meshes, members and sessions, for people and for scripts", () =>
    scenario(async ({ alice, broker, mesh }) => {
      assert.match(done(await alice("list")), /^MESH {2}YOU .*\nred {3}alice +[0-9a-f]{8} +ws:/)
      assert.match(done(await alice("peers")), /bob +[0-9a-f]{8} +member +away +-\n/)
      const bob = await RawClient.authenticatedV2(broker.url, mesh.member("bob"), { sessionId: "bobs-1" })
      bob.send({ type: "set_status", status: "dnd", id: "s" })
      await bob.take("ok")
      assert.match(done(await alice("peers", "--mesh", "red")), /bob +[0-9a-f]{8} +member +dnd +bobs-1\n/)
      const [rows] = jsonLines(done(await alice("peers", "--json")))
      const { keys, memberId } = mesh.member("bob")
      assert.deepInclude(rows, {
        mesh: "red",
        memberId,
        name: "bob",
        publicKey: keys.publicKey,
        role: "member",
        member: "certified",
        sessions: [{ sessionId: "bobs-1", attached: true, status: "dnd", summary: null }],
      })
      assert.match(complaint(await alice("peers", "--mesh", "blue")), /no mesh blue is joined\. Joined meshes: red/)

      await alice("send", "alice", "to myself")
      assert.match(done(await alice("status")), /\nred +connected +1 +-\n/)
      const [status] = jsonLines(done(await alice("status", "--json")))
      assert.deepStrictEqual(status, [
        {
          mesh: "red",
          name: "alice",
          connected: true,
          problem: null,
          waiting: 1,
          elsewhere: [],
          unsent: 0,
          dnd: null,
          sessions: [],
        },
      ] as never)
      await bob.close()

      const hers = await RawClient.authenticatedV2(broker.url, mesh.member("alice"), { sessionId: "alices-1" })
      assert.match(done(await alice("status")), /\nred +connected +\d+ +idle alices-1\n/)
      // Any code but 1000 is a loss and no goodbye: the session is listed until its lease ends, and is not there.
      hers.socket.close(4000)
      await hers.closed
      assert.match(done(await alice("status")), /\nred +connected +\d+ +away alices-1\n/)
      const [cutOff] = jsonLines(done(await alice("status", "--json")))
      assert.deepNestedInclude(
        { cutOff },
        {
          "cutOff[0].sessions": [{ sessionId: "alices-1", attached: false, status: "idle" }],
        },
      )
    }),
  )

  it.live("say what a mesh that is away is missing, and still show the others", () =>
    scenario(async ({ broker, folder, mesh }) => {
      const away = `ws://127.0.0.1:${await freePort()}/ws`
      const both = [
        { slug: "red", brokerUrl: broker.url, mesh },
        { slug: "blue", brokerUrl: away, mesh: { ...mesh, member: elsewhere(mesh) } },
      ]
      const run = inHome(await writeHome(folder, "alice", both))
      const bob = await RawClient.authenticatedV2(broker.url, mesh.member("bob"))
      const { keys } = mesh.member("alice")
      bob.send(sendFrame("m1", keys.publicKey, "still read", mesh.member("bob").keys))
      await bob.take("ack")

      const [peers, inbox, status] = await Promise.all([run("peers"), run("inbox"), run("status")])
      const hint =
        /^claudemesh: [^\n]*blue[^\n]*Is the broker running\? Start one here with: BROKER_PORT=\d+ claudemesh broker\n$/
      assert.deepStrictEqual([peers.code, inbox.code, status.code], [1, 1, 1])
      for (const { stderr } of [peers, inbox, status]) assert.match(stderr, hint)
      assert.match(peers.stdout, /red +bob /)
      assert.include(inbox.stdout, "still read")
      assert.match(status.stdout, /\nred +connected .*\nblue +not connected: .*nothing listens on that port/)
      await bob.close()
    }),
  )
})

/** The same people in a mesh of another id. */
const elsewhere =
  (mesh: TestMesh): TestMesh["member"] =>
  (name) => ({ ...mesh.member(name), meshId: "elsewhere" })

describe.concurrent("claudemesh send", () => {
  it.live("says what became of the message, by name, key and key/session", () =>
    scenario(async ({ alice, broker, mesh }) => {
      const { keys } = mesh.member("bob")
      assert.match(
        done(await alice("send", "bob", "one")),
        /^bob on red: Waits until bob's session connects\. \([0-9a-f]{32}\)\n$/,
      )
      const bob = await RawClient.authenticatedV2(broker.url, mesh.member("bob"), { sessionId: "bobs-1" })
      await bob.take("push")
      assert.match(done(await alice("send", keys.publicKey, "two")), /: In bob's session, not shown yet\. /)
      assert.match(textOf(await bob.take("push"), keys), /"text":"two"/)
      bob.send({ type: "set_status", status: "dnd", id: "s" })
      await bob.take("ok")
      assert.match(done(await alice("send", "bob", "three")), /^bob on red: Held: bob does not want to be disturbed\. /)
      const [sent] = jsonLines(
        done(await alice("send", `${keys.publicKey}/bobs-1`, "four", "words", "--priority", "now", "--json")),
      )
      assert.deepInclude(sent, { mesh: "red", target: `${keys.publicKey}/bobs-1`, state: "delivered" })
      const push = await bob.take("push")
      assert.strictEqual(push["messageId"], sent?.["messageId"])
      assert.match(textOf(push, keys), /"text":"four words"/)
      await bob.close()
    }),
  )

  it.live("answers a name that fits nobody, or several, with who there is", () =>
    scenario(
      async ({ alice }) => {
        assert.match(
          complaint(await alice("send", "dora", "hi")),
          /Nobody here is "dora"\. Members: .*bob \([0-9a-f]{8}\)/,
        )
        assert.match(
          complaint(await alice("send", "BOB", "hi")),
          /"BOB" may be any of: .*Bob \(.*Write one of them so, or its key\./,
        )
        for (const group of ["#Not A Label", "tag:X Y"]) {
          assert.match(
            complaint(await alice("send", group, "hi")),
            /^claudemesh: Nobody here is .* A group is '#channel'/,
          )
        }
        assert.notInclude(complaint(await alice("send", "dora", "hi")), "a group is")
      },
      ["alice", "bob", "Bob"],
    ),
  )

  it.live("asks which mesh is meant where two are joined", () =>
    scenario(async ({ broker, folder, mesh }) => {
      const other = await makeMesh(broker.origin)
      const run = inHome(
        await writeHome(folder, "alice", [
          { slug: "red", brokerUrl: broker.url, mesh },
          { slug: "blue", brokerUrl: broker.url, mesh: other },
        ]),
      )
      assert.match(
        complaint(await run("send", "bob", "hi")),
        /"bob" is in more than one mesh\. Write red:bob \([0-9a-f]{8}\) or blue:bob \([0-9a-f]{8}\)\./,
      )
      assert.match(done(await run("send", "blue:bob", "hi")), /^bob on blue: Waits until bob's session connects\. /)
    }),
  )
})

const textOf = (push: Parameters<typeof unseal>[0], keys: Keys): string => unseal(push, keys)

describe.concurrent("claudemesh inbox", () => {
  it.live("shows a message once, on one line as JSON, and harmless to a terminal", () =>
    scenario(async ({ alice, broker, mesh }) => {
      const from = mesh.member("bob")
      const to = mesh.member("alice").keys.publicKey
      const bob = await RawClient.authenticatedV2(broker.url, from)
      const say = async (id: string, text: string) => {
        bob.send(sendFrame(id, to, text, from.keys))
        await bob.take("ack")
      }
      await say("m1", "red \u001b[31mcolour\u202e and\ntwo lines")
      const shown = done(await alice("inbox"))
      assert.match(
        shown,
        /^[0-9a-f]{8} bob \([0-9a-f]{8}\) on red, just now, urgent\n {2}red \[U\+001B\]\[31mcolour\[U\+202E\] and\n {2}two lines\n/,
      )
      assert.strictEqual(done(await alice("inbox")), "No messages.\n")
      await say("m2", "first")
      await say("m3", "second")
      const lines = jsonLines(done(await alice("inbox", "--json")))
      assert.deepStrictEqual(
        lines.map(({ authenticated, text }) => ({ text, authenticated })),
        [
          { text: "first", authenticated: "text" },
          { text: "second", authenticated: "text" },
        ],
      )
      assert.deepInclude(lines[0]?.["from"], { name: "bob", publicKey: from.keys.publicKey })
      assert.strictEqual(done(await alice("inbox", "--json")), "", "nothing is no line")
      await bob.close()
    }),
  )

  it.live("follows what comes until it is ended, and what it printed is read", () =>
    scenario(async ({ alice, broker, folder, mesh }) => {
      const child = Bun.spawn([process.execPath, main, "inbox", "--follow", "--json"], {
        env: { PATH: process.env["PATH"] ?? "", HOME: "/nonexistent", CLAUDEMESH_HOME: join(folder, "alice") },
        stdin: "ignore",
        stdout: "pipe",
        stderr: "pipe",
      })
      const line = linesOf(child.stdout)
      const next = async () => JSON.parse(await line()).text
      const from = mesh.member("bob")
      const bob = await RawClient.authenticatedV2(broker.url, from)
      for (const text of ["one", "two"]) {
        bob.send(sendFrame(text, mesh.member("alice").keys.publicKey, text, from.keys))
        assert.strictEqual(await next(), text)
      }
      child.kill("SIGINT")
      assert.strictEqual(await child.exited, 130)
      assert.match(
        await new Response(child.stderr).text(),
        /^claudemesh: Following red\. Ctrl-C ends this\.\nclaudemesh: Ended: it was told to stop\.\n$/,
      )
      assert.strictEqual(done(await alice("inbox")), "No messages.\n")
      await bob.close()
    }),
  )
})
