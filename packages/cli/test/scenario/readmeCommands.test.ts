/**
 * Every command that the README writes in its sentences and tables, run in the order of a story: with a mesh, two people and an agent's
 * host. A command that is written there and not here fails the test.
 */
import { mkdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { assert, it } from "@effect/vitest"
import { Effect } from "effect"
import { freePort } from "../../../broker/test/support/BrokerProcess.ts"
import { startBroker, temporaryFolder } from "../../../broker/test/support/TestBroker.ts"
import { launchersSet, main, ranOf } from "../support/Agent.ts"
import { claudeIn } from "../support/FakeClaude.ts"
import { linesOf } from "../support/Lines.ts"

const readme = readFileSync(join(import.meta.dirname, "../../../../README.md"), "utf8")
const written = new Set([...readme.matchAll(/`(claudemesh [^`]*)`/g)].map(([, command = ""]) => command))

/** It is told to stop once it has said something. */
const untilTold = async (
  child: ReturnType<typeof Bun.spawn<"ignore", "pipe", "pipe">>,
  { command, says, until }: Pick<Typed, "command" | "says" | "until">,
  code: number,
): Promise<string> => {
  const line = await Promise.race([linesOf(child.stdout)(), linesOf(child.stderr)()])
  child.kill(until)
  assert.strictEqual(await child.exited, code, command)
  if (says !== undefined) assert.match(line, says, command)
  return line
}

interface Typed {
  /** As the README has it. */
  readonly command: string
  /** For what stands in angle brackets there. */
  readonly put?: Readonly<Record<string, string>>
  /** What a script adds, since nobody can be asked. */
  readonly and?: ReadonlyArray<string>
  readonly by?: "bob" | "carl" | "dana"
  readonly code?: number
  readonly says?: RegExp
  /** It runs until it is told to stop: by this. */
  readonly until?: NodeJS.Signals
}

it.live("every command of the README does what it is said to do", () =>
  Effect.scoped(
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const broker = yield* startBroker()
      const elsewhere = yield* startBroker()
      yield* Effect.promise(async () => {
        const bin = join(folder, "bin")
        for (const name of ["bin", "alice", "bob", "carl", "dana", "alice/.claude"])
          mkdirSync(join(folder, name), { mode: 0o700 })
        const port = String(await freePort())
        const environment = (home: string) => ({
          PATH: `${bin}:/usr/bin:/bin`,
          HOME: join(folder, home),
          CLAUDEMESH_STARTED_AS: "claudemesh",
          CLAUDEMESH_STARTED_IN: folder,
          CLAUDEMESH_BROKER: broker.origin,
          CLAUDEMESH_PASSPHRASE: "five words of a test here",
          BROKER_DATA_DIR: home === "carl" ? join(folder, "carl/broker") : broker.dataDir,
          BROKER_PORT: port,
        })
        await claudeIn(bin)
        const spawn = (home: string, args: ReadonlyArray<string>) =>
          Bun.spawn([process.execPath, main, ...args], {
            cwd: folder,
            env: { ...launchersSet(args), ...environment(home) },
            stdin: "ignore",
            stdout: "pipe",
            stderr: "pipe",
          })
        const typed = new Set<string>()
        const type = async ({ and = [], by, code = 0, command, put = {}, says, until }: Typed): Promise<string> => {
          assert.isTrue(written.has(command), `the README has no ${command}`)
          typed.add(command)
          const args = command.split(" ").slice(1)
          const child = spawn(by ?? "alice", [...args.map((word) => put[word] ?? word), ...and])
          if (until !== undefined) return untilTold(child, { command, until, ...(says && { says }) }, code)
          const { code: ended, stderr, stdout } = await ranOf(child)
          assert.strictEqual(ended, code, `${command}: ${stdout}${stderr}`)
          if (says !== undefined) assert.match(stdout + stderr, says, command)
          return stdout
        }

        await type({
          command: "claudemesh create my-team --broker wss://…",
          put: { "wss://…": broker.url },
          and: ["--as", "Alice"],
        })
        const link = (await type({ command: "claudemesh invite", and: ["--uses", "2"] })).trim()
        await type({ command: "claudemesh join <link>", put: { "<link>": link }, and: ["--as", "Bob"], by: "bob" })
        await type({
          command: "claudemesh send <who> <text>",
          put: { "<who>": "Alice", "<text>": "good morning" },
          by: "bob",
          says: /^Alice on my-team: Waits until Alice's session connects/,
        })
        const peeked = await type({ command: "claudemesh inbox --peek", and: ["--json"], says: /"good morning"/ })
        const { messageId } = JSON.parse(peeked)
        await type({
          command: "claudemesh reply <id> <text>",
          put: { "<id>": messageId.slice(0, 8), "<text>": "and to you" },
        })
        await type({ command: "claudemesh inbox", says: /good morning/ })
        await type({ command: "claudemesh inbox --history", says: /good morning/ })

        // What changes nothing that another one looks at.
        await Promise.all([
          type({ command: "claudemesh inbox --take", by: "bob", says: /and to you/ }),
          type({ command: "claudemesh invites", says: /2 of 2|1 of 2/ }),
          type({ command: "claudemesh whoami", says: /Alice/ }),
          type({ command: "claudemesh peers", says: /Bob/ }),
          type({ command: "claudemesh outbox", says: /^Nothing waits to be sent\./ }),
          type({ command: "claudemesh help --man", says: /^\.TH/ }),
        ])
        await Promise.all([
          type({ command: "claudemesh help", says: /invite/ }),
          type({ command: "claudemesh completion bash", says: /complete/ }),
          type({ command: "claudemesh privacy", says: /my-team|branch/ }),
          type({ command: "claudemesh verify <who>", put: { "<who>": "Bob" }, says: /\d{5} \d{5}/ }),
          type({
            command: "claudemesh broker migrate-to <url>",
            put: { "<url>": "postgres://127.0.0.1:1/mesh" },
            code: 1,
            says: /A broker is using .*Nothing was moved/,
          }),
          type({ command: "claudemesh broker backup mesh.sqlite", says: /It was looked through and is whole/ }),
          type({ command: "claudemesh audit verify", says: /whole|valid/i }),
          type({ command: "claudemesh audit head", says: /my-team: block \d+ [0-9a-f]{64}/ }),
          type({ command: "claudemesh inbox --follow", until: "SIGINT", code: 130, says: /Following my-team/ }),
          type({ command: "claudemesh peers --watch", until: "SIGINT", code: 130, by: "bob" }),
          type({ command: "claudemesh mcp" }),
          type({ command: "claudemesh mcp --channel builds" }),
        ])
        await type({ command: "claudemesh status", says: /my-team/ })
        await type({ command: "claudemesh status dnd --for 30m" })
        await type({ command: "claudemesh status idle" })
        await type({ command: "claudemesh privacy nothing" })
        await type({ command: "claudemesh invite --qr", and: ["--name", "front door"] })
        await type({ command: "claudemesh rename <who> <name>", put: { "<who>": "Bob", "<name>": "Robert" } })
        const seeded = "claudemesh seed-test-mesh --into ./homes/test"
        await type({ command: seeded })

        await type({ command: "claudemesh export <file>", put: { "<file>": "alice.id" } })
        await type({ command: "claudemesh import <file>", put: { "<file>": "alice.id" }, by: "carl", says: /my-team/ })
        const first = (await ranOf(spawn("alice", ["invite", "--uses", "1"]))).stdout.trim()
        await type({
          command: "claudemesh join <link> --allow-first-clients",
          put: { "<link>": first },
          and: ["--as", "Old"],
          by: "dana",
        })
        await type({
          command: "claudemesh export <file> --first-clients",
          put: { "<file>": "old.json" },
          by: "dana",
        })

        await type({ command: "claudemesh install", says: /plugin/ })
        await type({ command: "claudemesh doctor" })
        for (const host of ["codex", "gemini", "cursor", "opencode"])
          await type({ command: `claudemesh install --for ${host}`, and: ["--dry-run"] })
        await type({ command: "claudemesh uninstall" })

        await type({
          command: "claudemesh revoke-invite <name>",
          put: { "<name>": "front door" },
        })
        const statement = await type({
          command: "claudemesh move <mesh> <url>",
          put: { "<mesh>": "my-team", "<url>": elsewhere.url },
          and: ["--yes"],
        })
        await type({
          command: "claudemesh move <mesh> <statement>",
          put: { "<mesh>": "my-team", "<statement>": /claudemesh-moved-\S+/.exec(statement)?.[0] ?? "" },
          by: "bob",
        })
        await type({ command: "claudemesh revoke <who>", put: { "<who>": "Robert" }, and: ["--yes"] })
        await type({
          command: "claudemesh leave <mesh> --forget",
          put: { "<mesh>": "my-team" },
          by: "bob",
          and: ["--yes"],
        })
        await type({ command: "claudemesh leave <mesh>", put: { "<mesh>": "my-team" }, by: "dana", and: ["--yes"] })
        await type({ command: "claudemesh broker", until: "SIGTERM", by: "carl" })
        await type({ command: "claudemesh outbox cancel <id>", put: { "<id>": "00000000" }, code: 1 })
        assert.deepStrictEqual(
          [...written].filter((command) => ![...typed].some((one) => `${one} `.startsWith(`${command} `))),
          [],
        )
      })
    }),
  ),
)
