/**
 * A fault for each alert, on a real broker: how it is staged, and how it ends. Nothing is made up for it: the process is stopped and continued, tables are
 * locked, the way to the database is cut, a disk is full, a second broker takes the meshes.
 */
import { appendFile, chmod, mkdir, rm } from "node:fs/promises"
import { spawnSync } from "node:child_process"
import { join } from "node:path"
import { Effect, Exit, Scope } from "effect"
import { proxyTo } from "../../packages/broker/test/support/Proxy.ts"
import { authenticated, type Person, type Place, sendFrame } from "../floods/Member.ts"
import { freePort, makeMesh, person } from "../Server.ts"
import { BrokerUnderTest, postgresStore } from "./BrokerUnderTest.ts"

export interface Stage {
  readonly port: number
  readonly folder: string
  /** Run at the end, the last first. */
  readonly later: (act: () => unknown) => void
}

export interface Fault {
  readonly alert: string
  readonly what: string
  readonly scheme?: "https"
  /** Gives what ends it. */
  readonly stage: (stage: Stage) => Promise<() => Promise<unknown>>
}

const nonce = "A".repeat(32)
const nobody = "f".repeat(64)

const started = async (
  { later, port }: Stage,
  environment: Readonly<Record<string, string>>,
): Promise<BrokerUnderTest> => {
  const broker = new BrokerUnderTest(port, environment)
  await broker.start()
  later(() => broker.kill())
  return broker
}

const onSqlite = async (stage: Stage, more: Readonly<Record<string, string>> = {}) => {
  const data = join(stage.folder, "data")
  await mkdir(data, { recursive: true, mode: 0o700 })
  return started(stage, { BROKER_DATA_DIR: data, ...more })
}

const onPostgres = async (stage: Stage) => {
  const store = await postgresStore(join(stage.folder, "postgres"))
  stage.later(() => store.stop())
  const url = store.environment["DATABASE_URL"] ?? ""
  const sql = new Bun.SQL(url, { max: 1 })
  stage.later(() => sql.close())
  return { url, sql, environment: store.environment }
}

const place = async ({ port }: Stage, people: ReadonlyArray<Person>): Promise<Place> => ({
  port,
  meshId: await makeMesh(port, people),
})

/** Until it is told to end: so many a second, and again on a new socket whenever one has closed. */
const sending = ({ later }: Stage, where: Place, who: Person, target: string, perSecond: number, session = "s1") => {
  let ended = false
  let numbers = 0
  const go = async () => {
    while (!ended) {
      const socket = await authenticated(where, who, session, "192.0.2.1").catch(() => undefined)
      while (!ended && socket?.readyState === WebSocket.OPEN) {
        for (let n = 0; n < Math.max(1, perSecond / 20); n++)
          socket.send(sendFrame(`${session}-${(numbers += 1)}-${performance.now()}`, target, nonce, 100))
        await Bun.sleep(1_000 / Math.min(20, perSecond))
      }
      await Bun.sleep(50)
    }
  }
  void go()
  later(() => (ended = true))
}

/** As if the table were in somebody's hands, for so long and again. */
const locking = (url: string, millis: number, pauseMillis: number) => {
  let ended = false
  const sql = new Bun.SQL(url, { max: 1 })
  const done = (async () => {
    while (!ended) {
      await sql.begin(async (one) => {
        await one`LOCK TABLE mesh.accepted IN EXCLUSIVE MODE`
        for (const from = performance.now(); !ended && performance.now() - from < millis;) await Bun.sleep(20)
      })
      await Bun.sleep(pauseMillis)
    }
    await sql.close()
  })()
  return async () => {
    ended = true
    await done
  }
}

const fill = async (file: string): Promise<void> => {
  for (const size of [65_536, 4_096]) {
    let room = true
    while (room) {
      room = await appendFile(file, Buffer.alloc(size)).then(
        () => true,
        () => false,
      )
    }
  }
}

const certificate = (folder: string, days: number): void => {
  const subject = ["-subj", "/CN=127.0.0.1", "-days", String(days), "-nodes"]
  const files = ["-keyout", join(folder, "key.pem"), "-out", join(folder, "cert.pem")]
  const { status } = spawnSync("openssl", ["req", "-x509", "-newkey", "rsa:2048", ...subject, ...files])
  if (status !== 0) throw new Error("openssl made no certificate")
}

export const faults: ReadonlyArray<Fault> = [
  {
    alert: "ClaudemeshDown",
    what: "the process is killed",
    stage: async (stage) => {
      const broker = await onSqlite(stage)
      await broker.kill()
      return () => broker.start()
    },
  },
  {
    alert: "ClaudemeshStoreNotWritable",
    what: "the way to Postgres is cut",
    stage: async (stage) => {
      const { environment, url } = await onPostgres(stage)
      const scope = Scope.makeUnsafe()
      stage.later(() => Effect.runPromise(Scope.close(scope, Exit.void)))
      const way = new URL(url)
      const proxy = await Effect.runPromise(Scope.provide(proxyTo(Number(way.port)), scope))
      way.port = String(proxy.port)
      await started(stage, { ...environment, DATABASE_URL: way.href })
      proxy.shut()
      return async () => proxy.open()
    },
  },
  {
    alert: "ClaudemeshStoreNotWritable",
    what: "the disk of the embedded store is full",
    stage: async (stage) => {
      const data = join(stage.folder, "data")
      await mkdir(data, { recursive: true })
      const { status } = spawnSync("mount", ["-t", "tmpfs", "-o", "size=4m,mode=700", "tmpfs", data])
      if (status !== 0) throw new Error("a small disk can be mounted by root only")
      stage.later(() => spawnSync("umount", ["-l", data]))
      await onSqlite(stage)
      await fill(join(data, "filler"))
      return () => rm(join(data, "filler"))
    },
  },
  {
    alert: "ClaudemeshCommitsSlow",
    what: "each commit waits for a lock of somebody else",
    stage: async (stage) => {
      const { environment, url } = await onPostgres(stage)
      await started(stage, environment)
      const [alice, bob] = [person(), person()]
      const where = await place(stage, [alice, bob])
      sending(stage, where, alice, bob.publicKey, 20)
      return locking(url, 900, 50)
    },
  },
  {
    alert: "ClaudemeshEventLoopSlow",
    what: "the process is held up for 300 ms, time and again",
    stage: async (stage) => {
      const broker = await onSqlite(stage)
      let ended = false
      stage.later(() => broker.signal("SIGCONT"))
      void (async () => {
        while (!ended) {
          broker.signal("SIGSTOP")
          await Bun.sleep(300)
          broker.signal("SIGCONT")
          await Bun.sleep(100)
        }
      })()
      return async () => (ended = true)
    },
  },
  {
    alert: "ClaudemeshMeshRestarts",
    what: "a second broker on the database takes the meshes, and is taken them from",
    stage: async (stage) => {
      const { environment } = await onPostgres(stage)
      await started(stage, environment)
      const [alice, bob] = [person(), person()]
      const where = await place(stage, [alice, bob])
      const other = { ...stage, port: await freePort() }
      const second = await started(other, {
        ...environment,
        BROKER_PUBLIC_URL: `ws://127.0.0.1:${other.port}`,
      })
      sending(stage, where, alice, bob.publicKey, 10)
      sending(stage, { ...where, port: other.port }, bob, alice.publicKey, 10)
      return () => second.kill()
    },
  },
  {
    alert: "ClaudemeshNearlyFull",
    what: "nearly all sockets are taken",
    stage: async (stage) => {
      await onSqlite(stage, { BROKER_MAX_CONNECTIONS: "20" })
      const alice = person()
      const where = await place(stage, [alice])
      const sockets = await Promise.all(
        Array.from({ length: 19 }, (_, n) => authenticated(where, alice, `s${n}`, "192.0.2.1")),
      )
      return async () => {
        for (const socket of sockets) socket.close()
      }
    },
  },
  {
    alert: "ClaudemeshQueueFull",
    what: "what is sent waits for a commit that waits",
    stage: async (stage) => {
      const { environment, url } = await onPostgres(stage)
      await started(stage, environment)
      const [alice, bob] = [person(), person()]
      const where = await place(stage, [alice, bob])
      const end = locking(url, 3_600_000, 0)
      await Bun.sleep(200)
      const socket = await authenticated(where, alice, "s1", "192.0.2.1")
      for (let n = 0; n < 1_900; n++) socket.send(sendFrame(`m${n}`, bob.publicKey, nonce, 100))
      return end
    },
  },
  {
    alert: "ClaudemeshInternalErrors",
    what: "the database refuses what is stored",
    stage: async (stage) => {
      const { environment, sql } = await onPostgres(stage)
      await started(stage, environment)
      const [alice, bob] = [person(), person()]
      const where = await place(stage, [alice, bob])
      await sql`ALTER TABLE mesh.accepted ADD CONSTRAINT refused CHECK (seq < 0) NOT VALID`
      sending(stage, where, alice, bob.publicKey, 5)
      return () => sql`ALTER TABLE mesh.accepted DROP CONSTRAINT refused`
    },
  },
  {
    alert: "ClaudemeshCertificateExpires",
    what: "the certificate has a week left",
    scheme: "https",
    stage: async (stage) => {
      certificate(stage.folder, 7)
      await chmod(join(stage.folder, "key.pem"), 0o600)
      await onSqlite(stage, {
        BROKER_TLS_CERT: join(stage.folder, "cert.pem"),
        BROKER_TLS_KEY: join(stage.folder, "key.pem"),
      })
      return async () => certificate(stage.folder, 90)
    },
  },
  {
    alert: "ClaudemeshRefusesMany",
    what: "a client sends to nobody, a hundred times a second",
    stage: async (stage) => {
      await onSqlite(stage)
      const alice = person()
      const where = await place(stage, [alice])
      const acts: Array<() => unknown> = []
      sending({ ...stage, later: (act) => acts.push(act) }, where, alice, nobody, 200)
      return async () => {
        for (const act of acts) act()
      }
    },
  },
]
