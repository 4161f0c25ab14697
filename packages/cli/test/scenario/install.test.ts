/**
 * `install` and `uninstall` as a person runs them, in a home of which the path has spaces and quotes: as a plugin (with the real Claude
 * Code where it is installed, see `FakeClaude.ts`), in its settings, and for other hosts. What is registered is started as a host would.
 */
import { existsSync } from "node:fs"
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Client } from "@modelcontextprotocol/sdk/client/index.js"
import { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js"
import { Effect } from "effect"
import { temporaryFolder } from "../../../broker/test/support/TestBroker.ts"
import { hookEvents } from "../../src/host/OtherHost.ts"
import { complaint, done, type Ran } from "../support/Agent.ts"
import { runBuilt } from "../support/BuiltProgram.ts"
import { claudeIn, isRealClaude } from "../support/FakeClaude.ts"

interface Machine {
  readonly user: string
  readonly run: (...args: ReadonlyArray<string>) => Promise<Ran>
  readonly runIn: (folder: string, ...args: ReadonlyArray<string>) => Promise<Ran>
  readonly file: (path: string) => Promise<string>
}

const withMachine = (tell: (machine: Machine) => Promise<void>, hasClaude = true) =>
  Effect.scoped(
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      yield* Effect.promise(async () => {
        const user = join(folder, `o'neil "x" $HOME`)
        const bin = join(folder, "bin")
        await mkdir(join(user, ".claude"), { recursive: true })
        await mkdir(bin)
        const environment = {
          HOME: user,
          PATH: hasClaude ? `${await claudeIn(bin)}:/usr/bin:/bin` : "/usr/bin:/bin",
          TMPDIR: folder,
          CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: "1",
        }
        await tell({
          user,
          run: (...args) => runBuilt(args, environment),
          runIn: (started, ...args) => runBuilt(args, { ...environment, CLAUDEMESH_STARTED_IN: started }),
          file: (path) => readFile(join(user, path), "utf8"),
        })
      })
    }),
  )

interface Server {
  readonly command: string
  readonly args: ReadonlyArray<string>
  readonly env: Readonly<Record<string, string>>
}

/** As a host does, from a folder of its own; joined to no mesh. */
const toolsOf = async ({ args, command }: Server, cwd: string): Promise<ReadonlyArray<string>> => {
  const client = new Client({ name: "test-host", version: "1" })
  await client.connect(
    new StdioClientTransport({ command, args: [...args], cwd, env: { HOME: cwd, CLAUDECODE: "1" }, stderr: "ignore" }),
  )
  const { tools } = await client.listTools()
  await client.close()
  return tools.map(({ name }) => name)
}

const tabbed = '{\n\t"model": "opus",\n\t"permissions": { "allow": ["Bash(ls)"] } }'

const ownHooks =
  '{ "hooks": {\n  "Stop": [{ "hooks": [{ "type": "command", "command": "say done" }] }],\n  "PreCompact": [] } }\n'

describe("claudemesh install", () => {
  it.live(
    "puts a plugin into Claude Code, replaces an entry that was made by hand, and uninstall gives back the files",
    () =>
      withMachine(async ({ file, run, user }) => {
        await writeFile(join(user, ".claude/settings.json"), tabbed)
        const older = { command: "node", args: ["/old/bin/claudemesh.mjs", "mcp", "--tag", "reviewer"] }
        await writeFile(join(user, ".claude.json"), JSON.stringify({ mcpServers: { claudemesh: older } }))
        const said = done(await run("install"))
        assert.match(said, /An older entry of claudemesh in .*\.claude\.json is replaced\.\n.*--tag reviewer/)
        assert.match(said, /To allow all of ours, add "mcp__plugin_claudemesh_claudemesh" to permissions\.allow/)
        const settings = await file(".claude/settings.json")
        assert.include(settings, '\t"permissions": { "allow": ["Bash(ls)"] },\n\t"extraKnownMarketplaces": {\n\t\t')
        assert.notInclude(settings, "mcp__")
        assert.isUndefined(JSON.parse(await file(".claude.json")).mcpServers.claudemesh)

        done(await run("install"))
        assert.strictEqual(await file(".claude/settings.json"), settings)
        await writeFile(join(user, ".claude/settings.json"), `${settings},`)
        assert.match(
          complaint(await run("install")),
          /settings\.json: it is not valid JSON \(line \d+.*Nothing was changed/,
        )
        await writeFile(join(user, ".claude/settings.json"), settings)
        const plugin = join(user, ".claudemesh/plugin")
        const { command, args, env }: Server = JSON.parse(await file(".claudemesh/plugin/.mcp.json")).mcpServers
          .claudemesh
        const here = (word: string) => word.replaceAll("${CLAUDE_PLUGIN_ROOT}", plugin)
        assert.include(await toolsOf({ command: here(command), args: args.map(here), env }, user), "send_message")

        await mkdir(join(user, ".claudemesh/hooks"))
        await mkdir(join(user, ".claudemesh/wake"))
        await writeFile(join(user, ".claudemesh/wake/last.json"), "{}")
        done(await run("uninstall"))
        assert.strictEqual(await file(".claude/settings.json"), tabbed)
        assert.deepStrictEqual(JSON.parse(await file(".claude.json")).mcpServers.claudemesh, older)
        assert.deepStrictEqual(
          (await readdir(join(user, ".claudemesh"))).filter((name) => !name.startsWith("state.db")),
          [],
        )
        assert.strictEqual(done(await run("uninstall")), "There was nothing to remove.\n")
      }),
  )

  it.live(
    "writes the settings instead, which start the server by themselves from any folder, and shows it before",
    () =>
      withMachine(async ({ file, run, user }) => {
        await writeFile(join(user, ".claude/settings.json"), tabbed)
        const shown = done(await run("install", "--settings", "user", "--dry-run"))
        assert.match(shown, /\n\+ {4}"claudemesh": \{\n\+ {6}"command": /)
        assert.isFalse(existsSync(join(user, ".claudemesh")))
        done(await run("install", "--settings", "user"))
        const settings = await file(".claude/settings.json")
        const hooks = JSON.parse(settings).hooks
        assert.strictEqual(hooks.Stop[0].hooks[0].server, "claudemesh")
        assert.notInclude(settings, "plugin:")
        const entry: Server & { readonly alwaysLoad: boolean } = JSON.parse(await file(".claude.json")).mcpServers
          .claudemesh
        assert.isTrue(entry.alwaysLoad)
        assert.isTrue(entry.command.endsWith("/run/bun"))
        assert.include(await toolsOf(entry, "/"), "check_messages")
        assert.match(done(await run("install", "--settings", "user")), /^Server and hooks are in the settings already/)
        done(await run("uninstall", "--settings", "user"))
        assert.strictEqual(await file(".claude/settings.json"), tabbed)
        assert.isFalse(existsSync(join(user, ".claude.json")))
        assert.isFalse(existsSync(entry.command))

        // Whatever was changed since, all of ours goes with a plain uninstall, too.
        done(await run("install", "--settings", "user"))
        const later = { ...JSON.parse(await file(".claude/settings.json")), added: [1] }
        await writeFile(join(user, ".claude/settings.json"), JSON.stringify(later, undefined, 4))
        assert.match(done(await run("uninstall")), /^Removed from .*settings\.json/)
        const { added, hooks: _hooks, ...rest } = later
        assert.deepStrictEqual(JSON.parse(await file(".claude/settings.json")), { ...rest, added })
      }, false),
  )

  it.live("gives back the files, too, where the plugin took the place of server and hooks in the settings", () =>
    withMachine(async ({ file, run, user }) => {
      await writeFile(join(user, ".claude/settings.json"), tabbed)
      done(await run("install", "--settings", "user"))
      assert.match(done(await run("install")), /Server and hooks in the settings, which did the same, are removed/)
      assert.include(await file(".claude/settings.json"), '\n\t"extraKnownMarketplaces": {\n\t\t')
      assert.isTrue(existsSync(join(user, ".claudemesh/installed.json")))
      const shown = done(await run("uninstall", "--dry-run"))
      assert.lengthOf([...shown.matchAll(/^--- .*settings\.json$/gm)], 1)
      done(await run("uninstall"))
      assert.strictEqual(await file(".claude/settings.json"), tabbed)
    }),
  )

  it.live("changes nothing where Claude Code could not read its settings for their comments, and says so", () =>
    withMachine(async ({ file, run, user }) => {
      const commented = '{\n  // the best\n  "model": "opus"\n}\n'
      await writeFile(join(user, ".claude/settings.json"), commented)
      assert.match(
        complaint(await run("install")),
        /settings\.json: Claude Code does not take comments in that file \(line 2\)\. Nothing was changed/,
      )
      assert.strictEqual(await file(".claude/settings.json"), commented)
      assert.isFalse(existsSync(join(user, ".claudemesh/plugin")))
      assert.isFalse(existsSync(join(user, ".claudemesh/run")))
    }),
  )

  it.effect.skipIf(isRealClaude)("leaves nothing behind where Claude Code does not take the plugin", () =>
    withMachine(async ({ file, run, user }) => {
      await writeFile(join(user, ".claude/settings.json"), '{ "model": "opus", }')
      assert.match(complaint(await run("install")), /claude plugin marketplace add .* failed/)
      assert.strictEqual(await file(".claude/settings.json"), '{ "model": "opus", }')
      assert.isFalse(existsSync(join(user, ".claudemesh/plugin")))
      assert.isFalse(existsSync(join(user, ".claudemesh/run")))
      const refusing = '{\n\t"noPlugins": true, "model": "opus" }'
      await writeFile(join(user, ".claude/settings.json"), refusing)
      assert.match(complaint(await run("install")), /claude plugin install .* failed/)
      assert.strictEqual(await file(".claude/settings.json"), refusing, "also the host's own formatting")
    }),
  )

  it.live("says what to do where there is no Claude Code, where keys are of another home, and what excludes what", () =>
    withMachine(async ({ run, user }) => {
      assert.match(complaint(await run("install")), /no command claude on the PATH.*claudemesh install --settings user/)
      const other = { command: "claudemesh", args: ["mcp"], env: { CLAUDEMESH_HOME: "/somewhere else" } }
      const text = JSON.stringify({ mcpServers: { claudemesh: other } })
      await writeFile(join(user, ".claude.json"), text)
      const said = complaint(await run("install", "--settings", "user"))
      assert.match(
        said,
        /uses the keys in \/somewhere else.*Nothing was changed.*CLAUDEMESH_HOME='\/somewhere else' claudemesh install/,
      )
      assert.strictEqual(await readFile(join(user, ".claude.json"), "utf8"), text)
      await writeFile(join(user, ".claude.json"), "{}")
      await writeFile(join(user, ".claude/settings.json"), '{"enabledPlugins":{"claudemesh@claudemesh":true}}')
      assert.match(complaint(await run("install", "--settings", "user")), /has the plugin already/)
      const both = await run("install", "--settings", "user", "--for", "codex")
      assert.match(both.stderr, /give one of them/)
      assert.strictEqual(both.code, 2)
    }, false),
  )

  it.live("writes the server and the hooks of Codex and Gemini CLI, twice the same, and takes them out again", () =>
    withMachine(async ({ file, run, user }) => {
      await mkdir(join(user, ".codex"))
      await writeFile(join(user, ".codex/config.toml"), '# mine\nmodel = "o5"\n')
      await writeFile(join(user, ".codex/hooks.json"), ownHooks)
      const hosts = ["codex", "gemini"]
      for (const host of hosts) {
        assert.match(done(await run("install", "--for", host)), new RegExp(`uninstall --for ${host}`))
      }
      const written = [".codex/config.toml", ".codex/hooks.json", ".gemini/settings.json"]
      const texts = () => Promise.all(written.map((path) => file(path)))
      const once = await texts()
      for (const host of hosts) assert.match(done(await run("install", "--for", host)), /already/)
      assert.deepStrictEqual(await texts(), once, "twice gives the same bytes")

      const [toml = "", ofCodex = "", ofGemini = ""] = once
      const { mcp_servers: servers } = Bun.TOML.parse(toml) as {
        readonly mcp_servers: { readonly claudemesh: Server }
      }
      const { CLAUDEMESH_HOST: name, ...env } = servers.claudemesh.env
      assert.strictEqual(name, "codex")
      const { hooks, mcpServers } = JSON.parse(ofGemini)
      const server = { ...servers.claudemesh, env: { ...env, CLAUDEMESH_HOST: "gemini" } }
      assert.deepStrictEqual(mcpServers, { claudemesh: server })
      assert.sameMembers(Object.keys(hooks), Object.keys(hookEvents.gemini))
      const { hooks: all } = JSON.parse(ofCodex)
      assert.sameMembers(Object.keys(all), [...Object.keys(hookEvents.codex), "PreCompact"])
      assert.lengthOf(all.Stop, 2, "somebody's own, and ours behind it")
      const hooked = Bun.spawn(["sh", "-c", all.Stop[1].hooks[0].command], {
        stdin: Buffer.from('{"session_id":"s","hook_event_name":"Stop"}'),
      })
      assert.strictEqual(await new Response(hooked.stdout).text(), "{}\n")

      done(await run("uninstall", "--for", "codex"))
      assert.strictEqual(await file(".codex/hooks.json"), ownHooks)
      assert.strictEqual(await file(".codex/config.toml"), '# mine\nmodel = "o5"\n')
      done(await run("uninstall"))
      for (const path of [".gemini", ".claudemesh/run"]) assert.isFalse(existsSync(join(user, path)), path)
      assert.isTrue(existsSync(join(user, ".codex")), "that was there before")
    }, false),
  )

  it.live("writes the files of Cursor and opencode, and takes itself out of both", () =>
    withMachine(async ({ file, run, user }) => {
      for (const host of ["cursor", "opencode"]) {
        assert.match(done(await run("install", "--for", host)), new RegExp(`uninstall --for ${host}`))
      }
      const server: Server = JSON.parse(await file(".cursor/mcp.json")).mcpServers.claudemesh
      assert.deepStrictEqual(JSON.parse(await file(".config/opencode/opencode.json")), {
        mcp: {
          claudemesh: {
            type: "local",
            command: [server.command, ...server.args],
            environment: server.env,
            enabled: true,
          },
        },
      })
      assert.include(await toolsOf(server, user), "list_peers")
      done(await run("uninstall"))
      for (const path of [".cursor", ".config", ".claudemesh/run"]) {
        assert.isFalse(existsSync(join(user, path)), path)
      }
    }, false),
  )

  it.live("writes a project's files so that they fit whoever has installed it, too", () =>
    withMachine(async ({ file, runIn, user }) => {
      const project = join(user, "project")
      await mkdir(project)
      const said = done(await runIn(project, "install", "--settings", "project"))
      assert.match(said, /asks each person of this project once/)
      const { command, args }: Server = JSON.parse(await file("project/.mcp.json")).mcpServers.claudemesh
      assert.strictEqual(command, "${HOME}/.claudemesh/run/bun")
      assert.notInclude(JSON.stringify(args), user)
      assert.notInclude(await file("project/.claude/settings.json"), user)
      done(await runIn(project, "uninstall", "--settings", "project"))
      assert.deepStrictEqual(await readdir(project), [])
    }, false),
  )
})
