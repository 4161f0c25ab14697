/** An agent's host: the SDK's own client, and the `claudemesh mcp` process it starts over stdio. */
import { join } from "node:path"
import { assert } from "@effect/vitest"
import { Client } from "@modelcontextprotocol/sdk/client/index.js"
import { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js"
import { Effect } from "effect"

/** The build, where the tests made one; else the sources. */
export const main = process.env["CLAUDEMESH_TESTED"] ?? join(import.meta.dirname, "../../src/main.ts")

/** What the launchers tell Bun of its compilers, which is a fifth of the work of a start. */
export const launchersSet = ([first]: ReadonlyArray<string>): Readonly<Record<string, string>> => {
  if (first === "mcp")
    return { BUN_JSC_useDFGJIT: "0", BUN_JSC_useOMGJIT: "0", BUN_JSC_thresholdForJITAfterWarmUp: "4000" }
  if (first === "broker") return {}
  return { BUN_JSC_thresholdForJITAfterWarmUp: "4000", BUN_JSC_thresholdForOptimizeAfterWarmUp: "10000" }
}

/** The environment of a command by its words, for one that no launcher starts; a test adds its own. */
export const startedWith = (args: ReadonlyArray<string>) => ({
  PATH: process.env["PATH"] ?? "",
  HOME: "/nonexistent",
  ...launchersSet(args),
})

export interface Answer {
  readonly text: string
  readonly isError: boolean
}

/** A message, or a part of one, as a model is shown it. */
export interface Shown {
  readonly text: string
  readonly label: Readonly<Record<string, string | undefined>>
}

/** The tags of an answer, which it says before any word of a peer. */
export const tagIn = ({ text }: Pick<Answer, "text">): string =>
  /^[^\n]*<(peer-message-[0-9a-f]{16}) …>/m.exec(text)?.[1] ?? "no messages"

export const messagesOf = (answer: Answer): ReadonlyArray<Shown> =>
  answer.text
    .split(`\n</${tagIn(answer)}>`)
    .slice(0, -1)
    .map((before) => {
      const [, label = "", body = ""] = new RegExp(`<${tagIn(answer)} ([^\\n]*)>\\n([^]*)$`).exec(before) ?? []
      return {
        text: body,
        label: Object.fromEntries([...label.matchAll(/(\w+)="([^"]*)"/g)].map(([, name = "", value]) => [name, value])),
      }
    })

export const textsOf = (answer: Answer): ReadonlyArray<string> => messagesOf(answer).map(({ text }) => text)

export const some = (answer: Answer): boolean => messagesOf(answer).length > 0

/** By which the next call confirms this answer. */
export const cursorOf = ({ text }: Answer): string => /\{"cursor": "([0-9a-f]+)"\}/.exec(text)?.[1] ?? assert.fail(text)

export const messageIdOf = ({ text }: Answer): string =>
  /Message id ([0-9a-f]{32}), /.exec(text)?.[1] ?? assert.fail(text)

export interface Agent {
  readonly client: Client
  readonly call: (tool: string, input?: Readonly<Record<string, unknown>>) => Promise<Answer>
  /** Calls until the answer fits, as an agent that looks again. */
  readonly callUntil: (
    tool: string,
    fits: (answer: Answer) => boolean,
    input?: Readonly<Record<string, unknown>>,
  ) => Promise<Answer>
  /** What the server wrote to stdout that is no MCP. */
  readonly strayOutput: ReadonlyArray<Error>
  readonly close: () => Promise<void>
  /** As `kill -9`: nothing is said or written any more. */
  readonly kill: () => void
}

const textOf = (content: unknown): string =>
  Array.isArray(content) ? content.map((part: { readonly text?: string }) => part.text ?? "").join("\n") : ""

const start = async (
  home: string,
  environment: Readonly<Record<string, string>>,
  flags: ReadonlyArray<string>,
): Promise<Agent> => {
  const transport = new StdioClientTransport({
    command: process.execPath,
    args: [main, "mcp", ...flags],
    env: { ...startedWith(["mcp"]), CLAUDEMESH_HOME: home, ...environment },
    stderr: "ignore",
  })
  const client = new Client({ name: "test-host", version: "1" })
  const strayOutput: Array<Error> = []
  client.onerror = (error) => void strayOutput.push(error)
  await client.connect(transport)
  const call: Agent["call"] = async (name, input = {}) => {
    const result = await client.callTool({ name, arguments: input })
    const text = textOf(result.content)
    // Hosts show a model the data alone, where there is any.
    if (name !== "message_status" || result.isError === true) assert.isUndefined(result.structuredContent)
    else
      assert.include(
        text,
        String(Object.entries(result.structuredContent ?? {}).find(([key]) => key === "summary")?.[1]),
      )
    assert.isAtMost(text.length, 20_000)
    return { text, isError: result.isError === true }
  }
  return {
    client,
    call,
    callUntil: async (tool, fits, input) => {
      const deadline = performance.now() + 60_000
      while (true) {
        const answer = await call(tool, input)
        if (fits(answer)) return answer
        if (performance.now() > deadline) throw new Error(`${tool} never answered as expected: ${answer.text}`)
        await Bun.sleep(50)
      }
    },
    strayOutput,
    close: () => client.close(),
    kill: () => {
      if (transport.pid !== null) process.kill(transport.pid, "SIGKILL")
    },
  }
}

export const agent = (
  home: string,
  environment: Readonly<Record<string, string>> = {},
  flags: ReadonlyArray<string> = [],
) =>
  Effect.acquireRelease(
    Effect.promise(() => start(home, environment, flags)),
    (running) => Effect.promise(() => running.close()),
  )

export interface Ran {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

/** Somebody whom git calls Tess. */
export const person = join(import.meta.dirname, "person.gitconfig")

/** Runs the command as a person would, in a home of its own. */
export const claudemesh = async (
  args: ReadonlyArray<string>,
  environment: Readonly<Record<string, string>> = {},
): Promise<Ran> => {
  const child = Bun.spawn([process.execPath, main, ...args], {
    env: {
      ...startedWith(args),
      GIT_CONFIG_GLOBAL: person,
      CLAUDEMESH_STARTED_AS: "claudemesh",
      ...environment,
    },
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  })
  return ranOf(child)
}

/** What a process did, once it has ended. */
export const ranOf = async (child: Bun.Subprocess<"ignore", "pipe", "pipe">): Promise<Ran> => {
  const [stdout, stderr, code] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ])
  return { code, stdout, stderr: stderr.replaceAll(waitNotice, "") }
}

/** On a busy machine half a second is over soon. */
export const waitNotice = /^claudemesh: Waiting for the broker .*\n/gm

/** Did what it was asked. */
export const done = ({ code, stderr, stdout }: Ran): string => {
  assert.strictEqual(code, 0, stderr)
  return stdout
}

/** One line for a person, and nothing done. */
export const complaint = ({ code, stderr, stdout }: Ran): string => {
  assert.deepStrictEqual({ code, stdout }, { code: 1, stdout: "" })
  assert.match(stderr, /^claudemesh: [^\n]+\n$/)
  return stderr
}
