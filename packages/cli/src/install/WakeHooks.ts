/**
 * The commands that a host's shell runs to wake it (`host/SettingsHooks.ts`, and the plugin's monitor), for this machine's home: they name
 * the usual one, or what the environment of the host says.
 */
import { settingsWakeHooks } from "../host/SettingsHooks.ts"
import type { PluginHooks } from "./PluginHooks.ts"

export const usualHome = "${CLAUDEMESH_HOME:-$HOME/.claudemesh}"

/** As a word between the double quotes of a shell. */
export const withinQuotes = (path: string): string => path.replaceAll(/["$`\\]/g, String.raw`\$&`)

/** `home`: one that is not the usual one. */
export const wakeHooks = (home: string | undefined): PluginHooks => ({
  hooks: Object.fromEntries(
    Object.entries(settingsWakeHooks).map(([event, groups]) => [
      event,
      groups.map(({ hooks }) => ({ hooks: hooks.map((hook) => ({ ...hook, command: forHome(hook.command, home) })) })),
    ]),
  ),
})

const forHome = (command: string, home: string | undefined): string =>
  home === undefined ? command : command.replaceAll(usualHome, () => withinQuotes(home))

export const isWakeHook = (command: unknown): boolean =>
  typeof command === "string" && /\/wake\b/.test(command) && command.includes("CLAUDE_PID")
