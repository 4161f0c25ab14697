/**
 * The database goes away under a running broker, and comes back: senders are told, readiness says so, and then all is
 * well by itself. The way to Postgres leads through a proxy that can be shut.
 */
import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { connect, createServer, type Server, type Socket } from "node:net"
import { makeMesh } from "../support/Meshes.ts"
import { Postgres } from "../support/Postgres.ts"
import { type Frame, RawClient, sendFrame, unseal } from "../support/RawClient.ts"
import { startBroker, type TestBroker } from "../support/TestBroker.ts"

interface Way {
  readonly port: number
  /** Cuts what goes through it, and takes nothing more. */
  readonly shut: () => void
  readonly open: () => void
}

const wayTo = (target: number) =>
  Effect.map(
    Effect.acquireRelease(
      Effect.promise(
        () =>
          new Promise<{ readonly way: Way; readonly server: Server }>((resolve) => {
            const sockets = new Set<Socket>()
            let isOpen = true
            const server = createServer((from) => {
              if (!isOpen) return void from.destroy()
              const to = connect(target, "127.0.0.1")
              for (const [one, other] of [
                [from, to],
                [to, from],
              ] as const) {
                sockets.add(one)
                one.on("error", () => other.destroy())
                one.on("close", () => {
                  sockets.delete(one)
                  other.destroy()
                })
              }
              from.pipe(to)
              to.pipe(from)
            })
            server.listen(0, "127.0.0.1", () => {
              const address = server.address()
              const port = typeof address === "object" && address ? address.port : 0
              const shut = () => {
                isOpen = false
                for (const socket of sockets) socket.destroy()
              }
              resolve({ server, way: { port, shut, open: () => void (isOpen = true) } })
            })
          }),
      ),
      ({ server, way }) =>
        Effect.promise(() => {
          way.shut()
          return new Promise<void>((resolve) => server.close(() => resolve()))
        }),
    ),
    ({ way }) => way,
  )

const statusOf = async (broker: TestBroker, path: "health" | "ready") =>
  (await fetch(`${broker.origin}/${path}`)).status

const until = async (what: string, holds: () => Promise<boolean>) => {
  const deadline = performance.now() + 15_000
  while (!(await holds())) {
    if (performance.now() > deadline) throw new Error(`in vain: ${what}`)
    await Bun.sleep(50)
  }
}

const answerTo = async (client: RawClient, frame: object, id: string): Promise<Frame> => {
  client.send(frame)
  await until(`an answer to ${id}`, async () => client.frames.some((one) => one["id"] === id))
  const index = client.frames.findIndex((one) => one["id"] === id)
  const [answer] = client.frames.splice(index, 1)
  if (answer === undefined) throw new Error("there was one")
  return answer
}

const story = async (broker: TestBroker, way: Way): Promise<void> => {
  const mesh = await makeMesh(broker.origin)
  const [alice, bob] = [mesh.member("alice"), mesh.member("bob")]
  const sender = await RawClient.greetedV2(broker.url, alice)
  const recipient = await RawClient.greetedV2(broker.url, bob)
  const send = (id: string, text: string) =>
    answerTo(sender, { ...sendFrame(id, bob.keys.publicKey, text, alice.keys) }, id)

  assert.strictEqual((await send("m1", "before")).type, "ack")
  const before = await recipient.take("push")
  assert.deepStrictEqual([await statusOf(broker, "ready"), await statusOf(broker, "health")], [200, 200])

  way.shut()
  assert.deepInclude(await send("m2", "meanwhile"), { type: "error", code: "unavailable", retryable: true })
  // An ack cannot be written now: it is kept.
  recipient.send({ type: "client_ack", messageIds: [before["messageId"]] })
  await until("not ready", async () => (await statusOf(broker, "ready")) === 503)
  assert.strictEqual(await statusOf(broker, "health"), 503)
  // What needs no database goes on.
  assert.strictEqual((await answerTo(sender, { type: "ping", id: "ping" }, "ping")).type, "pong")

  way.open()
  await until("ready again", async () => (await statusOf(broker, "ready")) === 200)
  const text = "again"
  await until("a send is taken", async () => (await send("m3", text)).type === "ack")
  const after = await recipient.take("push", (push) => push["messageId"] !== before["messageId"])
  assert.strictEqual(unseal(after, bob.keys), text)
  recipient.send({ type: "client_ack", messageIds: [after["messageId"]] })

  // Nobody restarted anything, and the ack from meanwhile was written: nothing is left for bob.
  await answerTo(recipient, sendFrame("barrier", alice.keys.publicKey, "x", bob.keys), "barrier")
  await recipient.close()
  const back = await RawClient.greetedV2(broker.url, bob)
  back.send({ type: "pull", id: "all" })
  assert.deepInclude(await back.take("ok"), { remaining: 0 })
  assert.deepStrictEqual(
    back.frames.filter((frame) => frame.type === "push"),
    [],
  )
  await Promise.all([sender.close(), back.close()])
}

layer(Postgres.layer, { excludeTestServices: true, timeout: "60 seconds" })(
  "a broker whose Postgres goes away",
  (it) => {
    it.effect("tells its senders to try again, is not ready, and is well by itself when it is back (I7, I24)", () =>
      Effect.gen(function* () {
        const url = new URL(yield* (yield* Postgres).freshDatabase)
        const way = yield* wayTo(Number(url.port))
        url.port = String(way.port)
        const environment = { DATABASE_URL: url.href, BROKER_HOST: "127.0.0.1" }
        const broker = yield* startBroker({ environment })
        yield* Effect.promise(() => story(broker, way))
      }).pipe(Effect.scoped),
    )
  },
)
