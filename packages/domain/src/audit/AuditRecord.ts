/**
 * An export of the audit, a line of JSON for each record: the keys that sign, how one has handed over to the next, what they have signed, and the
 * blocks of each mesh in their order. {@link AuditCheck} takes such lines, of any number, and needs nothing else than the keys.
 */
import type { AuditBlock } from "./AuditBlock.ts"
import { ChainCheck, type ChainReport, type ChainRules } from "./ChainCheck.ts"
import type { Checkpoint } from "./Checkpoint.ts"
import { isSignedRotation, type KeyRotation } from "./KeyRotation.ts"

export type AuditRecord =
  | { readonly type: "key"; readonly key: string }
  | ({ readonly type: "rotation" } & KeyRotation)
  | ({ readonly type: "checkpoint" } & Checkpoint)
  | ({ readonly type: "block" } & AuditBlock)

export const recordText = (record: AuditRecord): string => JSON.stringify(record)

type Fields = Readonly<Record<string, unknown>>

const isFields = (value: unknown): value is Fields => typeof value === "object" && value !== null

const isText = (value: unknown): value is string => typeof value === "string"
const isNumber = (value: unknown): value is number => Number.isSafeInteger(value)

const blockOf = ({ actors, atMillis, events, hash, mesh, number, previous, total }: Fields): AuditRecord | undefined =>
  isText(mesh) &&
  isNumber(number) &&
  isText(previous) &&
  isText(hash) &&
  isNumber(atMillis) &&
  isNumber(total) &&
  isText(actors) &&
  isText(events)
    ? { type: "block", mesh, number, previous, hash, atMillis, total, actors, events }
    : undefined

const checkpointOf = (fields: Fields): AuditRecord | undefined => {
  const { atMillis, hash, key, kind, mesh, number, signature, total } = fields
  return isText(mesh) &&
    (kind === "head" || kind === "removed") &&
    isNumber(number) &&
    isText(hash) &&
    isNumber(total) &&
    isNumber(atMillis) &&
    isText(key) &&
    isText(signature)
    ? { type: "checkpoint", mesh, kind, number, hash, total, atMillis, key, signature }
    : undefined
}

const rotationOf = ({ atMillis, key, next, signature }: Fields): AuditRecord | undefined =>
  isText(key) && isText(next) && isNumber(atMillis) && isText(signature)
    ? { type: "rotation", key, next, atMillis, signature }
    : undefined

/** Undefined: it is no record. */
export const parseRecord = (line: string): AuditRecord | undefined => {
  let value: unknown
  try {
    value = JSON.parse(line)
  } catch {
    return undefined
  }
  if (!isFields(value)) return undefined
  const { key, type } = value
  if (type === "block") return blockOf(value)
  if (type === "checkpoint") return checkpointOf(value)
  if (type === "rotation") return rotationOf(value)
  return type === "key" && isText(key) ? { type, key } : undefined
}

export class AuditCheck {
  readonly #keys: Set<string>
  readonly #rotations: Array<KeyRotation> = []
  /** Those that have handed over to another one: what such a key signed is passed by where it is not known, since anybody could say that of a key. */
  readonly #earlier = new Set<string>()
  readonly #isPart: boolean
  readonly #chains = new Map<string, ChainCheck>()

  constructor({ isPart, keys }: Pick<ChainRules, "isPart" | "keys">) {
    this.#keys = new Set(keys)
    this.#isPart = isPart
  }

  /** What this key signs counts from now on. */
  believe(key: string): void {
    this.#keys.add(key)
    this.#reach()
  }

  take(record: AuditRecord): void {
    if (record.type === "rotation") this.#follow(record)
    if (record.type === "block") this.#chainOf(record.mesh).block(record)
    if (record.type === "checkpoint") this.#chainOf(record.mesh).checkpoint(record)
  }

  /** By mesh. */
  end(): ReadonlyMap<string, ChainReport> {
    return new Map([...this.#chains].map(([mesh, chain]) => [mesh, chain.end()]))
  }

  /** They may come in any order, and before the keys. */
  #follow(rotation: KeyRotation): void {
    if (!isSignedRotation(rotation)) return
    this.#rotations.push(rotation)
    this.#earlier.add(rotation.key)
    this.#reach()
  }

  #reach(): void {
    // A set that grows while it is gone through is gone through to its end.
    for (const known of this.#keys) for (const { key, next } of this.#rotations) if (key === known) this.#keys.add(next)
  }

  #chainOf(mesh: string): ChainCheck {
    const known = this.#chains.get(mesh)
    if (known !== undefined) return known
    const chain = new ChainCheck({ keys: this.#keys, earlierKeys: this.#earlier, isPart: this.#isPart })
    this.#chains.set(mesh, chain)
    return chain
  }
}
