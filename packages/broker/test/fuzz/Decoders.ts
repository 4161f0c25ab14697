/** What the broker decides without its database: whether a hello proves its key, and what its environment says. */
import { createPrivateKey, createPublicKey, sign } from "node:crypto"
import { helloStatementV1, helloStatementV2 } from "@claudemesh/domain/trust/HelloStatement"
import { decodeClientFrame, type HelloV2, isHelloV2 } from "@claudemesh/domain/wire/ClientFrame"
import { Cause, Effect, Exit, Option, Result } from "effect"
import { claim, claimSame, type Fuzzed } from "../../../domain/test/fuzz/Fuzz.ts"
import { brokerConfigOf, variables } from "../../src/Config.ts"
import { HelloProof, type Verifier } from "../../src/trust/HelloProof.ts"
import { Ed25519 } from "../../src/trust/Ed25519.ts"

const nowMillis = 1_795_507_198_662
const nonce = "1".repeat(64)
const audience = "wss://mesh.example.com"

const secret = createPrivateKey({
  key: Buffer.from(`302e020100300506032b657004220420${"07".repeat(32)}`, "hex"),
  format: "der",
  type: "pkcs8",
})
const pubkey = createPublicKey(secret).export({ format: "der", type: "spki" }).subarray(-32).toString("hex")
const signed = (statement: string): string => sign(null, Buffer.from(statement), secret).toString("hex")

const decoded = (frame: object) => {
  const hello = Result.getOrThrow(decodeClientFrame(JSON.stringify(frame)))
  if (hello.type !== "hello") throw new Error("no hello")
  return hello
}

const decodedV2 = (frame: object): HelloV2 => {
  const hello = decoded(frame)
  if (!isHelloV2(hello)) throw new Error("of version 1")
  return hello
}

const unsigned = { type: "hello", meshId: "m1", memberId: "mem-alice", pubkey, signature: "0".repeat(128) }
const v1 = decoded({ ...unsigned, sessionId: "1-2", pid: 1, cwd: "/home", timestamp: nowMillis })
const unsignedV2 = { ...unsigned, protocol: 2, sessionId: "laptop", nonce, client: { name: "raw", version: "1" } }
const v2 = decodedV2(unsignedV2)
const elsewhere = decodedV2({ ...unsignedV2, nonce: "2".repeat(64) })

const statementOf = (hello: typeof v1): string =>
  isHelloV2(hello) ? helloStatementV2(audience, hello) : helloStatementV1(hello)

const proved = (hello: typeof v1, statement: string): string =>
  JSON.stringify({ ...hello, signature: signed(statement) })

const codes: ReadonlySet<string> = new Set(["timestamp_skew", "bad_signature", "unauthorized", "replayed", "capacity"])

const hello = (verifier: Verifier): Fuzzed => ({
  name: "HelloProof",
  // The last ones are proved elsewhere: to another socket, to another broker.
  examples: [
    ...[v1, v2].map((unproved) => proved(unproved, statementOf(unproved))),
    proved(elsewhere, statementOf(elsewhere)),
    proved(v2, helloStatementV2("wss://other.example.com", v2)),
  ],
  check: (input) => {
    const frame = Result.getOrUndefined(decodeClientFrame(input))
    if (frame?.type !== "hello") return false
    const proof = HelloProof.verify(frame, { nonce, nowMillis, audiences: [audience] }, verifier)
    if (Result.isFailure(proof)) {
      claim(codes.has(proof.failure.code), `the refusal ${proof.failure.code} is none of the list`)
      return false
    }
    // Two statements were ever signed.
    claim(
      [v1, v2].some((good) => statementOf(good) === statementOf(frame)),
      "a hello is proved that was never signed (I3)",
    )
    return true
  },
})

/** What an environment can hold: texts under any name. */
const environmentOf = (input: string): Readonly<Record<string, string>> => {
  let value: unknown
  try {
    value = JSON.parse(input)
  } catch {
    return { BROKER_PORT: input, BROKER_PUBLIC_URL: input, DATABASE_URL: input }
  }
  return typeof value === "object" && value !== null && !Array.isArray(value)
    ? Object.fromEntries(
        Object.entries(value).map(([name, text]) => [name, typeof text === "string" ? text : `${typeof text}`]),
      )
    : { MAX_MESSAGE_BYTES: input, BROKER_HOST: input, LOG_LEVEL: input }
}

const within = (value: number, least: number, most: number): boolean =>
  Number.isInteger(value) && value >= least && value <= most

const config: Fuzzed = {
  name: "Config",
  examples: [
    JSON.stringify({
      BROKER_PORT: "7900",
      BROKER_HOST: "127.0.0.1",
      BROKER_DATA_DIR: "/home/a/data",
      MAX_MESSAGE_BYTES: "65536",
      MESSAGE_TTL_DAYS: "7",
      STATUS_TTL_SECONDS: "60",
      HOOK_FRESH_WINDOW_SECONDS: "30",
      BROKER_PUBLIC_URL: "wss://mesh.example.com, https://other.example.com:8443",
      BROKER_ADMIN_TOKEN: "0123456789abcdef",
      LOG_LEVEL: "info",
    }),
    JSON.stringify({ PORT: "0", HOME: "/home/a", DATABASE_URL: "postgres://user:password@localhost:5432/db" }),
  ],
  check: (input) => {
    const environment = environmentOf(input)
    const exit = Effect.runSyncExit(brokerConfigOf(environment))
    if (Exit.isFailure(exit)) {
      const error = Option.getOrUndefined(Cause.findErrorOption(exit.cause))
      claim(error?._tag === "InvalidVariable", `it failed with ${Cause.pretty(exit.cause).slice(0, 300)}`)
      claim(error !== undefined && (error.variable === "PORT" || error.variable in variables), "it names no variable")
      return false
    }
    const { host, hookFreshMillis, limits, messageBytesMax, port, publicOrigins, workingTtlMillis } = exit.value
    claim(within(port, 0, 65_535) && within(messageBytesMax, 1_024, 1_048_576), "a number is out of its range")
    claim(
      within(hookFreshMillis, 1_000, 86_400_000) && within(workingTtlMillis, 1_000, 86_400_000),
      "a time is out of its range",
    )
    claim(within(limits.messageTtlMillis, 86_400_000, 30 * 86_400_000), "the days are out of their range")
    claim(/^[A-Za-z0-9.:_-]+$/.test(host), "the host is none")
    claim(
      publicOrigins.every((origin) => /^wss?:\/\/[^/]+$/.test(origin)),
      "an origin is none",
    )
    claimSame(Effect.runSync(brokerConfigOf(environment)), exit.value, "the same environment is read in two ways")
    return true
  },
}

export const brokerDecoders: Promise<ReadonlyArray<Fuzzed>> = Effect.runPromise(
  Ed25519.pipe(
    Effect.flatten,
    Effect.map((verifier) => [hello(verifier), config]),
    Effect.provide(Ed25519.layer),
  ),
)
