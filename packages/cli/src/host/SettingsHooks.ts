/**
 * What Claude Code's settings need where the plugin is not installed, beside the hooks of `packages/plugin/hooks/hooks.json`
 * (with `claudemesh` as their server): the wake. At the start of a session the host is told to watch its wake file, and a
 * line that comes there wakes it. No program of ours is started for that, and `tail` has read a file of some bytes.
 */
import * as hostWords from "../words/host.ts"

const folder = `"\${CLAUDEMESH_HOME:-$HOME/.claudemesh}/wake"`
const file = `${folder}/"$CLAUDE_PID"`

/** A host watches no file in a folder that is not there yet. The path may have quotes and backslashes in it. */
const watch = [
  `umask 077; mkdir -p ${folder}; : >> ${file}`,
  hostWords.pathPrintfSSedSG(file),
  `printf '{"hookSpecificOutput":{"hookEventName":"SessionStart","watchPaths":["%s"]}}' "$path"`,
].join("; ")

/** Hooks of others watch other files, and this one is emptied at times, which is a change, too. */
const tell = [hostWords.caseCatInWakeClaudePidExit, `[ -s ${file} ] || exit 0`, `tail -n 1 ${file} >&2; exit 2`].join(
  "; ",
)

export const settingsWakeHooks = {
  SessionStart: [{ hooks: [{ type: "command", command: watch }] }],
  FileChanged: [{ hooks: [{ type: "command", command: tell, asyncRewake: true }] }],
} as const
