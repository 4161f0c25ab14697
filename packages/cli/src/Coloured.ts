/** Whether stdout shows colours. It is not asked through `process.stdout`, whose streams take 10 ms to load. */
import { isatty } from "node:tty"

export const coloured: boolean = isatty(1) && (process.env["NO_COLOR"] ?? "") === ""
