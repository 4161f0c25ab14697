/**
 * One good example of everything that may be said to a broker, over its socket and over HTTP, signed by hand, and the
 * places in it where an attack can be put. Written from `docs/protocol.md` alone, as `RawClient` is.
 */
import { Database } from "bun:sqlite"
import { randomBytes } from "node:crypto"
import { copyFileSync, mkdtempSync, readdirSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import {
  certificateOf,
  factsOf,
  type Json,
  makeMesh,
  meshRequest,
  newInvite,
  newPerson,
  newRevocation,
  type Person,
  sendRequest,
  signatureOver,
  type TestInvite,
  type TestMesh,
} from "./Meshes.ts"
import { type Keys, newKeys, RawClient, sendFrame, unseal } from "./RawClient.ts"
import type { TestBroker } from "./TestBroker.ts"

/** A broker that counts no rate, for tests that say much in a short time. */
export const unhurried = {
  requestsPerAddressBurst: 100_000,
  requestsPerKeyBurst: 100_000,
  hellosPerKeyBurst: 100_000,
} as const

export type Place = ReadonlyArray<string>

/** Every value in it that is no object and no array of more, and the arrays themselves. */
export const placesIn = (value: unknown, place: Place = []): ReadonlyArray<readonly [Place, unknown]> => {
  if (typeof value !== "object" || value === null) return [[place, value]]
  const own: ReadonlyArray<readonly [Place, unknown]> = Array.isArray(value) ? [[place, value]] : []
  return [...own, ...Object.entries(value).flatMap(([name, inner]) => placesIn(inner, [...place, name]))]
}

/** Stands where an attack's JSON goes: what JSON.stringify would not write, such as 1e400, can be put there, too. */
const mark = "@@here@@"

const marked = (value: unknown, [name, ...rest]: Place): unknown => {
  if (name === undefined) return mark
  if (Array.isArray(value)) {
    return value.map((inner: unknown, index) => (String(index) === name ? marked(inner, rest) : inner))
  }
  const entries = typeof value === "object" && value !== null ? Object.entries(value) : []
  return Object.fromEntries(entries.map(([key, inner]) => [key, key === name ? marked(inner, rest) : inner]))
}

/** Its JSON with another text at the place. */
export const jsonWith = (value: unknown, place: Place, json: string): string =>
  JSON.stringify(marked(value, place)).replace(`"${mark}"`, () => json)

export interface World {
  readonly broker: TestBroker
  readonly mesh: TestMesh
  readonly alice: Person
  readonly bob: Person
  readonly mallory: Person
}

export const worldOf = async (broker: TestBroker): Promise<World> => {
  const mesh = await makeMesh(broker.origin, ["alice", "bob", "mallory"])
  return { broker, mesh, alice: mesh.member("alice"), bob: mesh.member("bob"), mallory: mesh.member("mallory") }
}

/** Each kind of frame that an authenticated client may say, with every field that it has. From mallory. */
export const requestFrames = ({ bob, mallory }: World): ReadonlyArray<Json & { readonly type: string }> => {
  const key = bob.keys.publicKey
  const { ciphertext, nonce } = JSON.parse(JSON.stringify(sendFrame("x", key, "hello", mallory.keys)))
  const sealedKeys = [{ pubkey: key, key: "AAECAwQ=" }]
  const some = "0123456789abcdef0123456789abcdef"
  return [
    {
      type: "send",
      id: `a-${randomBytes(8).toString("hex")}`,
      targetSpec: `${key}/nobody`,
      priority: "low",
      nonce,
      ciphertext,
      replyTo: some,
      ttlSeconds: 60,
    },
    { type: "send", id: "a2", targetSpec: "#nobody-here", priority: "low", nonce, ciphertext, sealedKeys },
    { type: "client_ack", messageIds: [some] },
    { type: "pull", id: "a3", max: 10 },
    { type: "set_status", id: "a4", status: "idle" },
    { type: "set_profile", id: "a5", nonce, ciphertext, sealedKeys },
    { type: "list_peers", id: "a6" },
    { type: "list_members", id: "a7" },
    { type: "get_trust", id: "a8", keys: [key], after: 0 },
    { type: "list_channels", id: "a9" },
    { type: "join_channel", id: "a10", channel: "attacks" },
    { type: "leave_channel", id: "a11", channel: "attacks" },
    { type: "message_status", id: "a12", messageId: some },
    { type: "ping", id: "a13" },
  ]
}

/** A hello of each version, with every field, that would be taken as it stands. */
export const helloOf = async (client: RawClient, protocol: 1 | 2, person: Person): Promise<object> =>
  protocol === 1
    ? client.helloV1(person)
    : client.helloV2(person, { displayName: "a session", tags: ["linux"], maxInFlight: 0 })

/** A request over HTTP that would be taken as it stands. */
export interface GoodRequest {
  readonly path: "/meshes" | "/invites" | "/join" | "/revocations"
  readonly meshId: string
  readonly signer: Keys
  readonly body: Json
}

/** One for each path. Each changes something when it is taken, so they are made anew for each use. */
export const goodRequests = ({ mesh }: World, door: TestInvite): ReadonlyArray<GoodRequest> => {
  const founding = meshRequest(["ann", "ben"])
  const carol = newPerson(mesh.meshId, "carol")
  const kept = [mesh.member("bob").keys.publicKey]
  const { meshId, owner } = mesh
  return [
    { path: "/meshes", meshId: founding.body.meshId, signer: founding.owner, body: founding.body },
    { path: "/invites", meshId, signer: owner, body: newInvite(mesh).body },
    { path: "/join", meshId, signer: carol.keys, body: { certificate: certificateOf(carol, door) } },
    {
      path: "/revocations",
      meshId,
      signer: owner,
      body: newRevocation(meshId, newKeys().publicKey, owner, undefined, { kept }).body,
    },
  ]
}

export interface Answer extends Json {
  readonly status: number
}

export const answerOf = async (response: Response): Promise<Answer> => {
  const text = await response.text()
  return { ...(text.startsWith("{") ? JSON.parse(text) : { text }), status: response.status }
}

/** Sends the text in place of the body, properly signed for what it is. */
export const askWith = async (origin: string, { meshId, path, signer }: GoodRequest, text: string): Promise<Answer> => {
  const facts = factsOf(origin, "POST", path, meshId, text)
  return answerOf(await sendRequest(origin, facts, { "claudemesh-signature": signatureOver(facts, signer) }))
}

const tables = ["mesh", "member", "invite", "revocation", "message", "delivery", "channel_subscription", "audit_log"]

/** A copy to look into: the broker lets nobody else open the file while it runs. */
export const lookInto = <A>(dataDir: string, look: (database: Database) => A): A => {
  const folder = mkdtempSync(join(tmpdir(), "claudemesh-look-"))
  const names = readdirSync(dataDir).filter((name) => /^broker\.sqlite(-wal)?$/.test(name))
  for (const name of names) copyFileSync(join(dataDir, name), join(folder, name))
  const database = new Database(join(folder, "broker.sqlite"))
  try {
    return look(database)
  } finally {
    database.close()
    rmSync(folder, { recursive: true, force: true })
  }
}

/** Every row but those of sessions, which come and go with their sockets. */
export const rowsIn = (dataDir: string): Record<string, ReadonlyArray<unknown>> =>
  lookInto(dataDir, (database) =>
    Object.fromEntries(
      tables.map((table) => {
        const rows = database.query<Record<string, unknown>, []>(`SELECT * FROM ${table}`).all()
        // Whoever loads a mesh counts its owners, and nobody who asks changes anything by that.
        return [table, rows.map(({ owner_epoch: _epoch, ...row }) => row)]
      }),
    ),
  )

/** Health is good, and one member still reaches another. */
export const stillServes = async ({ alice, bob, broker }: World): Promise<boolean> => {
  if (!(await fetch(`${broker.origin}/health`)).ok) return false
  const reader = await RawClient.authenticatedV2(broker.url, bob)
  const writer = await RawClient.authenticatedV2(broker.url, alice)
  const id = `still-${randomBytes(8).toString("hex")}`
  writer.send(sendFrame(id, bob.keys.publicKey, id, alice.keys))
  const ack = await writer.take("ack", (frame) => frame["id"] === id)
  const push = await reader.take("push", ({ messageId }) => messageId === ack["messageId"])
  reader.send({ type: "client_ack", messageIds: [ack["messageId"]] })
  await reader.settled()
  await Promise.all([reader.close(), writer.close()])
  return unseal(push, bob.keys) === id
}
