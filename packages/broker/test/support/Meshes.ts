/** Makes meshes in a broker the way anybody does: by its HTTP API, signed by hand. */
import { randomBytes } from "node:crypto"
import { type Identity, type Keys, newKeys, sign } from "./RawClient.ts"

export interface TestMesh {
  readonly meshId: string
  readonly owner: Keys
  readonly members: ReadonlyArray<Identity & { readonly name: string }>
  readonly member: (name: string) => Identity & { readonly name: string }
}

export const meshRequest = (names: ReadonlyArray<string>, changes: Readonly<Record<string, unknown>> = {}) => {
  const owner = newKeys()
  const meshId = randomBytes(8).toString("hex")
  const people = names.map((name) => ({ name, memberId: randomBytes(8).toString("hex"), keys: newKeys() }))
  const fields = { meshId, slug: "test", name: "Test", ...changes }
  const statement = [
    "claudemesh-create-mesh-v1",
    fields.meshId,
    fields.slug,
    fields.name,
    owner.publicKey,
    "sealed-only",
    ...people.map(({ keys, memberId, name }) => `${memberId} ${keys.publicKey} ${name}`),
  ].join("\n")
  const body = {
    ...fields,
    ownerPublicKey: owner.publicKey,
    members: people.map(({ keys, memberId, name }) => ({ memberId, publicKey: keys.publicKey, displayName: name })),
    signature: sign(statement, owner),
  }
  return { body, owner, people: people.map((person) => ({ ...person, meshId: String(fields.meshId) })) }
}

export const postMesh = (origin: string, body: unknown, headers: Readonly<Record<string, string>> = {}) =>
  fetch(`${origin}/meshes`, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body: typeof body === "string" ? body : JSON.stringify(body),
  })

export const makeMesh = async (origin: string, names: ReadonlyArray<string> = ["alice", "bob"]): Promise<TestMesh> => {
  const { body, owner, people } = meshRequest(names)
  const response = await postMesh(origin, body)
  if (response.status !== 201) throw new Error(`no mesh: ${response.status} ${await response.text()}`)
  const member = (name: string) => {
    const found = people.find((person) => person.name === name)
    if (found === undefined) throw new Error(`no member ${name}`)
    return found
  }
  return { meshId: body.meshId, owner, members: people, member }
}
