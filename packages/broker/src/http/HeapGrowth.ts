/**
 * Has the heap collected while sockets become more than there ever were. The runtime collects by itself, but late: a hello leaves ten times
 * as much behind as its connection keeps, and no block of the heap is given back in which anything lives. So after thousands had come at once the
 * heap would stay at twice its size. `Sockets.ts` says how many are open. Nothing is collected here for a frame, nor for those who only come back.
 */

/** What so many hellos leave behind is as much as the runtime would let lie. */
const socketsAtLeast = 200
/** A collection looks at all that lives, so the next one is the later the more that is: of `n` sockets there are as many as log(n). */
const share = 0.2

export class HeapGrowth {
  #next = socketsAtLeast

  constructor(readonly collect: () => void) {}

  /** So many are open now. */
  opened(sockets: number): void {
    if (sockets < this.#next) return
    this.#next = sockets + Math.max(socketsAtLeast, Math.floor(sockets * share))
    this.collect()
  }
}
