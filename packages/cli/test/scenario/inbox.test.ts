/** `claudemesh inbox` and `claudemesh outbox` with real processes, pipes and a broker that comes and goes. */
import { Database } from "bun:sqlite"
import { openSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { brokerProcess } from "../../../broker/test/support/BrokerProcess.ts"
import { makeMesh, type TestMesh } from "../../../broker/test/support/Meshes.ts"
import { RawClient, sendFrame } from "../../../broker/test/support/RawClient.ts"
import { tableSizes } from "../../../broker/test/support/StoredData.ts"
import { startBroker, temporaryFolder } from "../../../broker/test/support/TestBroker.ts"
import { agent, claudemesh, done, main, type Ran, ranOf, startedWith, waitNotice } from "../support/Agent.ts"
import { writeHome } from "../support/Homes.ts"
import { linesOf } from "../support/Lines.ts"

const environment = (home: string) => ({
  ...startedWith(["inbox"]),
  CLAUDEMESH_HOME: home,
  BUN: process.execPath,
  MAIN: main,
})

/** A line as a person types it: `inbox` stands for the command. */
const shell = async (home: string, line: string): Promise<Ran> => {
  const child = Bun.spawn(["sh", "-c", line.replaceAll("inbox", '"$BUN" "$MAIN" inbox')], {
    env: environment(home),
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  })
  return ranOf(child)
}

/** `inbox` with a stdout that no shell makes. */
const intoDescriptor = async (home: string, stdout: number): Promise<Ran> => {
  const child = Bun.spawn([process.execPath, main, "inbox"], {
    env: environment(home),
    stdin: "ignore",
    stdout,
    stderr: "pipe",
  })
  const [stderr, code] = await Promise.all([new Response(child.stderr).text(), child.exited])
  return { code, stdout: "", stderr: stderr.replaceAll(waitNotice, "") }
}

const sayAll = async (url: string, mesh: TestMesh, texts: ReadonlyArray<string>, to = "alice") => {
  const from = mesh.member("bob")
  const bob = await RawClient.authenticatedV2(url, from)
  for (const [index, text] of texts.entries()) {
    bob.send(sendFrame(`m${index}`, mesh.member(to).keys.publicKey, text, from.keys))
    await bob.take("ack")
  }
  await bob.close()
}

const numbered = (count: number) => Array.from({ length: count }, (_, index) => `message ${index}`)

const textsIn = (ran: Ran): ReadonlyArray<string> =>
  done(ran)
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line).text)

// Each has a broker of its own, and mostly waits.
describe.concurrent("claudemesh inbox", () => {
  it.live("confirms what stdout has taken, and nothing else (I8)", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const broker = yield* startBroker()
        const folder = yield* temporaryFolder
        yield* Effect.promise(async () => {
          const mesh = await makeMesh(broker.origin, ["alice", "bob"])
          const home = await writeHome(folder, "alice", [{ slug: "red", brokerUrl: broker.url, mesh }])
          const all = numbered(30)
          await sayAll(broker.url, mesh, all)

          const full = await shell(home, "inbox > /dev/full")
          assert.strictEqual(full.code, 1)
          assert.match(
            full.stderr,
            /^claudemesh: The output could not be written: no space is left .* still waits\.\n$/,
          )

          // What nobody can have seen: closed, a folder, open for reading alone, ignored by whoever started it.
          const folderAsStdout = openSync(folder, "r")
          const nobody = Promise.all([
            shell(home, "inbox >&-"),
            shell(home, "inbox <&- >&-"),
            shell(home, "inbox 1</dev/null"),
            shell(home, "mkfifo line; sleep 0.5 >line 2>&1 & inbox 1<line".replaceAll("line", join(folder, "line"))),
            shell(home, "inbox 1<>/dev/null"),
            intoDescriptor(home, folderAsStdout),
          ])
          for (const { code, stderr, stdout } of await nobody) {
            assert.deepStrictEqual({ code, stdout }, { code: 1, stdout: "" })
            assert.match(
              stderr,
              /^claudemesh: The output could not be written: stdout is .*\. What was not written still waits\.\n$/,
            )
          }

          const peeked = await shell(home, "inbox --peek --json")
          assert.deepStrictEqual(textsIn(peeked), all)
          assert.notInclude(peeked.stdout, '"redelivered":true')

          // A message for people has a header in a line of its own.
          const cut = await shell(home, "inbox | head -1")
          assert.match(cut.stdout, /^[0-9a-f]{8} .*\n$/)
          assert.strictEqual(cut.stderr, "")

          const head = await shell(home, "inbox --json | head -1")
          assert.strictEqual(JSON.parse(head.stdout).text, "message 0")
          assert.strictEqual(head.stderr, "")

          const rest = await shell(home, "inbox --json")
          assert.deepStrictEqual(textsIn(rest), all.slice(1))
          assert.strictEqual(done(await shell(home, "inbox")), "No messages.\n")

          // What was not sent is told, too, and not as long as nobody can have seen it.
          const state = new Database(join(home, "state.db"))
          state
            .query(
              "INSERT INTO outbox_problem VALUES (?, ?, ?, 's', 'carol', 'carol', 'expired', 'too late', 1, NULL, NULL, NULL)",
            )
            .run("ab".repeat(16), mesh.member("alice").meshId, mesh.member("alice").keys.publicKey)
          state.close()
          const refused = done(await claudemesh(["message-status", "ab".repeat(16)], { CLAUDEMESH_HOME: home }))
          assert.match(refused, /^Not sent: the message to carol on red, written .*, was refused: too late\n$/)
          await Promise.all([shell(home, "inbox 2>/dev/full"), shell(home, "inbox 2>&-")])
          const notSent = /^claudemesh: red: Not sent: your message to carol \(abababab\) was refused: too late\n$/
          assert.match((await shell(home, "inbox")).stderr, notSent)
          assert.strictEqual((await shell(home, "inbox")).stderr, "")

          const history = textsIn(await shell(home, "inbox --history --json"))
          assert.deepStrictEqual(history.toSorted(), all.toSorted())
          const pairs = ["--history --peek", "--peek --follow", "--follow --history"]
          for (const both of await Promise.all(pairs.map((flags) => shell(home, `inbox ${flags}`)))) {
            assert.deepInclude(both, { code: 2, stdout: "" })
            assert.match(both.stderr, /^claudemesh: Give only one of --follow, --peek and --history\.\n/)
          }
        })
      }),
    ),
  )

  it.live("gets what waits unshown in an agent that never looks, and says what waits for that agent alone", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const broker = yield* startBroker()
        const folder = yield* temporaryFolder
        const mesh = yield* Effect.promise(() => makeMesh(broker.origin, ["alice", "bob"]))
        const home = yield* Effect.promise(() =>
          writeHome(folder, "alice", [{ slug: "red", brokerUrl: broker.url, mesh }]),
        )
        const idle = yield* agent(home, { CLAUDE_CODE_SESSION_ID: "idle-agent" })
        yield* Effect.promise(async () => {
          await idle.callUntil("list_peers", ({ text }) => text.includes("idle-age"))
          await sayAll(broker.url, mesh, ["to whoever looks"])
          const from = mesh.member("bob")
          const bob = await RawClient.authenticatedV2(broker.url, from)
          const key = mesh.member("alice").keys.publicKey
          bob.send(sendFrame("for-the-agent", `${key}/idle-agent`, "to the agent alone", from.keys))
          await bob.take("ack")
          await bob.close()

          const shown = await shell(home, "inbox --json")
          assert.deepStrictEqual(shown.code, 0)
          assert.strictEqual(JSON.parse(shown.stdout).text, "to whoever looks")
          assert.include(shown.stdout, '"redelivered":false')
          assert.match(
            shown.stderr,
            /^claudemesh: red: 1 message waits in your session idle-agent: sent to that session alone, or being read there\. It is connected: its agent gets them\.\n$/,
          )

          const { text } = await idle.call("check_messages")
          assert.include(text, "to the agent alone")
          assert.notInclude(text, "to whoever looks")

          // What was sent to a session alone that is away is said, and had when it is asked for.
          await (
            await RawClient.authenticatedV2(broker.url, mesh.member("alice"), { sessionId: "0a1b2c3d-gone" })
          ).close()
          const again = await RawClient.authenticatedV2(broker.url, from)
          again.send(sendFrame("for-the-gone", `${key}/0a1b2c3d-gone`, "to one that is gone", from.keys))
          await again.take("ack")
          await again.close()
          const said = await shell(home, "inbox")
          assert.strictEqual(said.stdout, "No messages.\n")
          assert.match(said.stderr, /red: 1 message waits in your session 0a1b2c3d, which is away: .* inbox --take\n$/)
          const taken = await shell(home, "inbox --take")
          assert.match(
            taken.stdout,
            /^[0-9a-f]{8} bob \([0-9a-f]{8}\) on red, just now, urgent\n {2}to one that is gone\n\n$/,
          )
          assert.notInclude(taken.stderr, "0a1b2c3d")
        })
      }),
    ),
  )

  it.live("follows a broker that goes and comes back, and ends with 1 when its member is revoked", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const folder = yield* temporaryFolder
        const broker = yield* brokerProcess({ BROKER_DATA_DIR: join(folder, "data") })
        yield* Effect.promise(async () => {
          const ann = (...args: ReadonlyArray<string>) => claudemesh(args, { CLAUDEMESH_HOME: join(folder, "ann") })
          const bob = (...args: ReadonlyArray<string>) => claudemesh(args, { CLAUDEMESH_HOME: join(folder, "bob") })
          done(await ann("create", "team", "--as", "Ann", "--broker", broker.url))
          const { link } = JSON.parse(done(await ann("invite", "--json")))
          done(await bob("join", link, "--as", "Bob"))
          const child = Bun.spawn([process.execPath, main, "inbox", "--follow", "--json"], {
            env: environment(join(folder, "bob")),
            stdin: "ignore",
            stdout: "pipe",
            stderr: "pipe",
          })
          const line = linesOf(child.stdout)
          const next = async () => JSON.parse(await line()).text
          done(await ann("send", "Bob", "before"))
          assert.strictEqual(await next(), "before")

          await broker.kill()
          const waiting = await ann("send", "Bob", "while it was away")
          assert.strictEqual(waiting.code, 0)
          assert.match(waiting.stdout, /^waiting: the message to Bob on team is on this machine \([0-9a-f]{32}\)\n$/)
          assert.match(waiting.stderr, /claudemesh outbox|main\.ts outbox/)
          const cancelled = JSON.parse(done(await ann("outbox", "--json")))[0]
          assert.deepInclude(cancelled, { mesh: "team", to: "Bob", state: "waiting" })
          const status = await ann("message-status", cancelled.messageId)
          assert.strictEqual(status.code, 0)
          assert.strictEqual(
            status.stdout,
            "Not sent yet: the message to Bob on team, written just now, waits on this machine to be sent.\n",
          )
          const later = await ann("send", "Bob", "sent by the next command", "--json")
          assert.include(JSON.parse(done({ ...later, stderr: "" })), { mesh: "team", state: "waiting" })
          assert.include(JSON.parse(later.stderr), { code: "refused" })
          assert.match(done(await ann("outbox", "cancel", cancelled.messageId.slice(0, 8))), /^Cancelled: /)

          for (const text of ["and this", "and that"]) assert.strictEqual((await ann("send", "Bob", text)).code, 0)

          await broker.start()
          done(await ann("peers"))
          assert.strictEqual(done(await ann("outbox")), "Nothing waits to be sent.\n")
          done(await ann("send", "Bob", "after"))
          for (const text of ["sent by the next command", "and this", "and that"])
            assert.strictEqual(await next(), text)
          assert.strictEqual(await next(), "after")

          // Any command that reaches the broker sends all that waits, and says what is left of it.
          await broker.kill()
          for (const text of ["1", "2", "3"]) assert.strictEqual((await ann("send", "Bob", text)).code, 0)
          await broker.start()
          assert.notMatch(done(await ann("status")), /to be sent/)
          const never = await ann("message-status", cancelled.messageId)
          assert.match(
            never.stderr,
            /which was written on this machine: it was refused or cancelled and never sent, or/,
          )
          for (const text of ["1", "2", "3"]) assert.strictEqual(await next(), text)
          assert.strictEqual(done(await ann("outbox")), "Nothing waits to be sent.\n")

          done(await ann("revoke", "Bob", "--yes"))
          assert.strictEqual(await child.exited, 1)
          const said = await new Response(child.stderr).text()
          assert.match(said, /^claudemesh: team: The connection is lost: .* It is tried again\.$/m)
          assert.match(said, /^claudemesh: team: Connected again\.$/m)
          assert.match(said, /^claudemesh: .*(revoked|put out)/m)

          // A dozen commands have sent, asked and read: none of them is remembered as a session (I13).
          await broker.kill()
          assert.strictEqual(tableSizes(join(folder, "data"))["session"], 0)
        })
      }),
    ),
  )
})
