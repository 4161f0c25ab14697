/** Heads of an audit as a broker signs them. */
import { checkpointStatement } from "@claudemesh/domain/audit/Checkpoint"
import type { AuditHead } from "@claudemesh/domain/wire/BrokerFrame"
import { keysOf as auditKeysOf, sign } from "../../../domain/test/support/Trust.ts"

export const mesh = "mesh-team"
export const first = auditKeysOf("audit")
export const second = auditKeysOf("audit, rotated")

export const headOf = (number: number, chain = "a", atMillis = number * 1_000, by = first): AuditHead => {
  const unsigned = { number, hash: chain.repeat(64), total: number, atMillis, key: by.key }
  return { ...unsigned, signature: sign(checkpointStatement({ mesh, kind: "head", ...unsigned }), by) }
}
