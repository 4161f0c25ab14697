/** Why a socket was closed, as data: the code, what it means, and how a client goes on. */

export interface CloseCode {
  readonly code: number
  readonly meaning: string
  /** As things are, the client will be refused again: it says why and tries at long intervals. Only `revoked` ends it. */
  readonly terminal: boolean
}

export const CloseCode = {
  goingAway: { code: 1001, meaning: "the broker is going away", terminal: false },
  notAdmitted: { code: 1008, meaning: "not admitted", terminal: true },
  frameTooLarge: { code: 1009, meaning: "frame too large", terminal: false },
  internal: { code: 1011, meaning: "the broker failed while it handled a frame", terminal: false },
  tryAgainLater: { code: 1013, meaning: "the broker cannot reach its database", terminal: false },
  kicked: { code: 4001, meaning: "kicked by an admin of the mesh", terminal: true },
  revoked: { code: 4002, meaning: "this member was revoked", terminal: true },
  replaced: { code: 4003, meaning: "replaced by a newer connection of the same session", terminal: true },
  noHello: { code: 4008, meaning: "no hello in time", terminal: false },
  protocolError: { code: 4009, meaning: "protocol error", terminal: false },
  atCapacity: { code: 4013, meaning: "the broker is at capacity", terminal: false },
  flooding: { code: 4029, meaning: "too much, too fast", terminal: false },
} as const satisfies Record<string, CloseCode>

const byCode: ReadonlyMap<number, CloseCode> = new Map(Object.values(CloseCode).map((entry) => [entry.code, entry]))

export const isTerminalClose = (code: number): boolean => byCode.get(code)?.terminal ?? false

export const closeMeaning = (code: number): string => byCode.get(code)?.meaning ?? `closed with code ${code}`
