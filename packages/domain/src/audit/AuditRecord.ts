/**
 * An export of the audit, a line of JSON for each record: the keys that sign, what they have signed, and the blocks of each mesh in their
 * order. {@link AuditCheck} takes such lines, of any number, and needs nothing else than the keys.
 */
import type { AuditBlock } from "./AuditBlock.ts"
import { ChainCheck, type ChainReport, type ChainRules } from "./ChainCheck.ts"
import type { Checkpoint } from "./Checkpoint.ts"

export type AuditRecord =
  | { readonly type: "key"; readonly key: string }
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
  return type === "key" && isText(key) ? { type, key } : undefined
}

export class AuditCheck {
  readonly #rules: ChainRules
  readonly #chains = new Map<string, ChainCheck>()

  constructor(rules: ChainRules) {
    this.#rules = rules
  }

  take(record: AuditRecord): void {
    if (record.type === "block") this.#chainOf(record.mesh).block(record)
    if (record.type === "checkpoint") this.#chainOf(record.mesh).checkpoint(record)
  }

  /** By mesh. */
  end(): ReadonlyMap<string, ChainReport> {
    return new Map([...this.#chains].map(([mesh, chain]) => [mesh, chain.end()]))
  }

  #chainOf(mesh: string): ChainCheck {
    const known = this.#chains.get(mesh)
    if (known !== undefined) return known
    const chain = new ChainCheck(this.#rules)
    this.#chains.set(mesh, chain)
    return chain
  }
}
