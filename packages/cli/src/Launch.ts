/**
 * The first that runs of the command. `bin/claudemesh.mjs` starts Bun in a folder of ours, since Bun obeys what lies in
 * the folder that it starts in; now that everything is loaded, this goes to the folder that the person is in.
 */
const { CLAUDEMESH_STARTED_AS: as, CLAUDEMESH_STARTED_IN: folder } = process.env

// Not for what is started from here.
delete process.env["CLAUDEMESH_STARTED_AS"]
delete process.env["CLAUDEMESH_STARTED_IN"]

if (folder !== undefined) process.chdir(folder)

/** How the person calls this program, for hints that can be pasted. */
export const command = as ?? "npx claudemesh"

/** As a word of a shell's line: a folder may be called anything. */
export const quoted = (word: string): string =>
  /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", String.raw`'\''`)}'`
