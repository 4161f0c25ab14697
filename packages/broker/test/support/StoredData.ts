/** What a broker that has stopped left in its folder. */
import { Database } from "bun:sqlite"
import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"

const tables = ["mesh", "member", "session", "message", "delivery", "audit_log"] as const

export const tableSizes = (dataDir: string): Record<string, number> => {
  const database = new Database(join(dataDir, "broker.sqlite"))
  try {
    return Object.fromEntries(
      tables.map((table) => [
        table,
        database.query<{ readonly rows: number }, []>(`SELECT count(*) AS rows FROM ${table}`).get()?.rows ?? -1,
      ]),
    )
  } finally {
    database.close()
  }
}

/** The files that hold the text, in any encoding a store might use for it. */
export const filesWith = (folder: string, text: string): ReadonlyArray<string> => {
  const bytes = Buffer.from(text)
  // Base64 of a text depends on where it begins: each of the three alignments, without the ends that vary.
  const encoded = [0, 1, 2].map((shift) =>
    Buffer.concat([Buffer.alloc(shift), bytes])
      .toString("base64")
      .slice(4, -4),
  )
  const forms = [text, bytes.toString("hex"), ...encoded, Buffer.from(text, "utf16le").toString("latin1")]
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((file) => {
      const content = readFileSync(file).toString("latin1")
      return forms.some((form) => content.includes(form))
    })
}
