/** What a person reads where something fails, is called wrongly, or is begun: one broker, and the homes that the scripts make. */
import { createServer } from "node:net"
import { join } from "node:path"
import { it } from "@effect/vitest"
import { Effect } from "effect"
import { startBroker, temporaryFolder } from "../../../broker/test/support/TestBroker.ts"
import { playTranscript } from "./Transcript.ts"

/** What else may listen on a port: no broker, one that is starting, and one that says nothing. */
const others = Effect.gen(function* () {
  let asked = 0
  const answering = (status: () => number) =>
    Effect.acquireRelease(
      Effect.sync(() =>
        Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: () => new Response("", { status: status() }) }),
      ),
      (server) => Effect.promise(() => server.stop(true)),
    )
  const other = yield* answering(() => 404)
  const starting = yield* answering(() => (++asked === 1 ? 503 : 404))
  const silent = yield* Effect.acquireRelease(
    Effect.callback<ReturnType<typeof createServer>>((resume) => {
      const server = createServer((socket) => void socket.on("error", () => undefined))
      server.listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
    }),
    (server) => Effect.sync(() => void server.close()),
  )
  const address = silent.address()
  return {
    OTHER: `ws://127.0.0.1:${other.port}`,
    OTHER_PORT: String(other.port),
    STARTING: `ws://127.0.0.1:${starting.port}`,
    SILENT: `ws://127.0.0.1:${typeof address === "object" ? address?.port : 0}`,
  }
})

/** Of the machine: the test runner puts another one, which is itself, before it. */
const node = (): string => {
  const path = (process.env["PATH"] ?? "").split(":").filter((folder) => !folder.includes("bun-node"))
  return Bun.which("node", { PATH: path.join(":") }) ?? "node"
}

const launcher = join(import.meta.dirname, "../../bin/claudemesh.mjs")

for (const name of ["failure", "usage", "joining", "habits"]) {
  it.live(`${name}: what is typed and printed is as the transcript has it`, () =>
    Effect.scoped(
      Effect.gen(function* () {
        const broker = yield* startBroker()
        const folder = yield* temporaryFolder
        const environment = {
          CLAUDEMESH_BROKER: broker.url,
          NODE: node(),
          LAUNCHER: launcher,
          ...(name === "failure" ? yield* others : {}),
        }
        yield* Effect.promise(() => playTranscript(`${name}.txt`, folder, environment))
      }),
    ),
  )
}
