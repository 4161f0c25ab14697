/** What all commands do alike: help, wrong use, variables, output that goes nowhere, and a config file that is broken or exposed. */
import { chmod, readdir, readFile, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { claudemesh, complaint, main, ranOf, startedWith } from "../support/Agent.ts"
import { doneQuietly as done, inHome, scenario, withFolder } from "../support/InHome.ts"

describe.concurrent("the command", () => {
  const commands = [
    "create",
    "list",
    "peers",
    "channels",
    "send",
    "reply",
    "whoami",
    "message-status",
    "inbox",
    "outbox",
    "status",
    "mcp",
    "broker",
    "demo",
    "seed-test-mesh",
  ] as const

  it.live("says its version, lists every command, and explains one with examples", () =>
    Effect.promise(async () => {
      const manifest = JSON.parse(await readFile(join(import.meta.dirname, "../../package.json"), "utf8"))
      const version = /^claudemesh v(\S+) \((?:commit [0-9a-f]{10}, )?protocol 2\)\n$/
      assert.strictEqual(version.exec(done(await claudemesh(["--version"])))?.[1], manifest.version)
      const overview = done(await claudemesh(["--help"]))
      for (const command of commands) assert.match(overview, new RegExp(`\\n  ${command} {2,}\\S`))
      assert.match(done(await claudemesh(["send", "--help"])), /\nEXAMPLES\n(.*\n)* +.*claudemesh /)
    }),
  )

  it.live("exits with 2 when it was not understood, and says why on stderr", () =>
    Effect.promise(async () => {
      const cases: ReadonlyArray<readonly [ReadonlyArray<string>, RegExp]> = [
        [["nonsense"], /"nonsense" is not a command/],
        [["send", "bob", "hi", "--ttl", "90d"], /90d is longer than 30 days, the longest that a broker keeps/],
        [["create"], /<slug> is missing/],
        [["create", "Not A Slug"], /A slug: 1 to 32 lower-case letters/],
        [["send", "bob"], /The text is empty\. Nothing was sent/],
        [["send", "bob", "hi", "--priority", "soon"], /now.*next.*low/],
        [["message-status", "m1"], /"m1" is not a message's id, which has 8 to 32/],
        [["mcp", "--channel", "#builds"], /A label: 1 to 64 lower-case letters/],
        [["peers", "--nonsense"], /--nonsense is not a flag of claudemesh peers/],
        [["seed-test-mesh", "--members", "501"], /between 1 and 500/],
        [["list", "--log-level", "foo"], /^claudemesh: "foo" does not fit --log-level\. Write one of: all, trace/],
        [["--completions", "foo"], /^claudemesh: "foo" does not fit --completions/],
        [["send", "bob", ""], /^claudemesh: The text is empty/],
        [["sned", "--json-lines"], /^claudemesh: "sned" is not a command\. Did you mean send\?\n/],
        [["whoami", "bob"], /^claudemesh: whoami takes no argument, and "bob" is one\. Choose a mesh with --mesh\.\n/],
        [["join", "--as", "@Carol"], /@Carol begins with @, which is not allowed at the start of a name/],
        [["join", "--as", "Carol"], /^claudemesh: The link is missing\.\n/],
        [["invite", "--expires", "1y"], /1y has none of the units m, h and d; write it like/],
        [["invite", "--expires", "400d"], /400d is longer than a year/],
        [["status", "--for", "0m"], /0m is no time at all/],
        [["invite", "--uses", "x"], /"x" does not fit --uses\. Write a number\./],
        [["list", "--timeout"], /^claudemesh: --timeout needs a value\.\n/],
      ]
      const answers = cases.map(async ([args, why]) => {
        const { code, stderr, stdout } = await claudemesh(args)
        assert.deepStrictEqual({ code, stdout }, { code: 2, stdout: "" }, args.join(" "))
        assert.match(stderr, /^claudemesh: [^\n]+\nusage: claudemesh [^\n]+\nhelp: {2}[^\n]+\n$/)
        assert.match(stderr, why)
      })
      await Promise.all(answers)
    }),
  )

  it.live("says of a variable that it does not understand which one, and what it can be", () =>
    Effect.promise(async () => {
      const cases: ReadonlyArray<readonly [variable: string, value: string, says: RegExp]> = [
        [
          "CLAUDEMESH_HISTORY",
          "many",
          /CLAUDEMESH_HISTORY is "many"\. Set it to a number from 0 to 100000, or unset it/,
        ],
        ["CLAUDEMESH_HISTORY_DAYS", "-1", /CLAUDEMESH_HISTORY_DAYS is "-1"\. Set it to a number from 0 to 3650/],
        ["CLAUDEMESH_SECRET_STORE", "vault", /CLAUDEMESH_SECRET_STORE is "vault"\. It can be file or keychain/],
        ["CLAUDEMESH_HOME", "~eve/mesh", /only a shell knows the folders of other users by ~\. Set CLAUDEMESH_HOME to/],
        ["CLAUDEMESH_HOME", "/dev/null", /it is a file and not a folder/],
        ["CLAUDEMESH_STARTED_IN", "/nowhere/at/all", /cannot be entered: \/nowhere\/at\/all \(ENOENT\)/],
      ]
      const answers = cases.map(async ([variable, value, says]) =>
        assert.match(complaint(await claudemesh(["list"], { [variable]: value })), says),
      )
      await Promise.all(answers)
      const { code, stderr } = await claudemesh(["list"], { CLAUDEMESH_TIMEOUT: "abc" })
      assert.strictEqual(code, 2)
      assert.match(stderr, /^claudemesh: CLAUDEMESH_TIMEOUT: abc is not a time; write it like 5s or 2m\.\n/)
    }),
  )

  it.live("exits with 1 where what it has to print goes nowhere", () =>
    Effect.promise(async () => {
      const into = async (args: string, where: string) =>
        ranOf(
          Bun.spawn(["sh", "-c", `"$BUN" "$MAIN" ${args} ${where}`], {
            env: { ...startedWith(["list"]), BUN: process.execPath, MAIN: main },
            stdin: "ignore",
            stdout: "pipe",
            stderr: "pipe",
          }),
        )
      const wheres = [">&-", "1</dev/null", "1</", ">/dev/full"].map((where) => ["list", where] as const)
      const answers = [...wheres, ["--version", ">&-"] as const].map(async ([args, where]) => {
        const said = complaint(await into(args, where))
        assert.match(said, /^claudemesh: The output could not be written: .*\.\n$/, `${args} ${where}`)
      })
      await Promise.all(answers)
      assert.strictEqual((await into("list", ">/dev/null")).code, 0)
    }),
  )

  it.live("has no colours when piped, not even in its complaints", () =>
    scenario(async ({ alice }) => {
      const runs = await Promise.all([alice("list"), alice("peers"), alice("--help"), alice("nonsense")])
      for (const { stderr, stdout } of runs) assert.notInclude(stdout + stderr, "\u001b")
    }),
  )

  it.live("without a mesh says how to make one", () =>
    withFolder(async (folder) => {
      assert.strictEqual(
        done(await inHome(folder)("list")),
        "No mesh is joined. Make one: claudemesh create my-team, or join one: claudemesh join '<link>'\n",
      )
      const needing = [["peers"], ["inbox"], ["status"], ["send", "bob", "hi"]]
      const runs = await Promise.all(needing.map((args) => inHome(folder)(...args)))
      for (const ran of runs) assert.match(complaint(ran), /no mesh is joined\. Make one: claudemesh create my-team/)
    }),
  )

  it.live("names a broken config file and its problem, and leaves it untouched byte for byte (I19)", () =>
    scenario(async ({ alice, broker, folder }) => {
      const file = join(folder, "alice", "config.json")
      for (const content of ["{not json", `{"version":9,"meshes":[]}`, `{"version":2,"meshes":[{"meshId":"x"}]}\n`]) {
        await writeFile(file, content)
        for (const args of [["list"], ["create", "new", "--broker", broker.url]]) {
          const said = complaint(await alice(...args))
          assert.include(said, `${file} cannot be understood: `)
          assert.include(said, "Correct it, or move it away")
        }
        assert.strictEqual(await readFile(file, "utf8"), content)
        assert.deepStrictEqual(await readdir(join(folder, "alice")), ["config.json"])
      }
    }),
  )

  it.live("refuses a config that others may read, with the command that mends it (I19)", () =>
    scenario(async ({ alice, folder }) => {
      const file = join(folder, "alice", "config.json")
      await chmod(file, 0o640)
      for (const command of ["list", "peers"]) {
        assert.match(complaint(await alice(command)), new RegExp(`\\(mode 0640\\)\\. Run: chmod 600 ${file}\\n`))
      }
      await chmod(file, 0o600)
      done(await alice("list"))
    }),
  )
})
