/** Runs before `npm publish`: what it needs beside the package, and what only a person can say. */
import manifest from "../package.json" with { type: "json" }

const problems = [
  ...("repository" in manifest
    ? []
    : ["package.json has no repository. Provenance is proved of the one that the package is built in: add its URL."]),
  ...(process.env["CI"] === undefined
    ? ["This is not a CI run. Provenance is proved by the CI that publishes (see HACKING.md)."]
    : []),
]

for (const problem of problems) console.error(`not published: ${problem}`)
process.exit(problems.length === 0 ? 0 : 1)
