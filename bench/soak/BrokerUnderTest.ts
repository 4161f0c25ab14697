/** The broker as `npm start` runs it, on one store, killed as by `kill -9` and started again; and what it stored. */
import { Database } from "bun:sqlite"
import { readdirSync, readFileSync } from "node:fs"
import { chmod, mkdir } from "node:fs/promises"
import { dirname, join } from "node:path"
import { embeddedPostgres, freePort, memoryMiB } from "../Server.ts"

/** One delivery as the database has it after the run. */
export interface Delivery {
  readonly messageId: string
  readonly seq: number
  readonly memberId: string
  /** `""`: the member's own inbox. */
  readonly session: string
  readonly consumed: boolean
}

const deliveriesSql = (prefix: string) => `SELECT m.id AS "messageId", d.seq AS seq, d.member_id AS "memberId",
  d.session_id AS session, CASE WHEN d.consumed_at IS NULL THEN 0 ELSE 1 END AS consumed
  FROM ${prefix}delivery d JOIN ${prefix}message m ON m.mesh_id = d.mesh_id AND m.seq = d.seq ORDER BY d.seq`
const auditSql = (prefix: string) =>
  `SELECT message_id AS "messageId" FROM ${prefix}audit_log WHERE event = 'message_accepted' ORDER BY seq`

interface Stored {
  readonly deliveries: ReadonlyArray<Delivery>
  /** Message ids, as the audit log has them. */
  readonly accepted: ReadonlyArray<string>
}

const storedOf = (
  deliveries: ReadonlyArray<Record<string, unknown>>,
  audit: ReadonlyArray<Record<string, unknown>>,
): Stored => ({
  deliveries: deliveries.map((row) => ({
    messageId: String(row["messageId"]),
    seq: Number(row["seq"]),
    memberId: String(row["memberId"]),
    session: String(row["session"]),
    consumed: Number(row["consumed"]) === 1,
  })),
  accepted: audit.map((row) => String(row["messageId"])),
})

interface Store {
  readonly environment: Readonly<Record<string, string>>
  readonly stored: () => Promise<Stored>
  readonly stop: () => Promise<void>
}

/** A server of its own, which can be killed. */
interface PostgresServer extends Store {
  readonly url: string
  /** All of its processes, as by `kill -9`. */
  readonly kill: () => Promise<void>
  readonly start: () => Promise<void>
}

export const sqliteStore = async (folder: string): Promise<Store> => ({
  environment: { BROKER_DATA_DIR: folder },
  stored: async () => {
    const database = new Database(join(folder, "broker.sqlite"))
    const rows = (sql: string) => database.query<Record<string, unknown>, []>(sql).all()
    const stored = storedOf(rows(deliveriesSql("")), rows(auditSql("")))
    database.close()
    return stored
  },
  stop: async () => {},
})

const familyOf = (parent: number): ReadonlyArray<number> =>
  readdirSync("/proc")
    .map(Number)
    .filter((pid) => {
      try {
        return Number(readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]?.split(" ")[1]) === parent
      } catch {
        return false
      }
    })

/** The machine's own server, whose `pg_dump` is of its version. Debian's package has it. */
export const installedPostgres = async (
  folder: string,
): Promise<Store & { readonly url: string; readonly programs: string }> => {
  await mkdir(folder, { recursive: true })
  for (const reached of [dirname(folder), folder]) await chmod(reached, 0o777)
  const [programs = ""] = [...new Bun.Glob("/usr/lib/postgresql/*/bin").scanSync({ cwd: "/", onlyFiles: false })]
  const port = await freePort()
  const data = join(folder, "data")
  const run = async (...words: ReadonlyArray<string>) => {
    const as = process.getuid?.() === 0 ? ["runuser", "-u", "postgres", "--"] : []
    const child = Bun.spawn([...as, ...words], { stdout: "ignore", stderr: "ignore", cwd: "/" })
    if ((await child.exited) !== 0) throw new Error(`in vain: ${words.join(" ")}`)
  }
  const control = (...words: ReadonlyArray<string>) => run(join(programs, "pg_ctl"), "-D", data, "-w", ...words)
  await run(join(programs, "initdb"), "-D", data, "-U", "postgres", "--auth=trust")
  await control("-o", `-p ${port} -k ${folder} -c listen_addresses=127.0.0.1`, "-l", join(folder, "log"), "start")
  const url = `postgres://postgres@127.0.0.1:${port}/postgres`
  return {
    url,
    programs,
    environment: { DATABASE_URL: url, BROKER_HOST: "127.0.0.1" },
    stored: () => storedIn(url),
    stop: () => control("-m", "fast", "stop"),
  }
}

const storedIn = async (url: string): Promise<Stored> => {
  const sql = new Bun.SQL(url)
  const stored = storedOf(await sql.unsafe(deliveriesSql("mesh.")), await sql.unsafe(auditSql("mesh.")))
  await sql.close()
  return stored
}

const isAlive = (pid: number): boolean => {
  try {
    return !/\) [ZX] /.test(readFileSync(`/proc/${pid}/stat`, "utf8"))
  } catch {
    return false
  }
}

export const postgresStore = async (folder: string): Promise<PostgresServer> => {
  await mkdir(folder, { recursive: true })
  // As root, the server runs as its own user, who must reach the folder.
  for (const reached of [dirname(folder), folder]) await chmod(reached, 0o777)
  const port = await freePort()
  const databaseDir = join(folder, "data")
  const instance = () => embeddedPostgres(databaseDir, port, true)
  let server = instance()
  await server.initialise()
  await server.start()
  await server.createDatabase("soak")
  const url = `postgres://postgres:password@127.0.0.1:${port}/soak`
  return {
    url,
    environment: { DATABASE_URL: url, BROKER_HOST: "127.0.0.1" },
    stored: () => storedIn(url),
    kill: async () => {
      const parent = Number(readFileSync(join(databaseDir, "postmaster.pid"), "utf8").split("\n")[0])
      const all = [parent, ...familyOf(parent)]
      for (const pid of all) process.kill(pid, "SIGKILL")
      while (all.some(isAlive)) await Bun.sleep(10)
    },
    start: async () => {
      server = instance()
      await server.start()
    },
    stop: () => server.stop(),
  }
}

const tree = join(import.meta.dirname, "../..")

export class BrokerUnderTest {
  #child: ReturnType<typeof Bun.spawn> | undefined
  memoryMaxMiB = 0
  kills = 0

  constructor(
    readonly port: number,
    readonly environment: Readonly<Record<string, string>>,
    /** A checkout of ours, of this version or of an older one. */
    readonly checkout = tree,
  ) {}

  async start(): Promise<void> {
    this.#child = Bun.spawn(
      [process.execPath, ...process.execArgv, join(this.checkout, "packages/broker/src/main.ts")],
      {
        env: {
          PATH: process.env["PATH"] ?? "",
          HOME: "/nonexistent",
          BROKER_PORT: String(this.port),
          ...this.environment,
        },
        stdin: "ignore",
        stdout: "ignore",
        stderr: "ignore",
      },
    )
    for (let tries = 0; tries < 800; tries++) {
      const scheme = this.environment["BROKER_TLS_CERT"] === undefined ? "http" : "https"
      const answered = await fetch(`${scheme}://127.0.0.1:${this.port}/ready`, {
        tls: { rejectUnauthorized: false },
      }).then(
        ({ ok }) => ok,
        () => false,
      )
      if (answered) return
      await Bun.sleep(25)
    }
    throw new Error("the broker did not start")
  }

  measure(): void {
    const pid = this.#child?.pid
    if (pid === undefined) return
    try {
      this.memoryMaxMiB = Math.max(this.memoryMaxMiB, memoryMiB(pid))
    } catch {
      // It has just been killed, or there is no /proc here.
    }
  }

  /** Undefined: it runs. */
  get ended(): string | undefined {
    const { exitCode = null, signalCode = null } = this.#child ?? {}
    return exitCode === null && signalCode === null ? undefined : String(signalCode ?? exitCode)
  }

  signal(name: "SIGCONT" | "SIGSTOP"): void {
    this.#child?.kill(name)
  }

  async kill(): Promise<void> {
    this.measure()
    this.#child?.kill("SIGKILL")
    await this.#child?.exited
    this.kills += 1
  }

  async stop(): Promise<void> {
    this.#child?.kill("SIGTERM")
    await this.#child?.exited
  }
}
