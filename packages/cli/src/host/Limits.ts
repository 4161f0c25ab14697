/** The bounds of what reaches a host by itself. Characters are UTF-16 code units, as in `mcp/Limits.ts`. */
import { hookAnswerMillis } from "./HookLimits.ts"
import { wholeCharactersMax } from "../mcp/Limits.ts"

/** Of what one hook adds to the conversation. Claude Code shows a model the name of a file from 10,000 on. */
export const hookCharactersMax = 9_000

/** Of these, for the messages. */
export const handedCharactersMax = wholeCharactersMax

/** Turns in a row that messages may prolong at their end: whoever writes without end must not keep an agent at work without end. */
export const stopsInARowMax = 8

/** How long a hook waits for a broker to say what it holds back. */
export const hookPullMillis = 1_000

/** The same status is reported again after this: a hook's report beats others only while it is fresh. */
export const reportAgainMillis = 10_000

/** A prompt that comes within this after a wake is taken for the wake's own. */
export const wakePromptMillis = 5_000

/** Wakes within an hour, unless `CLAUDEMESH_WAKES_PER_HOUR` says another number. */
export const wakesPerHour = 20
export const hourMillis = 3_600_000

/** How long an urgent message waits for the next step of a busy host before a wake is written as well. */
export const stepMillis = 3_000

/** A host that said nothing for so long is not busy any more: one that is interrupted says nothing. */
export const busyMillisMax = 900_000

/** Between two looks at what waits, while something waits. */
export const wakeLookMillis = 250

/** How long a turn may take to follow a wake, for the wake to count as one that works. A wake of a plugin's monitor takes 0.3 s. */
export const wakeFollowedMillis = 15_000

/** Of a wake file: it is emptied before it grows larger. */
export const wakeFileBytesMax = 4_096

/** Files of the wake folder that are looked at for those of dead processes. */
export const wakeFilesMax = 1_000

/** Of what a hook that is a command asks by the socket, how many ask at a time, and for how long one may: it gives up before. */
export const hookLineBytesMax = 4_096
export const hookConnectionsMax = 32
export const hookConnectionMillis = 2 * hookAnswerMillis

/**
 * Codex CLI shows a model the name of a file where a hook says more than 10,000 bytes. So many are for the messages: what has longer
 * parts, in other letters than ASCII, comes by check_messages.
 */
export const handedBytesMax = 8_200

/** Of a transcript's end that is read: what is inferred stands in its last lines. */
export const transcriptBytesMax = 65_536

/** Between two looks at a transcript. One that has not changed is not opened. */
export const transcriptLookMillis = 2_000

/** Projects of the host that are searched for a transcript, and how long one that was not found is not looked for again. */
export const projectsMax = 2_000
export const transcriptSearchMillis = 30_000

/** A `working` ends by itself at the broker, so it is said again, as long as the transcript grew within the last while. */
export const inferredAgainMillis = 30_000
export const inferredWorkingMillis = 600_000
