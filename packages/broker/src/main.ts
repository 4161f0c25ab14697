/** `npm start`: the broker as a process of its own. */
import { join } from "node:path"
import { main } from "./serve.ts"

main(join(import.meta.dirname, "../../cli/bin/claudemesh"))
