/** When a mesh tries again what failed, a page or a write, and how often. As numbers: a decision waits for nothing. */

/** So often it is tried where the database answers, and will most likely say the same again. */
export const triesMax = 8

const firstMillis = 1_000
const mostMillis = 30_000

/** Before it is tried again, after so many failures: twice as long each time, up to the most. */
export const delayAfter = (failures: number): number => Math.min(mostMillis, firstMillis * 2 ** (failures - 1))
