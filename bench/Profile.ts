/**
 * Where a server's time goes. With `--profile FILE` a benchmark has the broker write down what it does under the counted load of the last round, as a
 * CPU profile that Chrome's DevTools and speedscope read, and tells how the time is shared by files and by functions. To take samples takes time, too:
 * the rates of such a run are not to be compared.
 */
import { existsSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs"
import { Session } from "node:inspector"
import { join } from "node:path"

/** In the environment of the server. */
const variable = "BENCH_PROFILE"

interface Profile {
  readonly nodes: ReadonlyArray<{
    readonly id: number
    readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number }
  }>
  readonly samples: ReadonlyArray<number>
  /** Microseconds, before each sample. */
  readonly timeDeltas: ReadonlyArray<number>
}

/** In the server: the first signal begins a profile, the next one writes it. */
export const profileOnSignal = (): void => {
  const file = process.env[variable]
  if (file === undefined) return
  const session = new Session()
  session.connect()
  session.post("Profiler.enable")
  process.once("SIGUSR2", () => {
    process.once("SIGUSR2", () => {
      session.post("Profiler.stop", (_, { profile }) => {
        writeFileSync(`${file}.part`, JSON.stringify(profile))
        renameSync(`${file}.part`, file)
      })
    })
    session.post("Profiler.start")
  })
}

/** In the benchmark. */
export class Profiling {
  readonly environment: Readonly<Record<string, string>>

  constructor(readonly file: string | undefined) {
    this.environment = file === undefined ? {} : { [variable]: file }
  }

  /** Of what the server does meanwhile. */
  async of<A>(server: { readonly kill: (signal: NodeJS.Signals) => void }, load: () => Promise<A>): Promise<A> {
    const { file } = this
    if (file === undefined) return load()
    rmSync(file, { force: true })
    server.kill("SIGUSR2")
    const result = await load()
    server.kill("SIGUSR2")
    for (let tries = 0; !existsSync(file); tries++) {
      if (tries === 1_000) throw new Error("the server wrote no profile")
      await Bun.sleep(20)
    }
    return result
  }

  report(): void {
    if (this.file === undefined) return
    const profile: Profile = JSON.parse(readFileSync(this.file, "utf8"))
    console.log(`\n${this.file}, by file:\n${sharesOf(profile, ({ url }) => placeOf(url))}`)
    console.log(
      `by function:\n${sharesOf(profile, ({ functionName, lineNumber, url }) => `${functionName || "(anonymous)"}   ${placeOf(url)}${url === "" ? "" : `:${lineNumber + 1}`}`)}`,
    )
  }
}

const root = join(import.meta.dirname, "..")
const placeOf = (url: string): string =>
  url === ""
    ? "the runtime"
    : url
        .replace("file://", "")
        .replace(`${root}/`, "")
        .replace(/^.*\/node_modules\//, "")

const linesMax = 30

const sharesOf = (profile: Profile, nameOf: (frame: Profile["nodes"][number]["callFrame"]) => string): string => {
  const names = new Map(profile.nodes.map(({ callFrame, id }) => [id, nameOf(callFrame)]))
  const micros = new Map<string, number>()
  let all = 0
  for (const [index, id] of profile.samples.entries()) {
    const [name, took] = [names.get(id) ?? "?", profile.timeDeltas[index] ?? 0]
    micros.set(name, (micros.get(name) ?? 0) + took)
    all += took
  }
  return [...micros]
    .toSorted(([, one], [, other]) => other - one)
    .slice(0, linesMax)
    .map(([name, took]) => `${((100 * took) / all).toFixed(1).padStart(6)} %  ${name}\n`)
    .join("")
}
