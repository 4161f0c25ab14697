/**
 * Checks one chain block by block, in the memory of a few of them. It says how far the chain is whole, or which is the first bad block and what
 * was done to it. It needs neither a store nor a broker: blocks, checkpoints and the broker's public keys are all that goes in.
 */
import { type AuditBlock, blockHash, chainBegins } from "./AuditBlock.ts"
import { type Checkpoint, isSignedCheckpoint } from "./Checkpoint.ts"

/**
 * `changed`: it is not what was hashed. `missing`: the blocks `number` to `last` are gone. `inserted`: it is not of the chain. `reordered`: the
 * block of this number stands elsewhere. `cut`: a checkpoint knows of blocks up to `last`, and none is there of `number` and on. `rewritten`:
 * the chain is whole in itself, and it is not the one that a checkpoint is of. `unsigned`: a checkpoint that the audit key has not signed.
 */
export interface Tampering {
  readonly what: "changed" | "missing" | "inserted" | "reordered" | "cut" | "rewritten" | "unsigned"
  readonly number: number
  readonly last: number
}

export interface ChainReport {
  /** The first and the last block that were checked; 0: none. */
  readonly first: number
  readonly last: number
  readonly hash: string
  readonly blocks: number
  readonly events: number
  /** The last block that a checkpoint says the same of; what is behind it is only hashed. */
  readonly signedTo: number
  readonly tampering: Tampering | undefined
}

export interface ChainRules {
  /** Whose checkpoints count. */
  readonly keys: ReadonlySet<string>
  /** Whose are passed by. */
  readonly earlierKeys?: ReadonlySet<string>
  /** It begins with whatever block comes first: only a part of it is looked at. */
  readonly isPart: boolean
}

/** Behind a bad block, to see what was done to it. */
const followingMax = 64

interface Place {
  readonly number: number
  readonly hash: string
}

export class ChainCheck {
  readonly #rules: ChainRules
  #first = 0
  #blocks = 0
  #events = 0
  #total = 0
  #signedTo = 0
  /** The last good block, and the one before that. */
  #head: Place = { number: 0, hash: chainBegins }
  #beforeHead: Place | undefined
  #removed: Checkpoint | undefined
  /** Of blocks that have not come yet. */
  readonly #ahead = new Map<number, Checkpoint>()
  #bad: AuditBlock | undefined
  readonly #following: Array<AuditBlock> = []
  #tampering: Tampering | undefined

  constructor(rules: ChainRules) {
    this.#rules = rules
  }

  /** One that comes before the blocks that it is of is compared when they come. */
  checkpoint(one: Checkpoint): void {
    if (this.#isOver() || (this.#rules.earlierKeys?.has(one.key) && !this.#rules.keys.has(one.key))) return
    if (!this.#rules.keys.has(one.key) || !isSignedCheckpoint(one)) return this.#found("unsigned", one.number)
    if (one.kind === "removed" && one.number > (this.#removed?.number ?? 0)) this.#removed = one
    if (one.number > this.#head.number) {
      const known = this.#ahead.get(one.number)
      if (known !== undefined && known.hash !== one.hash) return this.#found("rewritten", one.number)
      this.#ahead.set(one.number, one)
    } else if (one.number === this.#head.number) this.#compare(one)
    // What it is of has gone by, or was removed: it cannot be compared any more.
  }

  block(one: AuditBlock): void {
    if (this.#tampering !== undefined) return
    if (this.#bad !== undefined) {
      this.#following.push(one)
      if (this.#following.length === followingMax) this.#diagnose()
      return
    }
    if (this.#blocks === 0) this.#begin(one)
    if (this.#isOver()) return
    const count = eventsOf(one.events)
    const follows = one.number === this.#head.number + 1 && one.previous === this.#head.hash
    const isRight = follows && blockHash(one) === one.hash && count !== undefined && one.total === this.#total + count
    if (!isRight) {
      this.#bad = one
      return
    }
    this.#beforeHead = this.#head
    this.#head = { number: one.number, hash: one.hash }
    this.#blocks += 1
    this.#events += count
    this.#total = one.total
    const checkpoint = this.#ahead.get(one.number)
    if (checkpoint === undefined) return
    this.#ahead.delete(one.number)
    this.#compare(checkpoint)
  }

  end(): ChainReport {
    if (this.#bad !== undefined && this.#tampering === undefined) this.#diagnose()
    const farthest = Math.max(0, ...this.#ahead.keys())
    if (this.#tampering === undefined && farthest > this.#head.number && !this.#rules.isPart)
      this.#found("cut", this.#head.number + 1, farthest)
    return {
      first: this.#first,
      last: this.#blocks === 0 ? 0 : this.#head.number,
      hash: this.#head.hash,
      blocks: this.#blocks,
      events: this.#events,
      signedTo: this.#signedTo,
      tampering: this.#tampering,
    }
  }

  #isOver(): boolean {
    return this.#tampering !== undefined || this.#bad !== undefined
  }

  #found(what: Tampering["what"], number: number, last = number): void {
    this.#tampering ??= { what, number, last }
  }

  #compare({ hash, number, total }: Checkpoint): void {
    if (hash !== this.#head.hash || total !== this.#total) return this.#found("rewritten", number)
    this.#signedTo = number
  }

  /** The first of a chain; of a part; or of what retention left, which has signed up to where blocks may be gone. */
  #begin(one: AuditBlock): void {
    this.#first = one.number
    const removed = this.#removed ?? { number: 0, hash: chainBegins, total: 0 }
    if (this.#rules.isPart || (one.number > 1 && one.number <= removed.number)) {
      this.#head = { number: one.number - 1, hash: one.previous }
      this.#total = one.total - (eventsOf(one.events) ?? 0)
    } else if (one.number > 1) {
      this.#head = removed
      this.#total = removed.total
      this.#signedTo = removed.number
    }
    for (const number of this.#ahead.keys()) if (number <= this.#head.number) this.#ahead.delete(number)
  }

  #diagnose(): void {
    const bad = this.#bad
    if (bad === undefined) return
    const { number } = this.#head
    const next = number + 1
    const follows = (place: Place, block: AuditBlock): boolean =>
      block.previous === place.hash && blockHash({ ...block, number: place.number + 1 }) === block.hash
    // Somebody made a block that fits, and what was there before follows the one before that.
    const before = this.#beforeHead
    if (before !== undefined && follows(before, bad)) return this.#found("inserted", number)
    const place = this.#following.find((block) => follows(this.#head, block))
    if (place !== undefined) {
      const all = [bad, ...this.#following]
      const isOfTheChain = all.some(({ hash, previous }) => previous === bad.hash || hash === bad.previous)
      return this.#found(isOfTheChain ? "reordered" : "inserted", next)
    }
    const own = ownNumber(bad, next)
    if (own !== undefined && own > next) return this.#found("missing", next, own - 1)
    // What is there was hashed so, and says another block before it.
    if (own !== next || bad.number !== next || bad.previous === this.#head.hash) return this.#found("changed", next)
    // That one was changed and hashed anew; or all that had been signed for was replaced.
    this.#found(this.#signedTo === number ? "rewritten" : "changed", this.#signedTo === number ? next : number)
  }
}

/** Which it was when it was hashed: it may have been given the number of one that is gone. */
const ownNumber = (block: AuditBlock, least: number): number | undefined => {
  if (blockHash(block) === block.hash) return block.number
  for (let number = least; number <= least + followingMax; number++)
    if (blockHash({ ...block, number }) === block.hash) return number
  return undefined
}

const eventsOf = (text: string): number | undefined => {
  try {
    const events: unknown = JSON.parse(text)
    return Array.isArray(events) ? events.length : undefined
  } catch {
    return undefined
  }
}
