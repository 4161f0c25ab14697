/** What all loads have in common, whatever the server: who gets a message, what is said twice, and the figures that it prints. */

/** One of so many sends, and one of so many acks, is said twice. */
export const twiceEvery = 50

/** Those who send among themselves get every number as far away, in an order that looks like chance and is the same each time. */
export const receiverOf = (number: number, sender: number, receivers: number, isAmongThemselves: boolean): number =>
  isAmongThemselves ? (sender + 1 + ((number * 2_654_435_761) % (receivers - 1))) % receivers : number % receivers

/** Begins the measured time, with that of the load's own processor. What it gives ends it: one line of JSON, as `LoadFigures` of `Server.ts`. */
export const startClock = (latencies: Array<number>): ((deliveries: number) => string) => {
  const [begun, cpuBefore] = [performance.now(), process.cpuUsage()]
  return (deliveries) => {
    const millis = performance.now() - begun
    const { system, user } = process.cpuUsage(cpuBefore)
    latencies.sort((left, right) => left - right)
    const at = (share: number) => latencies[Math.floor(latencies.length * share)] ?? 0
    const busy = (system + user) / 1_000 / millis
    return JSON.stringify({ perSecond: (deliveries / millis) * 1_000, p50: at(0.5), p99: at(0.99), busy })
  }
}
