/** Which program this is. `GIT_SHA` (or what the platforms set) is for people who read `/health`. */
import manifest from "../package.json" with { type: "json" }

const gitSha = ["GIT_SHA", "RAILWAY_GIT_COMMIT_SHA", "SOURCE_COMMIT"]
  .map((name) => process.env[name])
  .find((sha) => sha !== undefined && sha !== "")

export const Version = { version: manifest.version, gitSha: gitSha ?? "unknown" }
