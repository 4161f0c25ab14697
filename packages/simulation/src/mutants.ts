/**
 * `npm run simulate:mutants [-- --seeds N --only NAME]`: plants the faults of `PlantedFaults.ts` in a copy of the sources, one
 * at a time, and counts the seeds until the simulation notices. Exits with 1 where one is not noticed.
 */
import { mkdtemp, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { parseArgs } from "node:util"
import { copySources, runWith, theOneWith } from "./PlantedFault.ts"
import { mutants } from "./PlantedFaults.ts"

const { values } = parseArgs({ options: { seeds: { type: "string", default: "300" }, only: { type: "string" } } })

const folder = await mkdtemp(join(tmpdir(), "claudemesh-mutants-"))
let missed = 0
try {
  await copySources(folder)
  console.log(`${"fault".padEnd(46)} seed  what was seen`)
  for (const { file, find, from, name, put } of mutants.filter(
    (one) => values.only === undefined || one.name === values.only,
  )) {
    const place = await theOneWith(find, join(folder, file))
    if (place === undefined) {
      missed += 1
      console.log(
        `${name.padEnd(46)}   NO  its line is not in ${file}, or not once: the list needs to follow the sources`,
      )
      continue
    }
    const { path, source } = place
    await writeFile(
      path,
      source.replace(find, () => put),
    )
    const { caught, problem } = await runWith(folder, from ?? 1, values.seeds)
    await writeFile(path, source)
    if (caught === "NO") missed += 1
    console.log(`${name.padEnd(46)} ${caught.padStart(4)}  ${problem}`)
  }
} finally {
  await rm(folder, { recursive: true, force: true })
}
console.log(missed === 0 ? "every planted fault was noticed" : `${missed} planted faults were not noticed`)
process.exit(missed === 0 ? 0 : 1)
