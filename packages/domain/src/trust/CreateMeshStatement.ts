/** What the owner key signs to make a mesh. No field can hold a newline, so the lines cannot be read two ways. */
import type { CreateMesh } from "../wire/HttpApi.ts"

export const createMeshStatement = (mesh: Omit<CreateMesh, "signature">): string =>
  [
    "claudemesh-create-mesh-v1",
    mesh.meshId,
    mesh.slug,
    mesh.name,
    mesh.ownerPublicKey,
    mesh.allowUnsealed === true ? "allow-unsealed" : "sealed-only",
    ...mesh.members.map((member) => `${member.memberId} ${member.publicKey} ${member.displayName}`),
  ].join("\n")
