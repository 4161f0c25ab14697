/** Who is told of whom over real sockets, when connections drop and when the broker is another one. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { freePort } from "../support/BrokerProcess.ts"
import { makeMesh, type TestMesh } from "../support/Meshes.ts"
import { type Frame, RawClient } from "../support/RawClient.ts"
import { temporaryFolder, type TestBroker, withBroker } from "../support/TestBroker.ts"

interface PeerJson {
  readonly sessionId: string
  readonly attached: boolean
}

const peersIn = (frame: Frame): ReadonlyArray<string> =>
  (frame["peers"] as ReadonlyArray<PeerJson>).map(({ attached, sessionId }) => `${sessionId} ${attached}`).toSorted()

const changesIn = (frame: Frame): ReadonlyArray<string> =>
  (frame["changes"] as ReadonlyArray<{ readonly event: string; readonly peer: PeerJson }>).map(
    ({ event, peer: { attached, sessionId } }) => `${event} ${sessionId} ${attached}`,
  )

/** The next frame in which something is said of the session. */
const told = async (client: RawClient, session: string) => {
  const isOfIt = (frame: Frame) => changesIn(frame).some((change) => change.split(" ")[1] === session)
  return changesIn(await client.take("presence", isOfIt)).filter((change) => change.split(" ")[1] === session)
}

const watching = async (url: string, mesh: TestMesh) => {
  const client = await RawClient.authenticatedV2(url, mesh.member("alice"), { sessionId: "a1", presence: true })
  client.send({ type: "list_peers", id: "who" })
  return { client, peers: peersIn(await client.take("peers")) }
}

/** One broker after another, on the same port and data. */
const lives = Effect.gen(function* () {
  const environment = {
    BROKER_DATA_DIR: yield* temporaryFolder,
    BROKER_PORT: String(yield* Effect.promise(freePort)),
  }
  return (scenario: (broker: TestBroker) => Promise<void>) => withBroker(scenario, { environment })
})

describe("a session that watches", () => {
  it.live(
    "is told of a lost connection, of its coming back, and of a goodbye; and of nobody's leaving by a restart (I4)",
    () =>
      Effect.gen(function* () {
        const live = yield* lives
        let mesh: TestMesh | undefined
        yield* live(async ({ origin, url }) => {
          const made = await makeMesh(origin)
          mesh = made
          const { client, peers } = await watching(url, made)
          assert.deepStrictEqual(peers, ["a1 true"])
          const bob = await RawClient.authenticatedV2(url, made.member("bob"), { sessionId: "b1" })
          assert.deepStrictEqual(await told(client, "b1"), ["joined b1 true"])
          bob.socket.terminate()
          assert.deepStrictEqual(await told(client, "b1"), ["changed b1 false"])
          await RawClient.authenticatedV2(url, made.member("bob"), { sessionId: "b1" })
          assert.deepStrictEqual(await told(client, "b1"), ["changed b1 true"])
          const other = await RawClient.authenticatedV2(url, made.member("bob"), { sessionId: "b2" })
          assert.deepStrictEqual(await told(client, "b2"), ["joined b2 true"])
          other.socket.close(1000)
          assert.deepStrictEqual(await told(client, "b2"), ["left b2 true"])
        })
        yield* live(async ({ url }) => {
          if (mesh === undefined) return
          const { client, peers } = await watching(url, mesh)
          assert.deepStrictEqual(peers, ["a1 true", "b1 false"])
          const bob = await RawClient.authenticatedV2(url, mesh.member("bob"), { sessionId: "b1" })
          assert.deepStrictEqual(await told(client, "b1"), ["changed b1 true"])
          await Promise.all([client.close(), bob.close()])
        })
      }).pipe(Effect.scoped),
  )
})
