/** The turns that sockets take, for a test that is not about them: time stands still, and what waits is handled at once. */
import { Turns } from "../../src/connection/Turns.ts"
import { brokerLimits } from "../../src/Limits.ts"

export const quickTurns = (): Turns => new Turns(brokerLimits, () => 0n, queueMicrotask)
