/** `/metrics` of a broker that has had something to do: what it says, whom it answers, and that a real Prometheus takes it. */
import { once } from "node:events"
import { writeFileSync } from "node:fs"
import { createServer } from "node:net"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { parseExposition } from "../support/Exposition.ts"
import { makeMesh } from "../support/Meshes.ts"
import { RawClient, sendFrame } from "../support/RawClient.ts"
import { withBroker } from "../support/TestBroker.ts"

const scrape = async (origin: string, headers: Readonly<Record<string, string>> = {}) => {
  const response = await fetch(`${origin}/metrics`, { headers })
  return { status: response.status, type: response.headers.get("content-type"), text: await response.text() }
}

/** By name and labels, as they are written. */
const valuesOf = (text: string): ReadonlyMap<string, number> =>
  new Map(
    parseExposition(text).flatMap(({ samples }) =>
      samples.map(({ labels, name, value }) => {
        const written = Object.entries(labels).map(([label, of]) => `${label}=${of}`)
        return [[name, ...written].join(" "), value] as const
      }),
    ),
  )

/** What is under way is done. */
const isQuiet = (text: string): boolean => {
  const values = valuesOf(text)
  const isWritten =
    values.get("claudemesh_deliveries_consumed_total") === values.get("claudemesh_deliveries_accepted_total")
  return isWritten && values.get("claudemesh_queue_depth queue=commit") === 0 && values.get("claudemesh_sessions") === 1
}

/** Alice sends Bob three messages, who acks them, and one to nobody. */
const traffic = async (broker: { readonly origin: string; readonly url: string }): Promise<void> => {
  const mesh = await makeMesh(broker.origin)
  const [alice, bob] = [mesh.member("alice"), mesh.member("bob")]
  const [from, to] = await Promise.all([alice, bob].map((member) => RawClient.authenticatedV2(broker.url, member)))
  if (from === undefined || to === undefined) throw new Error("two were asked for")
  for (const id of ["1", "2", "3"]) {
    from.send(sendFrame(id, bob.keys.publicKey, "hello", alice.keys))
    const { messageId } = await to.take("push")
    to.send({ type: "client_ack", messageIds: [messageId] })
  }
  from.send(sendFrame("4", bob.keys.publicKey, "hello", alice.keys, { targetSpec: "f".repeat(64) }))
  await from.take("error")
  await to.settled()
  await from.close()
}

const prometheus = Bun.which("prometheus")
const promtool = Bun.which("promtool")

const freePort = async (): Promise<number> => {
  const server = createServer().listen(0, "127.0.0.1")
  await once(server, "listening")
  const address = server.address()
  server.close()
  if (address === null || typeof address === "string") throw new Error("no port")
  return address.port
}

/** What a real Prometheus that scrapes the broker says of it. */
const scrapedBy = async (program: string, origin: string, folder: string, token: string): Promise<unknown> => {
  const config = join(folder, "prometheus.yml")
  const job = {
    job_name: "claudemesh",
    scrape_interval: "200ms",
    static_configs: [{ targets: [new URL(origin).host] }],
  }
  writeFileSync(config, JSON.stringify({ scrape_configs: [{ ...job, authorization: { credentials: token } }] }))
  const address = `127.0.0.1:${await freePort()}`
  const flags = [`--config.file=${config}`, `--storage.tsdb.path=${folder}/tsdb`, `--web.listen-address=${address}`]
  const running = Bun.spawn([program, ...flags], { stdout: "ignore", stderr: "ignore" })
  const query = `http://${address}/api/v1/query?query=${encodeURIComponent("claudemesh_messages_accepted_total")}`
  try {
    for (let tries = 0; tries < 800; tries++) {
      const answer = await fetch(query).then(
        async (response) => (response.ok ? JSON.parse(await response.text()) : undefined),
        () => undefined,
      )
      const value = answer?.data?.result?.[0]?.value?.[1]
      if (value !== undefined) return value
      await Bun.sleep(50)
    }
    throw new Error("it scraped nothing in 40 s")
  } finally {
    running.kill()
    await running.exited
  }
}

describe("GET /metrics", () => {
  it.live("says what the broker did, in a text without a mistake", () =>
    withBroker(async (broker) => {
      await traffic(broker)
      // An ack is not answered, and neither is a goodbye.
      let { status, text, type } = await scrape(broker.origin)
      for (let tries = 0; tries < 200 && !isQuiet(text); tries++) {
        await Bun.sleep(10)
        ;({ status, text, type } = await scrape(broker.origin))
      }
      assert.strictEqual(status, 200)
      assert.strictEqual(type, "text/plain; version=0.0.4; charset=utf-8")
      const values = valuesOf(text)
      const expected = {
        claudemesh_messages_accepted_total: 3,
        claudemesh_deliveries_accepted_total: 3,
        claudemesh_deliveries_consumed_total: 3,
        claudemesh_pushes_redelivered_total: 0,
        claudemesh_message_size_bytes_count: 3,
        claudemesh_accept_to_commit_seconds_count: 3,
        claudemesh_accept_to_push_seconds_count: 3,
        claudemesh_push_to_consume_seconds_count: 3,
        "claudemesh_frames_sent_total type=push": 3,
        "claudemesh_frames_sent_total type=ack": 3,
        "claudemesh_refusals_total code=unknown_target": 1,
        claudemesh_connections: 1,
        claudemesh_connections_opened_total: 2,
        "claudemesh_connections_closed_total code=1005": 1,
        claudemesh_sessions: 1,
        claudemesh_meshes: 1,
        claudemesh_mesh_restarts_total: 0,
        claudemesh_commit_failures_total: 0,
        "claudemesh_http_responses_total status=201": 1,
        "claudemesh_store_up access=read": 1,
        "claudemesh_store_up access=write": 1,
        "claudemesh_queue_capacity queue=inbound": 256,
        "claudemesh_queue_capacity queue=mailbox": 1_024,
        "claudemesh_queue_depth queue=commit": 0,
        claudemesh_draining: 0,
      }
      assert.deepStrictEqual(
        Object.fromEntries(Object.keys(expected).map((name) => [name, values.get(name)])),
        expected,
      )
      assert.isAbove(values.get("process_resident_memory_bytes") ?? 0, 1_000_000)
      assert.isAbove(values.get("claudemesh_commit_seconds_sum") ?? 0, 0)
      assert.isAtLeast(values.get("process_start_time_seconds") ?? 0, 1_700_000_000)
    }),
  )

  it.live("answers without a token only who asks on this machine, and no proxy and no page of a browser", () =>
    withBroker(async ({ origin }) => {
      assert.strictEqual((await scrape(origin, { host: "localhost" })).status, 200)
      for (const headers of [
        { "x-forwarded-for": "10.0.0.1" },
        { forwarded: "for=10.0.0.1" },
        { via: "1.1 proxy" },
        { host: "mesh.example.com" },
        { host: "127.0.0.1.example.com" },
      ]) {
        assert.strictEqual((await scrape(origin, headers)).status, 403, JSON.stringify(headers))
      }
    }),
  )

  for (const environment of [
    { BROKER_HOST: "0.0.0.0" },
    { BROKER_TRUSTED_PROXIES: "1" },
    { BROKER_PUBLIC_URL: "wss://a.example" },
  ]) {
    it.live(`answers nobody without a token where others may come: ${JSON.stringify(environment)}`, () =>
      withBroker(async ({ origin }) => assert.strictEqual((await scrape(origin)).status, 403), { environment }),
    )
  }

  const token = "a-token-of-metrics"
  it.live("answers everywhere who shows the token, and nobody else", () =>
    withBroker(
      async ({ origin }) => {
        const through = { "x-forwarded-for": "10.0.0.1" }
        assert.strictEqual((await scrape(origin, { ...through, authorization: `Bearer ${token}` })).status, 200)
        for (const authorization of ["", `Bearer ${token}x`, `Basic ${token}`, token, "Bearer another-of-metrics"]) {
          assert.strictEqual((await scrape(origin, authorization === "" ? {} : { authorization })).status, 401)
        }
      },
      { environment: { BROKER_METRICS_TOKEN: token, BROKER_HOST: "0.0.0.0" } },
    ),
  )

  it.live.skipIf(promtool === null)("is a text that promtool takes without a remark", () =>
    withBroker(async ({ origin }) => {
      const { text } = await scrape(origin)
      const check = Bun.spawn([promtool ?? "", "check", "metrics"], { stdin: Buffer.from(text), stderr: "pipe" })
      const said = `${await check.stdout.text()}${await check.stderr.text()}`
      assert.deepStrictEqual([await check.exited, said], [0, ""])
    }),
  )

  it.live.skipIf(prometheus === null)("is scraped by a real Prometheus, with the token", () =>
    withBroker(
      async (broker) => {
        await traffic(broker)
        assert.strictEqual(await scrapedBy(prometheus ?? "", broker.origin, broker.dataDir, token), "3")
      },
      { environment: { BROKER_METRICS_TOKEN: token } },
    ),
  )
})
