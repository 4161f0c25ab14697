/** `npm start`: the broker as a process of its own. */
import { main } from "./serve.ts"

main()
