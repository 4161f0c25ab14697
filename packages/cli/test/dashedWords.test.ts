import { assert, it } from "@effect/vitest"
import { Effect } from "effect"
import { unmarked, withDashedWords } from "../src/DashedWords.ts"

const words = (...line: ReadonlyArray<string>) =>
  withDashedWords(line).flatMap((word) => (word.startsWith("\u0000") ? [unmarked(word)] : []))

it.effect.each([
  ["a negative number", "-5"],
  ["an item of a list", "- first\n- second"],
  ["several letters", "-xyz"],
  ["a sentence that begins as a flag does", "--no, that is wrong"],
] as const)("takes %s for text", ([, text]) =>
  Effect.sync(() => assert.deepStrictEqual(words("send", "bob", text, "--json"), [text])),
)

it.effect.each([
  ["flags", ["send", "bob", "hi", "--priority", "now", "-p", "low", "--ttl=1h"]],
  ["what stands behind --", ["send", "bob", "--", "-xyz"]],
  ["a dash alone, which is stdin", ["send", "bob", "-"]],
  ["other commands", ["peers", "-xyz"]],
] as const)("leaves %s alone", ([, line]) => Effect.sync(() => assert.deepStrictEqual(withDashedWords(line), line)))

it.effect.each([
  ["alone", ["send", "bob", "hi", "--wait"], ["send", "bob", "hi", "--wait=shown"]],
  ["before a text", ["send", "bob", "--wait", "hi"], ["send", "bob", "--wait=shown", "hi"]],
  ["with what is waited for", ["send", "bob", "--wait", "shown", "hi"], ["send", "bob", "--wait=shown", "hi"]],
  ["for a reply", ["reply", "4fa1c2d3", "hi", "--wait", "reply"], ["reply", "4fa1c2d3", "hi", "--wait=reply"]],
  ["as one word", ["send", "bob", "--wait=reply", "hi"], ["send", "bob", "--wait=reply", "hi"]],
  ["behind --", ["send", "bob", "--", "--wait", "shown"], ["send", "bob", "--", "--wait", "shown"]],
] as const)("reads --wait %s", ([, line, read]) =>
  Effect.sync(() => assert.deepStrictEqual(withDashedWords(line), read)),
)
