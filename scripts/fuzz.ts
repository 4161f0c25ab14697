/**
 * `npm run fuzz [-- --inputs N --seed N --only NAME]`: broken inputs for every decoder, N of them in all. The first
 * that breaks a claim is printed with the command that replays it (`--from N` begins at that input), and exits with 1.
 */
import { parseArgs } from "node:util"
import { brokerDecoders } from "../packages/broker/test/fuzz/Decoders.ts"
import { clientDecoders } from "../packages/client/test/fuzz/Decoders.ts"
import { domainDecoders } from "../packages/domain/test/fuzz/Decoders.ts"
import { fuzz, grownBytesMax, isFault, shown } from "../packages/domain/test/fuzz/Fuzz.ts"

const { values } = parseArgs({
  options: {
    inputs: { type: "string", default: "1000000" },
    seed: { type: "string" },
    only: { type: "string" },
    from: { type: "string", default: "0" },
  },
})

const seed = Number(values.seed ?? crypto.getRandomValues(new Uint32Array(1))[0])
const all = [...domainDecoders, ...(await clientDecoders), ...(await brokerDecoders)]
const decoders = all.filter(({ name }) => values.only === undefined || name === values.only)
if (decoders.length === 0) {
  console.error(`there is no ${values.only}; there are: ${all.map(({ name }) => name).join(", ")}`)
  process.exit(2)
}

let rejections = 0
process.on("unhandledRejection", (reason) => {
  rejections += 1
  console.error("a rejection that nobody handled:", reason)
})

const each = Math.ceil(Number(values.inputs) / decoders.length)
console.log(`seed ${seed}, ${each} inputs for each of ${decoders.length}`)
let total = 0
let grown = false
for (const decoder of decoders) {
  const outcome = fuzz(decoder, { seed, from: Number(values.from), inputs: each })
  if (isFault(outcome)) {
    console.log(`${decoder.name} broke: ${outcome.problem}\n  input ${shown(outcome.input)}`)
    console.log(`  npm run fuzz -- --only ${decoder.name} --seed ${seed} --from ${outcome.index} --inputs 1`)
    process.exit(1)
  }
  total += outcome.inputs
  const { accepted, grownBytes, inputs, millis } = outcome
  const tooMuch = grownBytes > grownBytesMax
  grown ||= tooMuch
  console.log(
    [
      decoder.name.padEnd(18),
      `${inputs} inputs`,
      `${Math.round((inputs / millis) * 1000)}/s`,
      `${accepted} accepted`,
      `${inputs - accepted} refused`,
      `heap ${grownBytes < 0 ? "" : "+"}${(grownBytes / 1_048_576).toFixed(1)} MiB${tooMuch ? ": it grows" : ""}`,
    ].join("  "),
  )
}
// A turn of the loop, so that a rejection of the last input is heard, too.
await Bun.sleep(10)
console.log(`${total} inputs, seed ${seed}: ${grown || rejections > 0 ? "broken" : "nothing broke"}`)
process.exit(grown || rejections > 0 ? 1 : 0)
