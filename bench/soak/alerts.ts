/**
 * Each alert of `deploy/alerts.yml` on a staged fault, in a real Prometheus that scrapes real brokers: it must fire while the fault lasts, and be over
 * once that has ended. The rules are those that we ship, with every duration so many times shorter.
 *
 *   npm run soak:alerts [-- --shorter 40 --only ClaudemeshDown]
 */
import { mkdir, mkdtemp, rm } from "node:fs/promises"
import { chmod } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { parseArgs } from "node:util"
import { freePort } from "../Server.ts"
import { type Fault, faults } from "./Faults.ts"
import { alertRules, Prometheus } from "./Prometheus.ts"

const { values } = parseArgs({
  options: { shorter: { type: "string", default: "40" }, only: { type: "string", multiple: true } },
})
const withinMillis = 180_000

const chosen = faults.filter(({ alert }) => values.only === undefined || values.only.includes(alert))
const folder = await mkdtemp(join(tmpdir(), "claudemesh-alerts-"))
await chmod(folder, 0o777)
const ports = await Promise.all(chosen.map(freePort))
const prometheus = await Prometheus.start({
  folder: join(folder, "prometheus"),
  rules: await alertRules(Number(values.shorter)),
  ports: ports.filter((_, index) => chosen[index]?.scheme === undefined),
  httpsPorts: ports.filter((_, index) => chosen[index]?.scheme === "https"),
  everyMillis: 500,
})

/** How long it took, in seconds; undefined: in vain. */
const until = async (isSo: (firing: ReadonlySet<string>) => boolean): Promise<number | undefined> => {
  const begun = performance.now()
  while (performance.now() - begun < withinMillis) {
    const firing = await prometheus.firing().catch(() => undefined)
    if (firing !== undefined && isSo(firing)) return (performance.now() - begun) / 1_000
    await Bun.sleep(200)
  }
  return undefined
}

const staged = async ({ alert, stage, what }: Fault, port: number) => {
  const acts: Array<() => unknown> = []
  const own = join(folder, String(port))
  await mkdir(own)
  await chmod(own, 0o777)
  const name = `${alert} ${port}`
  try {
    const end = await stage({ port, folder: own, later: (act) => acts.unshift(act) })
    const fired = await until((firing) => firing.has(name))
    await end()
    const resolved = fired === undefined ? undefined : await until((firing) => !firing.has(name))
    console.error(
      `${alert} (${what}): fired after ${fired?.toFixed(0) ?? "?"} s, over after ${resolved?.toFixed(0) ?? "?"} s`,
    )
    return {
      alert,
      what,
      "fired after s": fired?.toFixed(0) ?? "NEVER",
      "over after s": resolved?.toFixed(0) ?? "NEVER",
    }
  } finally {
    for (const act of acts) await act()
  }
}

const rows = []
try {
  for (const [index, fault] of chosen.entries()) rows.push(await staged(fault, ports[index] ?? 0))
} finally {
  await prometheus.stop()
  await rm(folder, { recursive: true, force: true })
}
console.table(rows)
const kept = rows.every((row) => row["fired after s"] !== "NEVER" && row["over after s"] !== "NEVER")
console.log(kept ? "every alert fired and was over" : "broken")
process.exit(kept ? 0 : 1)
