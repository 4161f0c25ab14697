/**
 * The first that runs: it loads what the line needs, and nothing else. The list of all commands, which `npm run build` has
 * written down, needs nothing at all, where the libraries that make it take longer than all the rest of it.
 */
import { builtIn } from "./Launch.ts"
import { helpPage, printAll } from "./HelpPage.ts"

const [only, ...more] = process.argv.slice(2)
const asksForHelp = more.length === 0 && (only === undefined || only === "--help" || only === "-h" || only === "help")
const page = asksForHelp && builtIn !== undefined ? helpPage(builtIn) : undefined

// Hosts start the server by this one word, and wait for its first answer.
if (only === "mcp" && more.length === 0) (await import("./mcp/FirstAnswer.ts")).answerFirst()

// The hook of a host waits for nothing, either; it ends the process.
if (only === "hook") await (await import("./host/HookCommand.ts")).runHook(more)

if (page === undefined || !printAll(page)) await import("./main.ts")
