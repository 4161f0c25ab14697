/** A server under load, as all benchmarks use it: started, filled with a mesh, loaded, and measured from outside. */
import { randomBytes } from "node:crypto"
import { readFileSync } from "node:fs"
import { createServer } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
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

export const makeMesh = async (port: number, people: ReadonlyArray<ReturnType<typeof person>>): Promise<string> => {
  const owner = person()
  const meshId = randomBytes(8).toString("hex")
  const members = people.map(({ memberId, publicKey }, index) => ({ memberId, publicKey, displayName: `m${index}` }))
  const statement = [
    "claudemesh-create-mesh-v1",
    meshId,
    "bench",
    "bench",
    owner.publicKey,
    "sealed-only",
    ...members.map((member) => `${member.memberId} ${member.publicKey} ${member.displayName}`),
  ].join("\n")
  const signature = sodium.to_hex(sodium.crypto_sign_detached(statement, sodium.from_hex(owner.secretKey)))
  const body = { meshId, slug: "bench", name: "bench", ownerPublicKey: owner.publicKey, members, signature }
  const response = await fetch(`http://127.0.0.1:${port}/meshes`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
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

export const launch = (command: ReadonlyArray<string>, environment: Readonly<Record<string, string>>) =>
  Bun.spawn([process.execPath, ...command], {
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
}

/** In a process of its own, so that its time is not the server's. */
export const runLoad = async (load: Load): Promise<LoadFigures> => {
  const job = { others: [], receiversAway: false, ...load }
  const child = Bun.spawn([process.execPath, join(import.meta.dirname, "load.ts"), JSON.stringify(job)], {
    stdout: "pipe",
    stderr: "inherit",
  })
  return JSON.parse(await new Response(child.stdout).text())
}
