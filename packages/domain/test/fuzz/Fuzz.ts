/**
 * What a decoder is fuzzed with, and what is claimed of it. Inputs come in batches that follow from the seed, the
 * decoder's name and the batch's number alone, so that any one of them is made again without those before it.
 */
import * as fc from "fast-check"
import { Chance, mutated } from "./Mutate.ts"

/** A claim does not hold of an input. */
export class Broken extends Error {}

export const claim = (holds: boolean, what: string): void => {
  if (!holds) throw new Broken(what)
}

/** Equal as JSON, which knows no negative zero; the decoders give their keys in an order of their own. */
export const claimSame = (one: unknown, other: unknown, what: string): void =>
  claim(JSON.stringify(one) === JSON.stringify(other), what)

export interface Fuzzed {
  readonly name: string
  /** Good inputs, to be mutated. */
  readonly examples: ReadonlyArray<string>
  /** Whether it was accepted. What it throws is a fault: a broken claim, or the decoder's own. */
  readonly check: (input: string) => boolean
}

export interface Tally {
  readonly inputs: number
  readonly accepted: number
  readonly millis: number
  /** Of the heap, from after the first tenth to the end. */
  readonly grownBytes: number
}

export interface Fault {
  readonly index: number
  readonly input: string
  readonly problem: string
}

const batchSize = 128
const generatedPerBatch = 32

/** Half a character, NUL and the marks are in `binary`. */
const arbitrary: fc.Arbitrary<string> = fc.oneof(
  fc.string({ unit: "binary", maxLength: 200 }),
  fc.json({ maxDepth: 4, stringUnit: "binary" }),
  fc.json({ depthSize: "large", stringUnit: "grapheme" }),
  fc.webUrl({ withFragments: true, withQueryParameters: true }),
)

const hash = (text: string): number => {
  let value = 0x811c9dc5
  for (let index = 0; index < text.length; index++) value = Math.imul(value ^ text.charCodeAt(index), 0x01000193)
  return value
}

const batch = ({ examples, name }: Fuzzed, seed: number, number: number): ReadonlyArray<string> => {
  const own = hash(`${seed} ${name} ${number}`)
  const chance = new Chance(own)
  const generated = fc.sample(arbitrary, { seed: own, numRuns: generatedPerBatch })
  return [
    ...generated.map((text) => (chance.int(2) === 0 ? text : mutated([text, ...examples.slice(0, 1)], chance))),
    ...Array.from({ length: batchSize - generatedPerBatch }, () => mutated(examples, chance)),
  ]
}

const heap = (): number => {
  Bun.gc(true)
  return process.memoryUsage().heapUsed
}

export interface Range {
  readonly seed: number
  readonly from?: number
  readonly inputs: number
}

/** The first fault ends it. */
export const fuzz = (fuzzed: Fuzzed, { from = 0, inputs, seed }: Range): Tally | Fault => {
  const begun = performance.now()
  let accepted = 0
  let before = 0
  for (let index = from, texts: ReadonlyArray<string> = []; index < from + inputs; index++) {
    if (index === from || index % batchSize === 0) texts = batch(fuzzed, seed, Math.floor(index / batchSize))
    if (index - from === Math.floor(inputs / 10)) before = heap()
    const input = texts[index % batchSize] ?? ""
    try {
      if (fuzzed.check(input)) accepted += 1
    } catch (problem) {
      return { index, input, problem: String(problem) }
    }
  }
  return { inputs, accepted, millis: performance.now() - begun, grownBytes: heap() - before }
}

export const isFault = (outcome: Tally | Fault): outcome is Fault => "problem" in outcome

/** What a heap may be larger by at the end; it is the engine's caches, and does not grow with the inputs. */
export const grownBytesMax = 33_554_432

/** Readable, and can be pasted. */
export const shown = (text: string): string => {
  const json = JSON.stringify(text).replace(
    /[\u007f-\uffff]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  )
  return json.length <= 4_000 ? json : `${json.slice(0, 2_000)} ... (${text.length} characters) ... ${json.slice(-500)}`
}
