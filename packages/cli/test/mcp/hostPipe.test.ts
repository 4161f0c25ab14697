/** The pipes to a host, and what is told of each answer. */
import { PassThrough, Writable } from "node:stream"
import { assert, describe, it } from "@effect/vitest"
import type { JSONRPCMessage } from "@modelcontextprotocol/sdk/types.js"
import { HostPipe } from "../../src/mcp/HostPipe.ts"
import { requestBytesMax } from "../../src/mcp/Limits.ts"

/** A host that takes what is written when the test says so. */
const pipe = (spoke: () => void = () => undefined) => {
  const input = new PassThrough()
  const written: Array<JSONRPCMessage> = []
  const taking: Array<(error?: Error) => void> = []
  const output = new Writable({
    write: (chunk, _, done) => {
      written.push(JSON.parse(String(chunk)))
      taking.push(done)
    },
  })
  const events: Array<string> = []
  const host = new HostPipe(input, output, {
    leaving: (id) => events.push(`leaving ${id}`),
    left: (id) => events.push(`left ${id}`),
    cancelled: (id) => events.push(`cancelled ${id}`),
    spoke: () => spoke(),
  })
  const received: Array<JSONRPCMessage> = []
  host.onmessage = (message) => void received.push(message)
  return { host, input, output, written, events, received, take: () => taking.splice(0).forEach((done) => done()) }
}

const request = (id: number | string, method = "tools/call") => ({ jsonrpc: "2.0" as const, id, method, params: {} })
const answer = (id: number | string) => ({ jsonrpc: "2.0" as const, id, result: {} })
const line = (message: object) => `${JSON.stringify(message)}\n`

/** Streams hand on what they have in a later turn. */
const soon = () => new Promise((resolve) => setImmediate(resolve))

const state = async (promise: Promise<unknown>) => {
  let state = "waiting"
  void promise.then(() => (state = "done"))
  await soon()
  return state
}

describe("the pipes to a host", () => {
  it("tell when an answer leaves and when it has left", async () => {
    const { events, host, take } = pipe()
    const sent = host.send(answer(1))
    assert.deepStrictEqual(events, ["leaving 1"])
    take()
    await sent
    assert.deepStrictEqual(events, ["leaving 1", "left 1"])
  })

  it("tell that a request is cancelled, also after its answer has left", async () => {
    const { events, host, input, take } = pipe()
    await host.start()
    input.write(line(request(1)))
    const sent = host.send(answer(1))
    take()
    await sent
    input.write(line({ jsonrpc: "2.0", method: "notifications/cancelled", params: { requestId: 1 } }))
    await soon()
    assert.deepStrictEqual(events, ["leaving 1", "left 1", "cancelled 1"])
  })

  it("tell that the host lives behind what it cancels in the same breath: it may have been stopped for long", async () => {
    const { events, host, input, take } = pipe(() => events.push("spoke"))
    await host.start()
    host.ping(() => events.push("pong"))
    const sent = host.send(answer(1))
    take()
    await soon()
    take()
    await sent
    const cancels = { jsonrpc: "2.0", method: "notifications/cancelled", params: { requestId: 1 } }
    input.write(line(answer("claudemesh-ping-1")) + line(request(2)) + line(cancels))
    await soon()
    assert.deepStrictEqual(events, ["leaving 1", "left 1", "cancelled 1", "pong", "spoke"])
  })

  it("know when all that was read is answered, and that has left", async () => {
    const { host, input, take } = pipe()
    await host.start()
    assert.strictEqual(await state(host.answered), "done")
    input.write(line(request(1)) + line(request("two")) + line(request(3)))
    await soon()
    const answered = host.answered
    void host.send(answer(1))
    void host.send(answer("two"))
    take()
    assert.strictEqual(await state(answered), "waiting", "one is not answered")
    input.write(line({ jsonrpc: "2.0", method: "notifications/cancelled", params: { requestId: 3 } }))
    assert.strictEqual(await state(answered), "waiting", "one has not left")
    take()
    assert.strictEqual(await state(answered), "done")
  })

  it("know that a refusal has not left yet", async () => {
    const { host, input, take } = pipe()
    await host.start()
    input.write(line({ jsonrpc: "1.0", id: 9, method: "ping" }))
    await soon()
    const answered = host.answered
    assert.strictEqual(await state(answered), "waiting")
    take()
    assert.strictEqual(await state(answered), "done")
  })

  it("read a last request that ends without a newline, and know that the host is gone then", async () => {
    const { host, input, received } = pipe()
    await host.start()
    input.end(JSON.stringify(request(1)))
    await host.ended
    assert.lengthOf(received, 1)
  })

  it("know that the host is gone when it reads no more", async () => {
    const { host, output } = pipe()
    await host.start()
    output.destroy(new Error("EPIPE"))
    await host.ended
  })

  it("keep the answers to their own pings, an error too, and nobody else's", async () => {
    const { host, input, received, take, written } = pipe()
    await host.start()
    let pongs = 0
    host.ping(() => (pongs += 1))
    host.ping(() => (pongs += 1))
    const forget = host.ping(() => (pongs += 1))
    take()
    take()
    take()
    const [first, second, third] = written.map((ping) => ("id" in ping ? ping.id : undefined))
    forget()
    input.write(line({ jsonrpc: "2.0", id: first, result: {} }))
    input.write(line({ jsonrpc: "2.0", id: second, error: { code: -32_601, message: "no such method" } }))
    input.write(line({ jsonrpc: "2.0", id: third, result: {} }))
    await soon()
    assert.strictEqual(pongs, 2)
    assert.lengthOf(received, 1)
  })

  it("refuse a request that is too long or not one, and handle what comes behind it", async () => {
    const { host, input, received, take, written } = pipe()
    await host.start()
    input.write(line({ method: "tools/call", params: { x: "x".repeat(requestBytesMax) }, jsonrpc: "2.0", id: 7 }))
    input.write(line({ id: 8, method: 5 }))
    input.write(line({ jsonrpc: "1.0", id: 9, method: "ping" }))
    input.write("{ this is not JSON\n")
    input.write(line(request(10)))
    for (let turn = 0; turn < 4; turn += 1) {
      await soon()
      take()
    }
    assert.deepStrictEqual(
      written.map((one) => ("error" in one ? [one.id, one.error.code] : [])),
      [
        [7, -32_600],
        [9, -32_600],
      ],
    )
    assert.lengthOf(received, 1)
    assert.strictEqual(await state(host.answered), "waiting")
  })
})
