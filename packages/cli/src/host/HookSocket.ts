/**
 * Listens for the hooks of a host that has commands for hooks, on a socket in the home that this user alone can open. One line comes, one
 * goes, and the connection ends. It answers for one conversation of its host, the first that asks, until a hook says that there is no
 * other server for it. What is handed over counts as left once it is written.
 */
import { chmodSync, mkdirSync, unlinkSync } from "node:fs"
import { createServer, type Socket } from "node:net"
import { home } from "@claudemesh/client/local/Home"
import { Processes } from "@claudemesh/client/local/Processes"
import { Effect, Schema } from "effect"
import type { ToolResult } from "../mcp/Tool.ts"
import type { RequestId } from "../mcp/Unconfirmed.ts"
import { otherHost } from "./ClaudeCode.ts"
import { HookEvent } from "./HookMoment.ts"
import { hooksFolderIn, hookSocketIn, hookSocketsIn, otherConversation, socketPathBytesMax } from "./HookSocketPath.ts"
import { hookConnectionMillis, hookConnectionsMax, hookLineBytesMax } from "./Limits.ts"
import * as hostWords from "../words/host.ts"

export interface Hooks {
  readonly call: (input: unknown, id: RequestId) => Effect.Effect<ToolResult>
  readonly leaving: (id: RequestId) => void
  readonly cancelled: (id: RequestId) => Effect.Effect<void>
}

/** Until its scope ends. Nothing is done under a host without such hooks. */
export const listenForHooks = (hooks: Hooks) =>
  Effect.gen(function* () {
    if ((yield* otherHost) === undefined) return
    const { hasEnded, own } = yield* Processes
    const directory = yield* home
    const path = hookSocketIn(directory, process.ppid, process.pid)
    if (Buffer.byteLength(path) > socketPathBytesMax) {
      return yield* Effect.logWarning(hostWords.thePathOfTheHomeIsToo, {
        path,
      })
    }
    for (const old of hookSocketsIn(directory)) {
      if (hasEnded({ pid: old.pid, host: own.host })) yield* Effect.ignore(Effect.try(() => unlinkSync(old.path)))
    }
    yield* Effect.acquireRelease(listening(hooksFolderIn(directory), path, conversationOf(hooks)), (server) =>
      Effect.sync(() => void server.close()),
    )
    yield* Effect.never
  }).pipe(Effect.catchCause((cause) => Effect.logWarning(hostWords.noHooksOfThisHostAreHeard, cause)))

type Answered = (line: string, socket: Socket) => Effect.Effect<void, { readonly message: string }>

const decode = Schema.decodeUnknownEffect(
  Schema.fromJsonString(
    Schema.Struct({
      input: Schema.Struct({ event: HookEvent, session_id: Schema.String }),
      isOnlyOne: Schema.optionalKey(Schema.Boolean),
    }),
  ),
)

const conversationOf = ({ call, cancelled, leaving }: Hooks): Answered => {
  let conversation: string | undefined
  let count = 0
  return Effect.fnUntraced(function* (line, socket) {
    const { input, isOnlyOne = false } = yield* decode(line)
    const session = input.session_id
    if (conversation !== undefined && conversation !== session && !isOnlyOne) {
      return yield* written(socket, otherConversation)
    }
    conversation = session
    count += 1
    const id = `claudemesh-hook-${count}`
    const { text } = yield* call(input, id)
    // A hook that is gone, such as one that its host has waited for too long, takes nothing with it.
    if (socket.destroyed || socket.readyState !== "open") return yield* cancelled(id)
    leaving(id)
    yield* written(socket, text)
  })
}

const written = (socket: Socket, text: string): Effect.Effect<void> => Effect.sync(() => void socket.end(`${text}\n`))

const listening = Effect.fnUntraced(function* (folder: string, path: string, answered: Answered) {
  const run = Effect.runForkWith(yield* Effect.context<never>())
  return yield* Effect.tryPromise(
    () =>
      new Promise<ReturnType<typeof createServer>>((resolve, reject) => {
        mkdirSync(folder, { recursive: true, mode: 0o700 })
        chmodSync(folder, 0o700)
        const server = createServer((socket) => {
          let line = ""
          socket.setEncoding("utf8")
          const tooLong = run(
            Effect.andThen(
              Effect.sleep(hookConnectionMillis),
              Effect.sync(() => socket.destroy()),
            ),
          )
          socket.once("close", () => tooLong.interruptUnsafe())
          socket.on("error", () => void socket.destroy())
          socket.on("data", (text) => {
            const isWhole = line.includes("\n")
            line += String(text)
            if (line.length > hookLineBytesMax) socket.destroy()
            else if (!isWhole && line.includes("\n"))
              run(Effect.ignoreCause(answered(line.split("\n")[0] ?? "", socket)))
          })
        })
        server.maxConnections = hookConnectionsMax
        server.once("error", reject)
        server.listen(path, () => {
          chmodSync(path, 0o600)
          // It keeps no process that has nothing else to do.
          server.unref()
          resolve(server)
        })
      }),
  )
})
