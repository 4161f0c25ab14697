/** The bounds of `install`, `uninstall` and `doctor`, each with its unit in its name. */

/** Of a settings file of a host. `~/.claude.json` of a busy machine is a hundredth of it. */
export const settingsBytesMax = 33_554_432
/** How often a settings file is changed anew because another program wrote it meanwhile. */
export const settingsWritesMax = 20
/** How long the lock of Claude Code on its file is waited for, and when one counts as left by a process that died. */
export const settingsLockWaitMillis = 5_000
export const settingsLockStaleMillis = 30_000
/** Lines that are compared for a difference that is shown; above it, all that differs is shown as one piece. */
export const differenceLinesMax = 2_000
/** How long the host's own command may take. */
export const hostCommandMillis = 60_000

/** Of a check of `doctor`: the answer of a broker, of the host's command, and the whole message to oneself. */
export const checkMillis = 8_000
