/** `peers --watch` and `status --watch` with real processes: in a pipe, and on a terminal of their own. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { type Ran, ranOf, main } from "../support/Agent.ts"
import { stage } from "../support/Stage.ts"

const environment = (home: string) => ({
  PATH: process.env["PATH"] ?? "",
  HOME: "/nonexistent",
  CLAUDEMESH_HOME: home,
  TERM: "xterm",
})

const until = async (what: string, isSo: () => boolean): Promise<void> => {
  const deadline = performance.now() + 20_000
  while (!isSo()) {
    if (performance.now() > deadline) throw new Error(`never seen: ${what}`)
    await Bun.sleep(20)
  }
}

/** A command in a terminal of 70 columns, and what that terminal was sent. */
const inTerminal = (home: string, args: ReadonlyArray<string>) => {
  const seen = { text: "" }
  const decoder = new TextDecoder()
  const child = Bun.spawn([process.execPath, main, ...args], {
    env: environment(home),
    terminal: { cols: 70, rows: 8, data: (_, bytes) => void (seen.text += decoder.decode(bytes, { stream: true })) },
  })
  return { child, seen }
}

/** A command whose lines are read as they come. */
const inPipe = (home: string, args: ReadonlyArray<string>) => {
  const child = Bun.spawn([process.execPath, main, ...args], {
    env: environment(home),
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  })
  const lines: Array<string> = []
  const said = { text: "" }
  const reading = async (stream: ReadableStream<Uint8Array>, take: (text: string) => void) => {
    const decoder = new TextDecoder()
    for await (const bytes of stream) take(decoder.decode(bytes, { stream: true }))
  }
  let rest = ""
  const ended = Promise.all([
    reading(child.stdout, (text) => {
      const parts = (rest + text).split("\n")
      rest = parts.pop() ?? ""
      lines.push(...parts)
    }),
    reading(child.stderr, (text) => void (said.text += text)),
  ])
  return { child, lines, said, ended }
}

describe("claudemesh --watch", () => {
  it.live("shows who comes, changes and goes: a table in place on a terminal, a line each in a pipe", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const { home, raw } = yield* stage()
        const folder = yield* home("alice")
        yield* Effect.promise(async () => {
          const table = inTerminal(folder, ["peers", "--watch"])
          const pipe = inPipe(folder, ["peers", "--watch"])
          const data = inPipe(folder, ["status", "--watch", "--json"])
          const terminal = table.child.terminal ?? assert.fail("it has one")
          const isShown = (text: string) => () =>
            table.seen.text.slice(table.seen.text.lastIndexOf("\u001b[H")).includes(text)
          await until("the table", isShown("bob "))
          await until("the state", () => data.lines.length === 1)
          await until("the list in the pipe", () => pipe.lines.length === 2)
          const bob = await raw("bob", "0123456789-abc")
          await until("bob in the table", isShown("01234567\u001b"))
          await until("bob in the pipe", () => pipe.lines.length === 3)
          bob.send({ type: "set_status", status: "dnd" })
          await until("dnd", () => isShown("dnd")() && pipe.lines.length === 4)

          terminal.resize(30, 3)
          await until("another size", isShown("\u001b[1mMESH  NAME"))
          bob.socket.close(1000)
          await until("bob away", () => pipe.lines.length === 5)

          // It begins with who is in the mesh; later only sessions come and go.
          assert.deepStrictEqual(
            pipe.lines.map((line) =>
              line.replace(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ {2}/, "at ").replace(/\([0-9a-f]{8}\)/, "(key)"),
            ),
            [
              "at here     red  alice (key)  away",
              "at here     red  bob (key)  away",
              "at joined   red  bob (key)  01234567  idle",
              "at changed  red  bob (key)  01234567  dnd",
              "at left     red  bob (key)  01234567",
            ],
          )
          assert.deepInclude(JSON.parse(data.lines[0] ?? ""), {
            event: "here",
            mesh: "red",
            connected: true,
            waiting: 0,
          })

          terminal.write("\u0003")
          pipe.child.kill("SIGINT")
          data.child.kill("SIGTERM")
          assert.deepStrictEqual(
            await Promise.all([table.child.exited, pipe.child.exited, data.child.exited]),
            [130, 130, 143],
          )
          const { text } = table.seen
          assert.isTrue(text.startsWith("\u001b[?1049h\u001b[?25l"))
          assert.isAbove(text.lastIndexOf("\u001b[?25h\u001b[?1049l"), text.lastIndexOf("\u001b[?2026h"))
          for (const picture of text.split("\u001b[?2026h").slice(1)) assert.include(picture, "\u001b[?2026l")
          await Promise.all([pipe.ended, data.ended])
          assert.strictEqual(pipe.said.text, "")
        })
      }),
    ),
  )

  it.live("ends when nobody reads it any more, and says on stderr that a connection is lost", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const { home, red } = yield* stage()
        const folder = yield* home("alice")
        const nowhere = yield* home("bob", [{ ...red, brokerUrl: "ws://127.0.0.1:1/ws" }])
        yield* Effect.promise(async () => {
          const read = async (home: string): Promise<Ran> =>
            ranOf(
              Bun.spawn(["sh", "-c", '"$BUN" "$MAIN" status --watch | head -1'], {
                env: { ...environment(home), BUN: process.execPath, MAIN: main },
                stdin: "ignore",
                stdout: "pipe",
                stderr: "pipe",
              }),
            )
          const [there, away] = await Promise.all([read(folder), read(nowhere)])
          assert.match(there.stdout, /^\S+Z {2}red {2}connected {2}0 waiting {2}-\n$/)
          assert.strictEqual(there.stderr, "")
          assert.match(away.stdout, /^\S+Z {2}red {2}away {2}- waiting {2}-\n$/)
          assert.match(away.stderr, /^claudemesh: red: Not connected: .*\. It is tried again\.\n$/)
        })
      }),
    ),
  )
})
