/** One good text of every shape, from which broken ones are made. They are written out, and not from the schemas. */
const key = "a".repeat(64)
const other = "b".repeat(64)
const signature = "5".repeat(128)
const nonce = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYX"
const messageId = "0123456789abcdef0123456789abcdef"
const at = "2026-11-24T07:59:58.670Z"
const sealedKeys = [
  { pubkey: key, key: "AAECAwQ=" },
  { pubkey: other, key: "AAEC" },
]

const invite = {
  meshId: "m1",
  slug: "team",
  meshName: "The Team",
  allowUnsealed: false,
  ownerPublicKey: key,
  brokerUrl: "wss://mesh.example.com/ws",
  publicKey: other,
  role: "member",
  uses: 5,
  expiresAt: at,
  label: "for the team",
  issuer: key,
  signature,
}
const certificate = {
  invite: other,
  memberId: "mem-alice",
  publicKey: key,
  displayName: "Alice",
  allowV1: true,
  joinedAt: at,
  signature,
  consent: signature,
}
const revocation = {
  meshId: "m1",
  version: 1,
  previous: key,
  subject: other,
  kept: [key],
  at,
  by: key,
  signature,
}

const texts = (...values: ReadonlyArray<object>): ReadonlyArray<string> => values.map((value) => JSON.stringify(value))

export const clientFrames = texts(
  {
    type: "hello",
    meshId: "m1",
    memberId: "mem-alice",
    pubkey: key,
    sessionId: "23537-1795507198663",
    pid: 23_537,
    cwd: "/home/a/project",
    timestamp: 1_795_507_198_662,
    signature,
  },
  {
    type: "hello",
    protocol: 2,
    meshId: "m1",
    memberId: "mem-alice",
    pubkey: key,
    sessionId: "laptop",
    nonce: "0".repeat(64),
    signature,
    displayName: "Alice Müller",
    tags: ["reviewers", "linux"],
    client: { name: "claudemesh", version: "0.1.0" },
    maxInFlight: 100,
    instance: "6f1a.9",
    transient: true,
  },
  {
    type: "send",
    id: "s1",
    targetSpec: other,
    priority: "now",
    nonce,
    ciphertext: "AAECAwQ=",
    ttlSeconds: 60,
    sessionId: "laptop",
  },
  { type: "send", id: "s2", targetSpec: "#builds", priority: "next", nonce, ciphertext: "AAEC", sealedKeys },
  { type: "send", targetSpec: `${other}/laptop`, priority: "low", nonce, ciphertext: "AA==", replyTo: messageId },
  { type: "client_ack", messageIds: [messageId, "f".repeat(32)] },
  { type: "lease", messageIds: [messageId, "f".repeat(32)], id: "r1" },
  { type: "release", messageIds: [messageId] },
  { type: "pull", id: "r1", max: 10 },
  { type: "set_status", status: "dnd", id: "r2" },
  { type: "set_profile", id: "r3", nonce, ciphertext: "AAECAwQ=", sealedKeys },
  { type: "list_peers", id: "r4" },
  { type: "list_members", id: "r5" },
  { type: "get_trust", keys: [key, other], after: 3, id: "r5" },
  { type: "list_channels", id: "r6" },
  { type: "join_channel", channel: "builds", id: "r7" },
  { type: "leave_channel", channel: "builds", id: "r8" },
  { type: "message_status", messageId, id: "r9" },
  { type: "ping", id: "r10" },
)

const peer = {
  pubkey: key,
  memberId: "mem-alice",
  displayName: "Alice",
  sessionId: "laptop",
  attached: true,
  status: "idle",
  protocol: 2,
  profile: { nonce, ciphertext: "AAECAwQ=", sealedKey: "AAEC" },
}

export const push = {
  type: "push",
  messageId,
  meshId: "m1",
  senderPubkey: key,
  priority: "now",
  nonce,
  ciphertext: "AAECAwQ=",
  createdAt: at,
  senderSessionId: "laptop",
  senderName: "Alice",
  targetSpec: "#builds",
  sealedKey: "AAEC",
  replyTo: messageId,
  redelivered: false,
}

export const brokerFrames = texts(
  { type: "challenge", nonce: "0".repeat(64), protocols: [1, 2], brokerTime: at },
  {
    type: "hello_ack",
    presenceId: "presence-1",
    memberDisplayName: "Alice",
    protocol: 2,
    sessionId: "laptop",
    resumed: true,
    brokerTime: at,
    limits: { maxMessageBytes: 65_536, maxInFlight: 100 },
  },
  { type: "ack", id: "s1", messageId, queued: true, recipients: [{ pubkey: other, state: "full" }], unsealed: [key] },
  push,
  { type: "leased", id: "r1", messageIds: [messageId] },
  { type: "recalled", messageIds: [messageId, "f".repeat(32)] },
  { type: "presence", after: 1, version: 2, changes: [{ event: "joined", peer }] },
  { type: "peers", id: "r1", peers: [peer, peer] },
  {
    type: "members",
    id: "r2",
    members: [{ memberId: "m", pubkey: key, displayName: "Bob", protocol: 1 }],
    revocations: 2,
  },
  {
    type: "trust",
    id: "r2",
    certificates: [certificate],
    invites: [invite],
    revocations: [revocation],
    version: 1,
  },
  { type: "trust_changed", version: 2 },
  {
    type: "mesh_moved",
    moved: { meshId: "m1", version: 1, brokerUrl: "wss://mesh.example.com/ws", at, signature },
  },
  { type: "members_changed" },
  { type: "channels", id: "r3", channels: [{ channel: "builds", joined: true, sessions: 2, members: 3 }] },
  {
    type: "message_state",
    id: "r4",
    messageId,
    state: "consumed",
    at,
    recipients: [{ pubkey: other, sessionId: "laptop", state: "consumed", at }],
  },
  { type: "ok", id: "r5", remaining: 3, elsewhere: [{ sessionId: "laptop", messages: 2 }] },
  { type: "pong", id: "r6", brokerTime: at },
  { type: "error", code: "unknown_target", message: "no such member", id: "s1", retryable: false, candidates: ["Bob"] },
)

export const targets = ["*", "#builds", "tag:reviewers", key, `${key}/laptop`, `${other}/23537-1795507198663`]

export const createMesh = texts({
  meshId: "m1",
  slug: "team",
  name: "The Team",
  ownerPublicKey: key,
  allowUnsealed: true,
  invite,
  members: [certificate, { ...certificate, memberId: "mem-bob", publicKey: other, displayName: "Bob" }],
})
export const invites = texts(invite)
export const joins = texts({ certificate })
export const revocations = texts(revocation)
export const requestProofs = [
  `mesh=m1 key=${key} time=1795507198662 nonce=${"0".repeat(32)} signature=${signature}`,
  `mesh=m1 key=${other} time=1 nonce=${"f".repeat(32)} signature=${signature}`,
]
export const meshCreated = texts({ meshId: "m1", slug: "team", created: true })
export const health = texts({ status: "ok", version: "0.1.0", gitSha: "abc", uptime: 12, db: "up" })
export const httpErrors = texts({ error: "malformed", message: "no" })
