/**
 * The hooks of Codex CLI and Gemini CLI, as their files have them: of an event, groups of commands. Each starts this program for a moment
 * (`host/HookCommand.ts`). The shell that the host takes for it is replaced, so that the host is the parent of what is started.
 */
import { hookSeconds, interruptHookSeconds } from "../host/HookLimits.ts"
import { hookEvents, type HookHost } from "../host/OtherHost.ts"
import { quoted } from "../Launch.ts"
import type { Runnable } from "../Runnable.ts"
import type { PluginHooks } from "./PluginHooks.ts"

/** `home`: one that is not the usual one. */
export const commandHooks = (host: HookHost, runnable: Runnable, home: string | undefined): PluginHooks => {
  const { bun, entry, flags } = runnable
  const environment = home === undefined ? [] : ["env", `CLAUDEMESH_HOME=${home}`]
  const command = `exec ${[...environment, bun, ...flags, entry, "hook", host].map(quoted).join(" ")}`
  return {
    hooks: Object.fromEntries(
      Object.keys(hookEvents[host]).map((event) => [event, [{ hooks: [handlerOf(host, event, command)] }]]),
    ),
  }
}

const handlerOf = (host: HookHost, event: string, command: string) =>
  host === "codex"
    ? { type: "command", command, timeout: event === "Interrupt" ? interruptHookSeconds : hookSeconds }
    : { type: "command", name: "claudemesh", command, timeout: hookSeconds * 1_000 }

export const isCommandHook = (command: unknown): boolean =>
  typeof command === "string" && /claudemesh\.js'? hook (codex|gemini)$/.test(command)
