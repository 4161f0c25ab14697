/**
 * Which Claude Code has started this server. Its process id is what its hooks and monitors know as `CLAUDE_PID`: it is in
 * the name of the messaging socket, and else it is our parent, where nothing stands between us.
 */
import { Config, Effect, Option } from "effect"
import { isHookHost } from "./OtherHost.ts"

/** Written by `install` into the server's entry for a host whose hooks are commands. Its environment may come from Claude Code's shell. */
export const otherHost = Config.option(Config.String("CLAUDEMESH_HOST")).pipe(
  Effect.map((name) => Option.getOrUndefined(Option.filter(name, isHookHost))),
  Effect.orElseSucceed(() => undefined),
)

const socketOf = Config.option(Config.String("CLAUDE_CODE_MESSAGING_SOCKET"))
const isClaudeCode = Config.option(Config.String("CLAUDECODE"))

/** Undefined under another host, and where Claude Code only tries whether the server works. */
export const hostPid = Effect.gen(function* () {
  if ((yield* otherHost) !== undefined) return undefined
  const socket = Option.getOrUndefined(yield* socketOf)
  if (Option.isNone(yield* isClaudeCode) || socket === undefined) return undefined
  const [, named] = /\/(\d+)\.sock$/.exec(socket) ?? []
  return named === undefined ? process.ppid : Number(named)
}).pipe(Effect.orElseSucceed(() => undefined))

/** `CLAUDEMESH_WAKES_PER_HOUR`: 0 wakes never. */
export const wakesPerHourOf = (fallback: number) =>
  Config.Int("CLAUDEMESH_WAKES_PER_HOUR").pipe(
    Config.withDefault(fallback),
    Effect.orElseSucceed(() => fallback),
  )
