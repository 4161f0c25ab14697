/** The bounds of a hook that is a command, alone, since no library is loaded for one. */

/** Of what a host says to its hook, with what a tool gave it. */
export const hookInputBytesMax = 67_108_864

/** How long the server may take: less than the host's own limit, which `install` writes. */
export const hookAnswerMillis = 4_000
export const hookSeconds = 5
/** Codex CLI gives no more to a hook of an interruption. */
export const interruptHookSeconds = 3
