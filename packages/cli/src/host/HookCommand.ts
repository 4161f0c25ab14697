/**
 * What a hook of Codex CLI or Gemini CLI starts: it reads what the host says, asks the server of the same host process, and prints the
 * answer in the host's form. It is quick, so it loads no library. Whatever goes wrong it says nothing and exits 0: a hook that
 * fails stands on the person's screen at each step, and the tools say what is wrong.
 */
import { readSync, writeSync } from "node:fs"
import { connect } from "node:net"
import { homedir } from "node:os"
import { join } from "node:path"
import { hookAnswerMillis, hookInputBytesMax } from "./HookLimits.ts"
import { type HookQuestion, hookSocketsIn, otherConversation } from "./HookSocketPath.ts"
import { type HookHost, type HookInput, hookInput, hookOutput, isHookHost, silence } from "./OtherHost.ts"

/** `line`: what stands behind `hook`. */
export const runHook = async ([host]: ReadonlyArray<string>): Promise<void> => {
  const said = await (isHookHost(host) ? answerOf(host) : silence)
  try {
    writeSync(1, `${said}\n`)
  } catch {
    // The host waits no more.
  }
  process.exit(0)
}

const answerOf = async (host: HookHost): Promise<string> => {
  try {
    const fields: unknown = JSON.parse(readInput())
    const input = hookInput(host, fields)
    return input === undefined ? silence : hookOutput(host, nameIn(fields), await asked(input))
  } catch {
    return silence
  }
}

const nameIn = (fields: unknown): string =>
  typeof fields === "object" && fields !== null && "hook_event_name" in fields ? String(fields.hook_event_name) : ""

/**
 * The shell that the host has started is replaced by this process (`exec`), so the host is its parent. Of several servers there the
 * one of this conversation answers, else the oldest that has none yet.
 */
const asked = async (input: HookInput): Promise<string> => {
  const paths = homes().flatMap((home) =>
    hookSocketsIn(home)
      .filter(({ hostPid }) => hostPid === process.ppid)
      .map(({ path }) => path),
  )
  for (const path of paths) {
    const answer = await exchanged(path, { input })
    if (answer !== undefined && answer !== otherConversation) return answer
  }
  // The conversation is a new one of a host that has gone on with its server.
  const youngest = paths.at(-1)
  const answer = youngest === undefined ? undefined : await exchanged(youngest, { input, isOnlyOne: true })
  return answer === undefined || answer === otherConversation ? silence : answer
}

/** A host gives its servers less of its environment than its hooks. */
const homes = (): ReadonlyArray<string> => {
  const own = process.env["CLAUDEMESH_HOME"]
  const usual = join(process.env["HOME"] ?? homedir(), ".claudemesh")
  return own === undefined || own === "" || own === usual ? [usual] : [own, usual]
}

/** Undefined where there is no server any more, or none that answers in time. */
const exchanged = (path: string, question: HookQuestion): Promise<string | undefined> =>
  new Promise((resolve) => {
    const socket = connect(path)
    let answer = ""
    socket.setEncoding("utf8")
    socket.setTimeout(hookAnswerMillis, () => socket.destroy())
    socket.on("connect", () => void socket.write(`${JSON.stringify(question)}\n`))
    socket.on("data", (text) => void (answer += String(text)))
    socket.on("error", () => resolve(undefined))
    socket.on("close", () => resolve(answer.endsWith("\n") ? answer.slice(0, -1) : undefined))
  })

/** All that the host says, with the outcome of a tool; nothing where that is too much to be looked at. */
const readInput = (): string => {
  const chunks: Array<Uint8Array> = []
  let length = 0
  while (length <= hookInputBytesMax) {
    const chunk = Buffer.alloc(65_536)
    const read = readSync(0, chunk)
    if (read === 0) return Buffer.concat(chunks).toString("utf8")
    chunks.push(chunk.subarray(0, read))
    length += read
  }
  return ""
}
