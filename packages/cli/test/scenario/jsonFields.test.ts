/** What `--json` prints has only fields that the table of `docs/json.md` has. */
import { readFile } from "node:fs/promises"
import { join } from "node:path"
import { assert, it } from "@effect/vitest"
import { Effect } from "effect"
import { startBroker, temporaryFolder } from "../../../broker/test/support/TestBroker.ts"
import { claudemesh } from "../support/Agent.ts"
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
  ["outbox"],
  ["invite"],
  ["revoke", "Robert", "--yes"],
]

it.live("JSON has the fields that docs/json.md has, and no others", () =>
  Effect.scoped(
    Effect.gen(function* () {
      const broker = yield* startBroker()
      const folder = yield* temporaryFolder
      yield* Effect.promise(async () => {
        const page = await readFile(join(import.meta.dirname, "../../../../docs/json.md"), "utf8")
        const documented = new Set([...page.matchAll(/`([a-zA-Z]+)`/g)].map(([, name]) => name))
        const run = (home: string, ...args: ReadonlyArray<string>) =>
          claudemesh([...args, "--json"], {
            HOME: folder,
            CLAUDEMESH_HOME: join(folder, home),
            CLAUDEMESH_BROKER: broker.url,
          })
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
        const { stderr } = await run("ann", "send", "Nobody", "hello")
        assert.deepStrictEqual(Object.keys(JSON.parse(stderr)), ["code", "message", "hint"])
        assert.deepStrictEqual(strange, [])
      })
    }),
  ),
)
