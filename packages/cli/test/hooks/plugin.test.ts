/** The plugin as it lies in the repository: what it names has to be there, for a host says nothing of what is not. */
import { existsSync, readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import manifest from "../../package.json" with { type: "json" }
import { HookEvent } from "../../src/host/HookMoment.ts"
import { HostState } from "../../src/host/HostState.ts"
import { settingsWakeHooks } from "../../src/host/SettingsHooks.ts"
import { tools } from "../../src/mcp/McpServer.ts"
import { hookTool } from "../../src/mcp/tools/hook.ts"

const plugin = join(import.meta.dirname, "../../../plugin")
const read = (path: string): string => readFileSync(join(plugin, path), "utf8")

describe("the plugin", () => {
  it("has hooks that call our unlisted tool by its name, with what it knows, at moments at which a host can call it", () => {
    const { hooks } = JSON.parse(read("hooks/hooks.json"))
    const { inputSchema, name } = hookTool(new HostState())
    assert.notInclude(
      tools.map((tool) => tool.name),
      name,
    )
    const known = Object.keys(inputSchema["properties"] as object)
    for (const [event, groups] of Object.entries(hooks)) {
      assert.include(HookEvent.literals, event)
      // A host has no client of MCP before it has started, and none when it ends: it would print an error.
      assert.notInclude(["SessionStart", "SessionEnd"], event)
      const [group] = groups as ReadonlyArray<{ hooks: ReadonlyArray<Record<string, unknown>> }>
      const handler = group?.hooks[0] ?? {}
      assert.deepInclude(handler, { type: "mcp_tool", server: "plugin:claudemesh:claudemesh", tool: name })
      const input = handler["input"] as Record<string, string>
      assert.sameMembers(Object.keys(input), known)
      assert.strictEqual(input["event"], event)
    }
  })

  it("is of this version, and is what its marketplace offers", () => {
    const { name, version } = JSON.parse(read(".claude-plugin/plugin.json"))
    assert.deepStrictEqual({ name, version }, { name: "claudemesh", version: manifest.version })
    const { plugins } = JSON.parse(read(".claude-plugin/marketplace.json"))
    assert.deepInclude(plugins[0], { name: "claudemesh", source: "./" })
  })

  it("starts the server directly, told to obey nothing of the folder that the host is in", () => {
    const { alwaysLoad, args, command } = JSON.parse(read(".mcp.json")).mcpServers.claudemesh
    assert.isTrue(alwaysLoad)
    assert.strictEqual(command, "${CLAUDE_PLUGIN_ROOT}/run/bun")
    assert.includeMembers(args, ["--no-env-file", "--no-install", "mcp"])
  })

  it("speaks in its commands and its skill of tools that there are", () => {
    const texts = [
      ...readdirSync(join(plugin, "commands")).map((name) => `commands/${name}`),
      "skills/mesh/SKILL.md",
    ].map(read)
    assert.lengthOf(texts, 6)
    const names = texts.flatMap((text) => [...text.matchAll(/`([a-z]+_[a-z]+)`/g)].map(([, name = ""]) => name))
    assert.isAbove(names.length, 8)
    const known = [...tools.map(({ name }) => name), "reply_to"]
    assert.deepStrictEqual(
      names.filter((name) => !known.includes(name)),
      [],
    )
  })

  it("watches the file that the hooks of the settings watch", () => {
    const [{ command }] = JSON.parse(read("monitors/monitors.json"))
    const place = "${CLAUDEMESH_HOME:-$HOME/.claudemesh}/wake"
    assert.include(command, place)
    assert.include(settingsWakeHooks.SessionStart[0].hooks[0].command, place)
    assert.isFalse(existsSync(join(plugin, "run")), "the program is put there by the one who installs it")
  })
})
