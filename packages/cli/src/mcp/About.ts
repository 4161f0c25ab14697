/** What the server says of itself in its first answer. It is here alone, since that answer waits for no library. */
import manifest from "../../package.json" with { type: "json" }
import { instructions } from "./Instructions.ts"
import * as agentWords from "../words/agent.ts"

export const serverInfo = { name: "claudemesh", title: agentWords.peopleOnTheMesh, version: manifest.version }

export const capabilities = {
  tools: {},
  logging: {},
  prompts: {},
  completions: {},
  resources: { subscribe: true },
}

/** As the SDK has them, the newest first. A test holds that. */
export const protocolVersions = ["2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05", "2024-10-07"] as const

export const initializeResult = (asked: string) => ({
  protocolVersion: protocolVersions.find((version) => version === asked) ?? protocolVersions[0],
  capabilities,
  serverInfo,
  instructions,
})
