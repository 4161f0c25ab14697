/**
 * Makes meshes in a broker the way anybody does, and lets members in and out of them: by its HTTP API, every record and
 * every request signed by hand. Like `RawClient`, it is written from `docs/protocol.md` alone.
 */
import { createHash, randomBytes } from "node:crypto"
import { type Identity, type Keys, newKeys, sign } from "./RawClient.ts"

export type Person = Identity & { readonly name: string }

/** A record as it is sent: JSON that nothing here has checked. */
export type Json = Readonly<Record<string, unknown>>

export interface TestMesh {
  readonly meshId: string
  readonly owner: Keys
  readonly members: ReadonlyArray<Person>
  readonly member: (name: string) => Person
}

/** An invite with the secret half that only its link carries. */
export interface TestInvite {
  readonly body: Json & { readonly publicKey: string }
  readonly keys: Keys
}

const sha256 = (text: string): string => createHash("sha256").update(text).digest("hex")
const randomHex = (bytes: number): string => randomBytes(bytes).toString("hex")
const isoAfter = (millis: number): string => new Date(Date.now() + millis).toISOString()

export interface Facts {
  readonly audience: string
  readonly method: string
  readonly path: string
  readonly body: string
  readonly meshId: string
  readonly time: number
  readonly nonce: string
}

/** The header that proves a request, signed over these facts: what is sent may be another thing. */
export const signatureOver = (facts: Facts, keys: Keys): string => {
  const { audience, body, meshId, method, nonce, path, time } = facts
  const lines = ["claudemesh-request-v1", audience, method, path, sha256(body), meshId, keys.publicKey, time, nonce]
  return `mesh=${meshId} key=${keys.publicKey} time=${time} nonce=${nonce} signature=${sign(lines.join("\n"), keys)}`
}

export const factsOf = (origin: string, method: "GET" | "POST", path: string, meshId: string, body = ""): Facts => ({
  audience: origin.replace(/^http/, "ws"),
  method,
  path,
  body,
  meshId,
  time: Date.now(),
  nonce: randomHex(16),
})

/** Sends a request; its headers may be others than the proper ones. */
export const sendRequest = (
  origin: string,
  { body, method, path }: Pick<Facts, "method" | "path" | "body">,
  headers: Readonly<Record<string, string>>,
): Promise<Response> =>
  fetch(`${origin}${path}`, {
    method,
    headers: { ...(method === "POST" && { "content-type": "application/json" }), ...headers },
    ...(method === "POST" && { body }),
  })

export const post = (
  origin: string,
  path: string,
  meshId: string,
  body: unknown,
  signer: Keys,
  headers: Readonly<Record<string, string>> = {},
): Promise<Response> => {
  const facts = factsOf(origin, "POST", path, meshId, typeof body === "string" ? body : JSON.stringify(body))
  return sendRequest(origin, facts, { "claudemesh-signature": signatureOver(facts, signer), ...headers })
}

const inviteLines = (invite: Json): string =>
  [
    "claudemesh-invite-v1",
    invite["meshId"],
    invite["slug"],
    invite["meshName"],
    invite["allowUnsealed"] === true ? "allow-unsealed" : "sealed-only",
    invite["ownerPublicKey"],
    invite["brokerUrl"],
    invite["publicKey"],
    invite["role"],
    invite["uses"],
    invite["expiresAt"],
    invite["label"],
    invite["issuer"],
  ].join("\n")

/** Signed by the issuer: the owner, unless told. One use, an hour, for a member, unless the changes say otherwise. */
export const newInvite = (
  mesh: Pick<TestMesh, "meshId" | "owner">,
  changes: Json = {},
  issuer: Keys = mesh.owner,
): TestInvite => {
  const keys = newKeys()
  const fields = {
    meshId: mesh.meshId,
    slug: "test",
    meshName: "Test",
    allowUnsealed: false,
    ownerPublicKey: mesh.owner.publicKey,
    brokerUrl: "wss://mesh.example.com/ws",
    publicKey: keys.publicKey,
    role: "member",
    uses: 1,
    expiresAt: isoAfter(3_600_000),
    label: "for a test",
    issuer: issuer.publicKey,
    ...changes,
  }
  return { body: { ...fields, signature: sign(inviteLines(fields), issuer) }, keys }
}

export const newPerson = (meshId: string, name: string): Person => ({
  name,
  meshId,
  memberId: randomHex(8),
  keys: newKeys(),
})

/** A membership, signed with the invite's secret key; by somebody else's, if told. */
export const certificateOf = (person: Person, by: TestInvite, changes: Json = {}, signer: Keys = by.keys): Json => {
  const fields = {
    invite: by.body.publicKey,
    memberId: person.memberId,
    publicKey: person.keys.publicKey,
    displayName: person.name,
    allowV1: true,
    joinedAt: isoAfter(0),
    ...changes,
  }
  const lines = [
    "claudemesh-certificate-v1",
    person.meshId,
    fields.invite,
    fields.memberId,
    fields.publicKey,
    fields.displayName,
    fields.allowV1 ? "v1-too" : "v2-only",
    fields.joinedAt,
  ]
  const statement = lines.join("\n")
  return { ...fields, signature: sign(statement, signer), consent: sign(statement, person.keys) }
}

export const noRevocations = (meshId: string): string => sha256(`claudemesh-no-revocations-v1\n${meshId}`)

export interface TestRevocation {
  readonly body: Json & { readonly version: number; readonly at: string; readonly by: string; readonly meshId: string }
  /** What the next one names as its previous. */
  readonly hash: string
}

/** The mesh's first, unless an earlier one is given. */
export const newRevocation = (
  meshId: string,
  subject: string,
  by: Keys,
  after?: TestRevocation,
  changes: Json = {},
): TestRevocation => {
  const kept: ReadonlyArray<string> = []
  const fields = {
    meshId,
    version: (after?.body.version ?? 0) + 1,
    previous: after?.hash ?? noRevocations(meshId),
    subject,
    kept,
    at: isoAfter(0),
    by: by.publicKey,
    ...changes,
  }
  const lines = [
    "claudemesh-revocation-v1",
    fields.meshId,
    fields.version,
    fields.previous,
    fields.subject,
    fields.at,
    fields.by,
    ...fields.kept,
  ].join("\n")
  const signature = sign(lines, by)
  return { body: { ...fields, signature }, hash: sha256(`${lines}\n${signature}`) }
}

export const addInvite = (origin: string, meshId: string, { body }: TestInvite, by: Keys): Promise<Response> =>
  post(origin, "/invites", meshId, body, by)

export const listInvites = (origin: string, meshId: string, by: Keys): Promise<Response> => {
  const facts = factsOf(origin, "GET", "/invites", meshId)
  return sendRequest(origin, facts, { "claudemesh-signature": signatureOver(facts, by) })
}

/** Signed by the key that joins. */
export const join = (origin: string, person: Person, by: TestInvite, changes: Json = {}): Promise<Response> =>
  post(origin, "/join", person.meshId, { certificate: certificateOf(person, by, changes) }, person.keys)

export const revoke = (origin: string, { body }: TestRevocation, by: Keys): Promise<Response> =>
  post(origin, "/revocations", body.meshId, body, by)

/** A mesh as it is made: with its owner, its first members, and the invite that they came by. */
export const meshRequest = (
  names: ReadonlyArray<string>,
  changes: Json = {},
  inviteChanges: Json = {},
): {
  readonly body: Json & { readonly meshId: string; readonly members: ReadonlyArray<Json> }
  readonly owner: Keys
  readonly people: ReadonlyArray<Person>
  readonly founding: TestInvite
} => {
  const owner = newKeys()
  const meshId = typeof changes["meshId"] === "string" ? changes["meshId"] : randomHex(8)
  const uses = Math.max(1, names.length)
  const founding = newInvite({ meshId, owner }, { uses, ...inviteChanges })
  const people = names.map((name) => newPerson(meshId, name))
  const body = {
    meshId,
    slug: "test",
    name: "Test",
    allowUnsealed: false,
    ownerPublicKey: owner.publicKey,
    invite: founding.body,
    members: people.map((person) => certificateOf(person, founding)),
    ...changes,
  }
  return { body: { ...body, meshId }, owner, people, founding }
}

export const postMesh = (
  origin: string,
  body: string | (Json & { readonly meshId: string }),
  owner: Keys,
  headers: Readonly<Record<string, string>> = {},
): Promise<Response> => post(origin, "/meshes", typeof body === "string" ? "m1" : body.meshId, body, owner, headers)

export const makeMesh = async (origin: string, names: ReadonlyArray<string> = ["alice", "bob"]): Promise<TestMesh> => {
  const { body, owner, people } = meshRequest(names)
  const response = await postMesh(origin, body, owner)
  if (response.status !== 201) throw new Error(`no mesh: ${response.status} ${await response.text()}`)
  const member = (name: string) => {
    const found = people.find((person) => person.name === name)
    if (found === undefined) throw new Error(`no member ${name}`)
    return found
  }
  return { meshId: body.meshId, owner, members: people, member }
}
