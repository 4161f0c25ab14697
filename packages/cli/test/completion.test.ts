/** The script for bash, in bash: what is offered behind a line. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { commandLine } from "../src/usage/CommandLine.ts"
import { completionScript } from "../src/usage/Completion.ts"

const names = `claudemesh() { case $3 in peers|targets) printf '%s\\n' Bob Bea 'Zoë Müller' red:Eve ;; meshes) echo my-team ;; esac; }`

const offeredBy = (script: string) => async (line: string) => {
  const ask = `COMP_WORDS=(${line}); COMP_CWORD=$((\${#COMP_WORDS[@]} - 1)); _claudemesh; echo "\${COMPREPLY[*]}"`
  const child = Bun.spawn(["bash", "--norc", "-c", `${script}\n${names}\n${ask}`], { stdout: "pipe" })
  return (await new Response(child.stdout).text()).trim()
}

describe("what Tab offers", () => {
  it.live("is what the command, the flag and the place in the line take", () =>
    Effect.gen(function* () {
      const offered = offeredBy(completionScript("bash", yield* commandLine))
      const cases: Readonly<Record<string, string>> = {
        "claudemesh sen": "send",
        "claudemesh send B": "Bob Bea",
        "claudemesh send bo": "Bob",
        "claudemesh send 'Zoë\\\\ '": "Zoë\\ Müller",
        "claudemesh send '\"Zoë '": "Zoë Müller",
        "claudemesh send my-team : B": "Bob Bea",
        "claudemesh send red : e": "Eve",
        "claudemesh send re": "red:Eve",
        "claudemesh send --wait B": "Bob Bea",
        "claudemesh send Bob : x B": "",
        "claudemesh --timeout 5s send B": "Bob Bea",
        "claudemesh send --priority now B": "Bob Bea",
        "claudemesh send Bob B": "",
        "claudemesh send --mesh ''": "my-team",
        "claudemesh send --mesh = ''": "my-team",
        "claudemesh send --priority n": "now next",
        "claudemesh send --timeout ''": "",
        "claudemesh rename B": "Bob Bea",
        "claudemesh install --for c": "codex cursor",
        "claudemesh status --for ''": "",
        "claudemesh status ''": "dnd idle",
        "claudemesh privacy ''": "all nothing",
        "claudemesh leave ''": "my-team",
        "claudemesh outbox ''": "cancel",
        "claudemesh whoami ''": "",
      }
      for (const [line, words] of Object.entries(cases)) {
        assert.strictEqual(yield* Effect.promise(() => offered(line)), words, line)
      }
    }),
  )
})
