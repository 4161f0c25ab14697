/**
 * What a user might pick instead of the broker, each as durable as it is: confirmed is on the disk. A rival is measured where its
 * server is on the path. Its server is started anew for each round, in a folder of its own, on a free port of 127.0.0.1, and is
 * ended with all that it has started.
 */
import { existsSync } from "node:fs"
import { mkdir, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { freePort, processTree } from "./Server.ts"

export interface Rival {
  /** In tables and charts. */
  readonly name: string
  /** On the path. */
  readonly server: string
  /** The file of its load. */
  readonly load: string
  /** Its server, and what that needs: stopped in this order. */
  readonly start: (folder: string, port: number) => Promise<readonly [Bun.Subprocess, ...ReadonlyArray<Bun.Subprocess>]>
}

const spawn = (
  command: ReadonlyArray<string>,
  environment: Readonly<Record<string, string>>,
  stderr: "inherit" | "ignore" = "inherit",
) =>
  Bun.spawn([...command], {
    env: { PATH: process.env["PATH"] ?? "", ...environment },
    stdin: "ignore",
    stdout: "ignore",
    stderr,
  })

const listens = async (server: Bun.Subprocess, port: number): Promise<void> => {
  for (let tries = 0; tries < 1_200 && server.exitCode === null; tries++) {
    const socket = await Bun.connect({ hostname: "127.0.0.1", port, socket: { data: () => {} } }).catch(() => undefined)
    if (socket !== undefined) return void socket.end()
    await Bun.sleep(25)
  }
  throw new Error("its server did not start")
}

const startRedis: Rival["start"] = async (folder, port) => {
  const durable = ["--appendonly", "yes", "--appendfsync", "always", "--save", ""]
  return [spawn(["redis-server", "--port", `${port}`, "--bind", "127.0.0.1", "--dir", folder, ...durable], {})]
}

const startNats: Rival["start"] = async (folder, port) => {
  const config = join(folder, "nats.conf")
  await writeFile(config, `jetstream { store_dir: ${JSON.stringify(folder)}, sync_interval: always }\n`)
  return [
    spawn(["nats-server", "--config", config, "--addr", "127.0.0.1", "--port", `${port}`, "--log", "/dev/null"], {}),
  ]
}

/** Debian's command is a wrapper that takes on another user and other folders. */
const debianRabbit = "/usr/lib/rabbitmq/bin/rabbitmq-server"

/** A node is found by a process (`epmd`) that it starts, and that stays when it ends, unless there is one already: this one. */
const startRabbit: Rival["start"] = async (folder, port) => {
  const [epmdPort, nodesPort] = [await freePort(), await freePort()]
  const local = { HOME: folder, ERL_EPMD_PORT: `${epmdPort}`, ERL_EPMD_ADDRESS: "127.0.0.1" }
  // It complains of who connects and says nothing, as `listens` does.
  const epmd = spawn(["epmd"], local, "ignore")
  await listens(epmd, epmdPort)
  const server = spawn([existsSync(debianRabbit) ? debianRabbit : "rabbitmq-server"], {
    ...local,
    RABBITMQ_CONF_ENV_FILE: "/dev/null",
    RABBITMQ_CONFIG_FILE: join(folder, "none"),
    RABBITMQ_ENABLED_PLUGINS_FILE: join(folder, "no-plugins"),
    RABBITMQ_NODENAME: "bench@localhost",
    RABBITMQ_NODE_IP_ADDRESS: "127.0.0.1",
    RABBITMQ_NODE_PORT: `${port}`,
    RABBITMQ_DIST_PORT: `${nodesPort}`,
    RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS: "-kernel inet_dist_use_interface {127,0,0,1}",
    RABBITMQ_MNESIA_BASE: join(folder, "data"),
    RABBITMQ_LOG_BASE: join(folder, "log"),
  })
  return [server, epmd]
}

export const rivals: ReadonlyArray<Rival> = [
  { name: "Redis Streams", server: "redis-server", load: "redisStreams.ts", start: startRedis },
  { name: "RabbitMQ quorum", server: "rabbitmq-server", load: "rabbitQuorum.ts", start: startRabbit },
  { name: "NATS JetStream", server: "nats-server", load: "jetStream.ts", start: startNats },
]

const stopMillisMax = 20_000

export interface RunningRival {
  readonly port: number
  /** With all that it has started. */
  readonly processes: () => ReadonlyArray<number>
  readonly stop: () => Promise<void>
}

export const startRival = async (rival: Rival, folder: string): Promise<RunningRival> => {
  await mkdir(folder)
  const port = await freePort()
  const started = await rival.start(folder, port)
  const [server] = started
  const processes = () => started.flatMap(({ pid }) => processTree(pid))
  const stop = async () => {
    const all = processes()
    for (const child of started) {
      child.kill("SIGTERM")
      await Promise.race([child.exited, Bun.sleep(stopMillisMax)])
    }
    for (const pid of all) {
      try {
        process.kill(pid, "SIGKILL")
      } catch {
        // It has ended, as it should.
      }
    }
    await Promise.all(started.map(({ exited }) => exited))
  }
  try {
    await listens(server, port)
  } catch (error) {
    await stop()
    throw error
  }
  return { port, processes, stop }
}
