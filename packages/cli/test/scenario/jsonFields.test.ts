/** What `--json` prints has only fields that the table of `docs/json.md` has. */
import { readFile } from "node:fs/promises"
import { join } from "node:path"
import { assert, it } from "@effect/vitest"
import { Effect } from "effect"
import { startBroker, temporaryFolder } from "../../../broker/test/support/TestBroker.ts"
import { claudemesh, type Ran } from "../support/Agent.ts"
import { doneQuietly as done } from "../support/InHome.ts"

const fieldsOf = (value: unknown): ReadonlyArray<string> => {
  if (Array.isArray(value)) return value.flatMap(fieldsOf)
  if (typeof value !== "object" || value === null) return []
  return Object.entries(value).flatMap(([name, part]) => [name, ...fieldsOf(part)])
}

/** Each line is of one command. Invites are as the owner signed them: their fields are those of the protocol. */
const lines = [
  ["list"],
  ["whoami"],
  ["privacy"],
  ["peers"],
  ["channels"],
  ["status"],
  ["send", "Bob", "hello"],
  ["send", "*", "hello all"],
  ["verify", "Bob"],
  ["rename", "Bob", "Robert"],
  ["inbox"],
  ["inbox", "--history"],
  ["audit", "head"],
  ["outbox"],
  ["invite"],
  ["revoke", "Robert", "--yes"],
]

/** What fails, and what to do about each is known. */
const failing = [
  ["send", "Nobody", "hello"],
  ["send", "Ann/0a1b2c3d-gone", "hello"],
  ["send", "Ann", "hello", "--mesh", "tea"],
  ["send", "Ann", "hello", "--reply-to", "12345678"],
  ["send", "Ann", "x".repeat(100_000)],
  ["join", "https://mesh.example.com/join#1.cut", "--as", "Bob"],
  ["create", "team", "--as", "Bob"],
  ["invite"],
  ["verify", "Bob"],
  ["rename", "Bob", "Robert"],
  ["leave", "team"],
  ["message-status", "12345678"],
  ["outbox", "cancel", "12345678"],
  ["move", "team", "ws://127.0.0.1:1"],
]

/** Fields of their own for a script, and one line for a person, in which nothing is said twice. */
const holdsHint = async (line: ReadonlyArray<string>, run: (...args: ReadonlyArray<string>) => Promise<Ran>) => {
  const [{ stderr: asJson }, { stderr: asLine }] = [await run("--json"), await run()]
  const { hint, message, ...more } = JSON.parse(asJson)
  assert.deepStrictEqual(Object.keys(more), ["code"])
  assert.notInclude(["failed", ""], more.code, line.join(" "))
  assert.isString(hint, line.join(" "))
  assert.notInclude(message, hint.replace(/\.$/, ""))
  assert.strictEqual(asLine, `claudemesh: ${message} ${hint}\n`)
}

it.live("JSON has the fields that docs/json.md has, and no others", () =>
  Effect.scoped(
    Effect.gen(function* () {
      const broker = yield* startBroker()
      const folder = yield* temporaryFolder
      yield* Effect.promise(async () => {
        const page = await readFile(join(import.meta.dirname, "../../../../docs/json.md"), "utf8")
        const documented = new Set([...page.matchAll(/`([a-zA-Z]+)`/g)].map(([, name]) => name))
        const plain = (home: string, ...args: ReadonlyArray<string>) =>
          claudemesh(args, { HOME: folder, CLAUDEMESH_HOME: join(folder, home), CLAUDEMESH_BROKER: broker.url })
        const run = (home: string, ...args: ReadonlyArray<string>) => plain(home, ...args, "--json")
        const strange: Array<string> = []
        const look = (line: ReadonlyArray<string>, text: string) => {
          const fields = text
            .trim()
            .split("\n")
            .flatMap((one) => fieldsOf(one === "" ? null : JSON.parse(one)))
          strange.push(...fields.filter((name) => !documented.has(name)).map((name) => `${line.join(" ")}: ${name}`))
        }
        look(["create"], done(await run("ann", "create", "team", "--as", "Ann")))
        const link = done(await run("ann", "invite"))
        look(["join"], done(await run("bob", "join", JSON.parse(link).link, "--as", "Bob", "--yes")))
        done(await run("bob", "send", "Ann", "hello"))
        for (const line of lines) look(line, (await run("ann", ...line)).stdout)
        for (const line of failing) await holdsHint(line, (...args) => plain("bob", ...line, ...args))
        assert.deepStrictEqual(strange, [])
      })
    }),
  ),
)
