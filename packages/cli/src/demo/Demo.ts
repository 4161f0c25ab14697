/**
 * A broker on a free port with a temporary store, two peers, a message and its reply; then the broker's own
 * tables, to show that it has ciphertext and metadata and nothing else. Everything is real but the agents.
 */
import { Database } from "bun:sqlite"
import { join } from "node:path"
import { Broker } from "@claudemesh/broker/Broker"
import { brokerConfigOf } from "@claudemesh/broker/Config"
import { Server } from "@claudemesh/broker/http/Server"
import { type BrokerClient, makeBrokerClient } from "@claudemesh/client/BrokerClient"
import { createMesh } from "@claudemesh/client/http/BrokerHttp"
import { BrokerUrl } from "@claudemesh/client/keys/BrokerUrl"
import { membershipIn, newMesh, type NewMesh } from "@claudemesh/client/invite/NewMesh"
import { storesInMemory } from "@claudemesh/client/LocalStores"
import { DisplayName, SessionId, Slug } from "@claudemesh/domain/Ids"
import { Console, Context, Effect, FileSystem, Layer, References } from "effect"
import { Failed } from "../Failed.ts"
import { clientIdentity, clientLayer } from "../Meshes.ts"
import { bold, dim, green } from "../Output.ts"
import * as demoWords from "../words/demo.ts"

const question = demoWords.doesTheBuildPassOnYourMachine
const answer = demoWords.yesAll212TestsIPushedThe
const waitMillis = 5_000

export const runDemo = Effect.scoped(
  Effect.gen(function* () {
    const files = yield* FileSystem.FileSystem
    const folder = yield* files.makeTempDirectoryScoped({ prefix: "claudemesh-demo-" })
    yield* Effect.scoped(conversation(folder))
    yield* whatIsStored(folder)
  }),
).pipe(Effect.provide([clientLayer, storesInMemory]))

const conversation = Effect.fnUntraced(function* (folder: string) {
  const config = yield* brokerConfigOf({ BROKER_PORT: "0", BROKER_DATA_DIR: folder })
  const services = yield* Layer.build(
    Broker.layer(config).pipe(Layer.provide(Layer.succeed(References.MinimumLogLevel, "Error"))),
  )
  const { port } = Context.get(services, Server)
  const url = BrokerUrl.make(`ws://127.0.0.1:${port}/ws`)
  yield* say(demoWords.aBrokerListensOn, url)

  const mesh = yield* newMesh({
    slug: Slug.make("demo"),
    name: DisplayName.make("demo"),
    brokerUrl: url,
    members: [DisplayName.make("alice"), DisplayName.make("bob")],
    role: "member",
    allowV1: false,
  })
  yield* createMesh(url, mesh.request, mesh.owner)
  yield* say(demoWords.aMeshWasMadeByItsOwners, mesh.request.meshId)

  const alice = yield* peer(mesh, "alice")
  const bob = yield* peer(mesh, "bob")
  yield* Effect.all([alice.awaitConnected(waitMillis), bob.awaitConnected(waitMillis)])
  yield* say(demoWords.twoPeersProvedTheirKeysAndAre, "alice and bob")

  const sent = yield* alice.send({ to: "bob", text: question, priority: "next" })
  yield* say(`alice → bob: “${question}”`, demoWords.sealedOnAlicesSideAckedAfterThe(String(sent.recipients[0]?.state)))
  yield* received("bob", bob)
  const replied = yield* bob.send({ to: "alice", text: answer, priority: "next", replyTo: sent.messageId })
  yield* say(`bob → alice: “${answer}”`, `acked: ${replied.recipients[0]?.state}`)
  yield* received("alice", alice)
})

const say = (what: string, detail: string) => Console.log(`${green("•")} ${what} ${dim(detail)}`)

const peer = Effect.fnUntraced(function* (mesh: NewMesh, name: string) {
  const member = mesh.members.find(({ displayName }) => displayName === name)
  if (member === undefined) return yield* new Failed({ reason: demoWords.isNotInTheDemosMesh(name) })
  let arrivals = 0
  return yield* makeBrokerClient({
    membership: membershipIn(mesh, member),
    sessionId: SessionId.make(`demo-${name}`),
    client: clientIdentity,
    nextArrival: () => ++arrivals,
  })
})

const received = Effect.fnUntraced(function* (name: string, client: BrokerClient) {
  yield* Effect.timeoutOrElse(client.inbox.awaitAvailable, {
    duration: waitMillis,
    orElse: () => Effect.fail(new Failed({ reason: demoWords.nothingWasDeliveredToInMs(name, waitMillis) })),
  })
  const lease = yield* client.take()
  for (const { content, sender } of lease.messages) {
    const text = content._tag === "Opened" ? content.text : content._tag
    yield* say(`${name} opened it: “${text}”`, demoWords.fromWhoseKeySealedIt(String(sender.name)))
  }
  yield* lease.commit
  // The broker has handled the ack once it answers what was asked after it.
  yield* client.roster
})

interface StoredMessage {
  readonly id: string
  readonly sender: string
  /** Where it is not kept: it stands beside the text, and goes with it. */
  readonly target_spec: string | null
  readonly priority: string
  readonly ciphertext: string
}

interface AuditRow {
  readonly seq: number
  readonly event: string
  readonly actor_member_id: string | null
  readonly ciphertext_bytes: number | null
}

const whatIsStored = Effect.fnUntraced(function* (folder: string) {
  const file = join(folder, "broker.sqlite")
  const { audit, messages } = yield* Effect.acquireUseRelease(
    Effect.sync(() => new Database(file)),
    (database) =>
      Effect.sync(() => ({
        messages: database
          .query<StoredMessage, []>(
            `SELECT m.id, s.display_name AS sender, m.target_spec, m.priority, m.ciphertext FROM message m
             JOIN member s ON s.mesh_id = m.mesh_id AND s.id = m.sender_member_id ORDER BY m.seq`,
          )
          .all(),
        audit: database
          .query<AuditRow, []>("SELECT seq, event, actor_member_id, ciphertext_bytes FROM audit_log ORDER BY seq")
          .all(),
      })),
    (database) => Effect.sync(() => database.close()),
  )
  yield* Console.log(`\n${bold(demoWords.whatTheBrokerStoredOfIt)}`)
  for (const { ciphertext, id, priority, sender, target_spec } of messages) {
    const shown = {
      id: id.slice(0, 12),
      sender,
      target: target_spec === null ? demoWords.erasedItsRecipientHasIt : target_spec.slice(0, 12),
      priority,
      ciphertext: ciphertext === "" ? demoWords.erasedItsRecipientHasIt : ciphertext.slice(0, 32),
    }
    yield* Console.log(`  message  ${JSON.stringify(shown)}`)
  }
  for (const row of audit) yield* Console.log(`  audit    ${JSON.stringify(row)}`)

  const files = yield* FileSystem.FileSystem
  const names = yield* files.readDirectory(folder)
  const contents = yield* Effect.forEach(names, (name) => files.readFile(join(folder, name)))
  const leaked = contents.some((bytes) =>
    [question, answer].flatMap(formsOf).some((form) => Buffer.from(bytes).includes(form)),
  )
  if (leaked || messages.length !== 2)
    return yield* new Failed({ reason: demoWords.theBrokerStoredSomethingElseThanIt })
  yield* Console.log(demoWords.itsWholeDataWasSearchedForThe(green("✓")))
})

/** As text, and as ciphertext is written: base64 of a text depends on where it begins, and its ends vary. */
const formsOf = (text: string): ReadonlyArray<string> => [
  text,
  Buffer.from(text).toString("hex"),
  ...[0, 1, 2].map((shift) =>
    Buffer.concat([Buffer.alloc(shift), Buffer.from(text)])
      .toString("base64")
      .slice(4, -4),
  ),
]
