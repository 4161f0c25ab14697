/** The host's own command, such as `claude`: found on the PATH, run in a folder of ours, with a deadline. */
import { Config, Effect, Option } from "effect"
import { Failed } from "../Failed.ts"
import { handedOn } from "../Launch.ts"
import { hostCommandMillis } from "./Limits.ts"
import * as installWords from "../words/install.ts"

export interface HostAnswer {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

/** Undefined where there is none. */
export const hostCommand = Effect.fnUntraced(function* (name: string) {
  const path = Option.getOrElse(yield* Config.option(Config.String("PATH")), () => "")
  return Bun.which(name, { PATH: path }) ?? undefined
})

/** `folder`: not the person's, whose settings the host would obey. */
export const runHost = (
  program: string,
  args: ReadonlyArray<string>,
  folder: string,
  millis = hostCommandMillis,
): Effect.Effect<HostAnswer, Failed> =>
  Effect.scoped(
    Effect.gen(function* () {
      const child = yield* Effect.acquireRelease(
        Effect.try({
          try: () => Bun.spawn([program, ...args], { cwd: folder, env: handedOn, stdio: ["ignore", "pipe", "pipe"] }),
          catch: (error) => new Failed({ reason: `${program} cannot be run: ${String(error)}` }),
        }),
        (running) => Effect.sync(() => running.kill()),
      )
      return yield* Effect.promise(async () => {
        const [stdout, stderr, code] = await Promise.all([
          new Response(child.stdout).text(),
          new Response(child.stderr).text(),
          child.exited,
        ])
        return { code, stdout, stderr }
      })
    }),
  ).pipe(
    Effect.timeoutOrElse({
      duration: millis,
      orElse: () =>
        Effect.fail(new Failed({ reason: installWords.didNotEndInS(program, args.join(" "), millis / 1_000) })),
    }),
  )

/** The last thing that it said, on one line. */
export const lastWords = ({ stderr, stdout }: HostAnswer): string =>
  (stderr.trim() === "" ? stdout : stderr).trim().split("\n").at(-1)?.trim() ?? ""
