/** Config files of members whose keys the test has, too: for the command, the MCP server and a raw client alike. */
import { mkdir, writeFile } from "node:fs/promises"
import { join } from "node:path"
import type { TestMesh } from "../../../broker/test/support/Meshes.ts"

export interface Joined {
  readonly slug: string
  readonly brokerUrl: string
  readonly mesh: TestMesh
}

export const writeHome = async (folder: string, name: string, joined: ReadonlyArray<Joined>): Promise<string> => {
  const home = join(folder, name)
  const meshes = joined.map(({ brokerUrl, mesh, slug }) => {
    const { keys, memberId, meshId } = mesh.member(name)
    return {
      meshId,
      memberId,
      slug,
      name: slug,
      displayName: name,
      pubkey: keys.publicKey,
      secretKey: Buffer.from(keys.secretKey).toString("hex"),
      brokerUrl,
      joinedAt: "2026-01-01T00:00:00.000Z",
      ownerPublicKey: mesh.owner.publicKey,
    }
  })
  await mkdir(home, { recursive: true, mode: 0o700 })
  await writeFile(join(home, "config.json"), JSON.stringify({ version: 2, meshes }), { mode: 0o600 })
  return home
}
