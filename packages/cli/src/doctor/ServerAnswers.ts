/** Starts the installed server as a host's health check does, which joins no mesh, and waits for its answer to `initialize`. */
import { runIn } from "../install/Places.ts"
import { checkMillis } from "../install/Limits.ts"
import { runnableIn } from "../Runnable.ts"
import { Clock, Config, Effect, Option } from "effect"
import { Failed } from "../Failed.ts"
import { ok } from "./Finding.ts"
import * as doctorWords from "../words/doctor.ts"

const hello = {
  jsonrpc: "2.0",
  id: 1,
  method: "initialize",
  params: { protocolVersion: "2025-06-18", capabilities: {}, clientInfo: { name: "claudemesh doctor", version: "1" } },
}

export const serverAnswers = Effect.fnUntraced(function* (check: string, home: string) {
  const { bun, entry, flags } = runnableIn(runIn(home))
  const path = Option.getOrElse(yield* Config.option(Config.String("PATH")), () => "")
  const began = yield* Clock.monotonicTimeNanos
  const answer = yield* Effect.scoped(
    Effect.gen(function* () {
      const child = yield* Effect.acquireRelease(
        Effect.try({
          try: () =>
            Bun.spawn([bun, ...flags, entry, "mcp"], {
              cwd: runIn(home),
              // Without the messaging socket: so the host does, too, when it only looks.
              env: { PATH: path, CLAUDEMESH_HOME: home, CLAUDECODE: "1" },
              stdio: [Buffer.from(`${JSON.stringify(hello)}\n`), "pipe", "pipe"],
            }),
          catch: (error) => new Failed({ reason: `${bun} cannot be run: ${String(error)}` }),
        }),
        (running) => Effect.sync(() => running.kill()),
      )
      return yield* Effect.promise(() => firstLine(child.stdout))
    }),
  ).pipe(Effect.timeoutOption(checkMillis - 500))
  const took = Number(((yield* Clock.monotonicTimeNanos) - began) / 1_000_000n)
  if (!Option.exists(answer, (line) => line.includes('"serverInfo"'))) {
    return yield* new Failed({ reason: doctorWords.doesNotAnswerAsAnMcpServer(entry) })
  }
  return ok(check, `${entry} answers in ${took} ms`)
})

const firstLine = async (stream: ReadableStream<Uint8Array>): Promise<string> => {
  let text = ""
  const decoder = new TextDecoder()
  for await (const bytes of stream) {
    text += decoder.decode(bytes, { stream: true })
    if (text.includes("\n")) break
  }
  return text
}
