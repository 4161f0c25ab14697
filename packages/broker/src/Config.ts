/**
 * The environment, read once. The table below is the only list of variables: the README's is tested against it.
 * A wrong value stops the start with one line that names its variable.
 */
import { homedir } from "node:os"
import { audienceOf } from "@claudemesh/domain/trust/HelloStatement"
import { membersPerMeshMax, messageBytesDefault } from "@claudemesh/domain/Limits"
import { Config, ConfigProvider, Effect, Option, Redacted, Result, Schema } from "effect"
import { brokerLimits, type BrokerLimits, withMessageTtl } from "./Limits.ts"
import { postgresTarget } from "./store/postgres/PostgresUrl.ts"

export const logLevels = ["Trace", "Debug", "Info", "Warn", "Error", "None"] as const
export type LogLevel = (typeof logLevels)[number]

export interface BrokerConfig {
  readonly host: string
  /** 0: any free port. */
  readonly port: number
  readonly database:
    | { readonly _tag: "Postgres"; readonly url: Redacted.Redacted }
    | { readonly _tag: "Sqlite"; readonly dataDir: string }
  readonly messageBytesMax: number
  readonly workingTtlMillis: number
  readonly hookFreshMillis: number
  /** Something gave it a `PORT`, as platforms do. */
  readonly onPlatform: boolean
  /** Origins that a v2 hello may be signed for; none: the loopback origins of the port. */
  readonly publicOrigins: ReadonlyArray<string>
  readonly adminToken: Option.Option<Redacted.Redacted>
  /** Whoever scrapes `/metrics` shows it. None: whoever asks from this machine, and no proxy, is answered. */
  readonly metricsToken: Option.Option<Redacted.Redacted>
  /** None: TLS, if there is any, is a proxy's. */
  readonly tls: Option.Option<{ readonly certPath: string; readonly keyPath: string }>
  /** Proxies in front that add to `X-Forwarded-For`; 0: the header is not read. */
  readonly trustedProxies: number
  /** Whether clients of protocol v1 are admitted. */
  readonly allowV1: boolean
  readonly logLevel: LogLevel
  readonly limits: BrokerLimits
}

/** A variable as the operator sees it. */
export interface Variable {
  readonly fallback: string
  readonly meaning: string
  readonly expected: string
}

export const variables = {
  BROKER_PORT: {
    fallback: "7900",
    meaning:
      "Port of the one listener, HTTP and WebSocket. `PORT`, where a platform sets it, is used when this is unset.",
    expected: "a port number from 0 to 65535",
  },
  BROKER_HOST: {
    fallback: "127.0.0.1, or 0.0.0.0 with `DATABASE_URL`, or with `PORT` and `BROKER_PUBLIC_URL`",
    meaning: "Address to listen on.",
    expected: "an address or host name",
  },
  DATABASE_URL: {
    fallback: "none: the embedded SQLite store",
    meaning:
      "Postgres to keep everything in. `sslmode` is read as libpq has it; `pgbouncer=true` for a pooler in transaction mode.",
    expected: "a URL such as postgres://user:password@host:5432/database",
  },
  BROKER_DATA_DIR: {
    fallback: "`~/.claudemesh/broker`",
    meaning: "Folder of the embedded store. One broker at a time may use it.",
    expected: "a folder",
  },
  MAX_MESSAGE_BYTES: {
    fallback: String(messageBytesDefault),
    meaning: "Largest ciphertext of a message, in bytes.",
    expected: "a whole number from 1024 to 1048576",
  },
  MESSAGE_TTL_DAYS: {
    fallback: "7",
    meaning: "How long a message waits for its recipient. Then it is erased, and `message_status` says `expired`.",
    expected: "a whole number of days from 1 to 30",
  },
  STATUS_TTL_SECONDS: {
    fallback: "60",
    meaning: "How long a `working` stands before it becomes `idle` by itself.",
    expected: "a whole number of seconds from 1 to 86400",
  },
  HOOK_FRESH_WINDOW_SECONDS: {
    fallback: "30",
    meaning:
      "How long a hook's report of `working` or `idle` beats one by hand, and what a client infers. Nothing but a hand, or its time, ends `dnd`.",
    expected: "a whole number of seconds from 1 to 86400",
  },
  BROKER_PUBLIC_URL: {
    fallback: "none: the loopback origins of the port",
    meaning: "Origins clients dial, separated by commas. A hello is signed for one of them. Needed off loopback.",
    expected: "URLs such as wss://mesh.example.com, separated by commas",
  },
  BROKER_ADMIN_TOKEN: {
    fallback: "none: meshes are made on a loopback listener only",
    meaning: "Bearer token of 16 characters or more that `POST /meshes` needs where the listener is not on loopback.",
    expected: "at least 16 characters",
  },
  BROKER_METRICS_TOKEN: {
    fallback: "none: `/metrics` answers this machine only",
    meaning:
      "Bearer token of 16 characters or more that `GET /metrics` needs. Set it wherever a proxy stands in front.",
    expected: "at least 16 characters",
  },
  BROKER_TLS_CERT: {
    fallback: "none: TLS is a proxy's",
    meaning:
      "File with the certificate chain in PEM, to be reached by `wss://` without a proxy. It is read again when it changes. Needs `BROKER_TLS_KEY`.",
    expected: "a file, set together with BROKER_TLS_KEY",
  },
  BROKER_TLS_KEY: {
    fallback: "none: TLS is a proxy's",
    meaning: "File with the private key of that certificate, in PEM and without a passphrase.",
    expected: "a file, set together with BROKER_TLS_CERT",
  },
  BROKER_TRUSTED_PROXIES: {
    fallback: "0",
    meaning:
      "How many proxies stand in front, each adding to `X-Forwarded-For`. Rates are counted for the address before them. 0: the header is not read.",
    expected: "a whole number from 0 to 5",
  },
  BROKER_ALLOW_V1: {
    fallback: "true",
    meaning:
      "Whether the first clients are admitted, which speak protocol v1. What that costs is in `docs/security.md`.",
    expected: "true or false",
  },
  BROKER_MAX_CONNECTIONS: {
    fallback: "10000",
    meaning: "Sockets open at once. One more is closed with 4013.",
    expected: "a whole number from 1 to 1000000",
  },
  BROKER_SOCKETS_PER_ADDRESS: {
    fallback: "2000",
    meaning:
      "The same from one address; the first 64 bits are one address of IPv6. Behind a proxy that `BROKER_TRUSTED_PROXIES` does not count everybody has the proxy's address.",
    expected: "a whole number from 1 to 1000000",
  },
  BROKER_MAX_MEMBERS: {
    fallback: "500",
    meaning: "Members of one mesh. A mesh that has more keeps them, and takes no other.",
    expected: `a whole number from 1 to ${membersPerMeshMax}, since a message is sealed to no more`,
  },
  BROKER_MAX_SESSIONS: {
    fallback: "1000",
    meaning: "Sessions of one member that are attached, or expected back within 90 s. 200 of them are remembered.",
    expected: "a whole number from 1 to 10000",
  },
  BROKER_MAX_BACKLOG_MESSAGES: {
    fallback: "10000",
    meaning: "Messages that wait in one inbox. Its senders are then told `backlog_full`.",
    expected: "a whole number from 1 to 1000000",
  },
  BROKER_MAX_BACKLOG_BYTES: {
    fallback: "67108864",
    meaning:
      "Ciphertext that waits in one inbox, in bytes of its base64. One message always finds room in an empty one.",
    expected: "a whole number from 65536 to 10737418240",
  },
  BROKER_SENDS_PER_SECOND: {
    fallback: "500",
    meaning:
      "Deliveries that the sends of one member may cause each second: a message to 100 sessions counts as 100. What is above is told `rate_limited`.",
    expected: "a whole number from 1 to 100000",
  },
  BROKER_SENDS_BURST: {
    fallback: "2000",
    meaning: "The same at once, after a quiet time.",
    expected: "a whole number from 1 to 1000000",
  },
  BROKER_FRAMES_PER_SECOND: {
    fallback: "2000",
    meaning: "Frames of one connection each second. One that sends more is closed with 4029.",
    expected: "a whole number from 10 to 100000",
  },
  BROKER_FRAMES_BURST: {
    fallback: "10000",
    meaning: "The same at once, after a quiet time.",
    expected: "a whole number from 100 to 1000000",
  },
  BROKER_DRAIN_SECONDS: {
    fallback: "5",
    meaning:
      "How long a broker that was told to stop takes for what is under way, and to close its sockets in turns. Three seconds more are for the last commits; give whoever stops it longer than that.",
    expected: "a whole number of seconds from 1 to 300",
  },
  BROKER_AUDIT_CHECKPOINT_MINUTES: {
    fallback: "60",
    meaning:
      "How often the audit key signs the last block of each mesh in which something was recorded. Who can write to the database can rewrite what came after the last one (`docs/audit.md`).",
    expected: "a whole number of minutes from 1 to 1440",
  },
  LOG_LEVEL: {
    fallback: "info",
    meaning: "Least level of what is logged to stderr: trace, debug, info, warn, error or none.",
    expected: "one of trace, debug, info, warn, error, none",
  },
} as const satisfies Record<string, Variable>

type VariableName = keyof typeof variables

/** What is set and looks like one of ours, and is none: most likely it is misspelt, and would be without effect in silence. */
export const strayVariables = (names: ReadonlyArray<string>): ReadonlyArray<string> =>
  names.filter((name) => name.startsWith("BROKER_") && !Object.hasOwn(variables, name)).toSorted()

export class InvalidVariable extends Schema.TaggedError<InvalidVariable>()("InvalidVariable", {
  variable: Schema.String,
  expected: Schema.String,
  /** As it was set. Undefined: it may hold a secret. */
  value: Schema.UndefinedOr(Schema.String),
}) {
  override get message() {
    const value = this.value === undefined ? "" : `, and is ${shown(this.value)}`
    return `${this.variable} must be ${this.expected}${value}`
  }
}

const shownCharactersMax = 60

/** In one line, whatever it is. */
const shown = (value: string): string =>
  value.length <= shownCharactersMax
    ? JSON.stringify(value)
    : `${JSON.stringify(value.slice(0, shownCharactersMax))} and so on`

/** Their values are told to nobody. */
const secrets: ReadonlySet<string> = new Set<VariableName>([
  "DATABASE_URL",
  "BROKER_ADMIN_TOKEN",
  "BROKER_METRICS_TOKEN",
])

export const isLoopback = (host: string): boolean =>
  host === "localhost" || host === "::1" || /^127(\.\d{1,3}){3}$/.test(host)

/** Unset and empty are the same: platforms like to set empty variables. */
const raw = (name: string) =>
  Config.option(Config.String(name)).pipe(
    Effect.map(Option.filter((text) => text.trim() !== "")),
    Effect.orElseSucceed(Option.none<string>),
  )

const read = <A>(name: VariableName, parse: (text: string) => A | undefined, fallback: A) =>
  Effect.flatMap(raw(name), (text) => parsed(name, text, parse, fallback))

const parsed = <A>(
  name: VariableName | "PORT",
  text: Option.Option<string>,
  parse: (text: string) => A | undefined,
  fallback: A,
) => {
  if (Option.isNone(text)) return Effect.succeed(fallback)
  const given = text.value.trim()
  const value = parse(given)
  if (value !== undefined) return Effect.succeed(value)
  const { expected } = variables[name === "PORT" ? "BROKER_PORT" : name]
  return Effect.fail(new InvalidVariable({ variable: name, expected, value: secrets.has(name) ? undefined : given }))
}

const wholeNumber = (least: number, most: number) => (text: string) => {
  const value = /^\d{1,12}$/.test(text) ? Number(text) : -1
  return value >= least && value <= most ? value : undefined
}

const truth = (text: string): boolean | undefined => {
  const word = text.toLowerCase()
  return word === "true" || (word === "false" ? false : undefined)
}

const token = (name: VariableName) =>
  Effect.map(
    read(name, (text) => (text.length >= 16 ? text : undefined), undefined),
    (text) => Option.map(Option.fromUndefinedOr(text), (secret) => Redacted.make(secret)),
  )

const tls = Effect.gen(function* () {
  const certPath = yield* read("BROKER_TLS_CERT", (text) => text, undefined)
  const keyPath = yield* read("BROKER_TLS_KEY", (text) => text, undefined)
  if (certPath !== undefined && keyPath !== undefined) return Option.some({ certPath, keyPath })
  if (certPath === keyPath) return Option.none()
  const variable = certPath === undefined ? "BROKER_TLS_CERT" : "BROKER_TLS_KEY"
  return yield* new InvalidVariable({ variable, expected: variables[variable].expected, value: "" })
})

const origins = (text: string): ReadonlyArray<string> | undefined => {
  const all = text.split(",").map((url) => audienceOf(url.trim()))
  return all.every((origin) => origin !== undefined) ? all : undefined
}

const port = Effect.gen(function* () {
  const own = yield* raw("BROKER_PORT")
  const name = Option.isSome(own) ? "BROKER_PORT" : "PORT"
  return yield* parsed(name, Option.isSome(own) ? own : yield* raw("PORT"), wholeNumber(0, 65_535), 7900)
})

/** As a shell writes it: `~` alone or before a slash is the home folder. */
const withHome = (path: string, home: string): string => (/^~(\/|$)/.test(path) ? `${home}${path.slice(1)}` : path)

/** As in a URL, an IPv6 address may stand in brackets. */
const hostOf = (text: string): string | undefined => {
  const [, address] = /^\[([0-9A-Fa-f.]*:[0-9A-Fa-f:.]*)\]$/.exec(text) ?? []
  const host = address ?? text
  return /^[A-Za-z0-9.:_-]+$/.test(host) ? host : undefined
}

const database = Effect.gen(function* () {
  const url = Option.map(yield* raw("DATABASE_URL"), (text) => Redacted.make(text.trim()))
  if (Option.isSome(url)) {
    const target = postgresTarget(url.value)
    if (Result.isSuccess(target)) return { _tag: "Postgres", url: url.value } as const
    const expected = `${variables.DATABASE_URL.expected}, and ${target.failure}`
    return yield* new InvalidVariable({ variable: "DATABASE_URL", expected, value: undefined })
  }
  // A service manager may start us without `HOME`: the system knows the account's folder, too.
  const account = Option.getOrElse(Option.liftThrowable(homedir)(), () => ".")
  const home = Option.getOrElse(yield* raw("HOME"), () => account)
  const dataDir = yield* read("BROKER_DATA_DIR", (text) => withHome(text, home), `${home}/.claudemesh/broker`)
  return { _tag: "Sqlite", dataDir } as const
})

/** The bounds that an operator sets. All others are as they stand in `Limits.ts`. */
const operatorLimits = Effect.gen(function* () {
  const days = yield* read("MESSAGE_TTL_DAYS", wholeNumber(1, 30), 7)
  const all = withMessageTtl(brokerLimits, days)
  const count = (name: VariableName, least: number, most: number, fallback: number) =>
    read(name, wholeNumber(least, most), fallback)
  const sessions = yield* count("BROKER_MAX_SESSIONS", 1, 10_000, all.liveSessionsPerMemberMax)
  const limits: BrokerLimits = {
    ...all,
    connectionsMax: yield* count("BROKER_MAX_CONNECTIONS", 1, 1_000_000, all.connectionsMax),
    socketsPerAddressMax: yield* count("BROKER_SOCKETS_PER_ADDRESS", 1, 1_000_000, all.socketsPerAddressMax),
    membersPerMeshMax: yield* count("BROKER_MAX_MEMBERS", 1, membersPerMeshMax, all.membersPerMeshMax),
    liveSessionsPerMemberMax: sessions,
    sessionsPerMemberMax: Math.min(all.sessionsPerMemberMax, sessions),
    backlogMessagesMax: yield* count("BROKER_MAX_BACKLOG_MESSAGES", 1, 1_000_000, all.backlogMessagesMax),
    backlogCharactersMax: yield* count("BROKER_MAX_BACKLOG_BYTES", 65_536, 10_737_418_240, all.backlogCharactersMax),
    sendsPerSecond: yield* count("BROKER_SENDS_PER_SECOND", 1, 100_000, all.sendsPerSecond),
    sendsBurst: yield* count("BROKER_SENDS_BURST", 1, 1_000_000, all.sendsBurst),
    framesPerSecond: yield* count("BROKER_FRAMES_PER_SECOND", 10, 100_000, all.framesPerSecond),
    auditCheckpointMillis:
      (yield* count("BROKER_AUDIT_CHECKPOINT_MINUTES", 1, 1_440, all.auditCheckpointMillis / 60_000)) * 60_000,
    drainTimeoutMillis: (yield* count("BROKER_DRAIN_SECONDS", 1, 300, all.drainTimeoutMillis / 1_000)) * 1_000,
    framesBurst: yield* count("BROKER_FRAMES_BURST", 100, 1_000_000, all.framesBurst),
  }
  return limits
})

export const brokerConfig: Effect.Effect<BrokerConfig, InvalidVariable> = Effect.gen(function* () {
  const store = yield* database
  const seconds = wholeNumber(1, 86_400)
  const publicOrigins = yield* read("BROKER_PUBLIC_URL", origins, [])
  const onPlatform = Option.isSome(yield* raw("PORT"))
  const isForOthers = store._tag === "Postgres" || (onPlatform && publicOrigins.length > 0)
  return {
    host: yield* read("BROKER_HOST", hostOf, isForOthers ? "0.0.0.0" : "127.0.0.1"),
    port: yield* port,
    database: store,
    messageBytesMax: yield* read("MAX_MESSAGE_BYTES", wholeNumber(1024, 1_048_576), messageBytesDefault),
    workingTtlMillis: (yield* read("STATUS_TTL_SECONDS", seconds, 60)) * 1000,
    hookFreshMillis: (yield* read("HOOK_FRESH_WINDOW_SECONDS", seconds, 30)) * 1000,
    publicOrigins,
    onPlatform,
    adminToken: yield* token("BROKER_ADMIN_TOKEN"),
    metricsToken: yield* token("BROKER_METRICS_TOKEN"),
    tls: yield* tls,
    trustedProxies: yield* read("BROKER_TRUSTED_PROXIES", wholeNumber(0, 5), 0),
    allowV1: yield* read("BROKER_ALLOW_V1", truth, true),
    logLevel: yield* read(
      "LOG_LEVEL",
      (text) => logLevels.find((level) => level.toLowerCase() === text.toLowerCase()),
      "Info",
    ),
    limits: yield* operatorLimits,
  }
})

/** The configuration that an environment would give, for tests and for embedding a broker. */
export const brokerConfigOf = (environment: Readonly<Record<string, string>>) =>
  brokerConfig.pipe(Effect.provide(ConfigProvider.layer(ConfigProvider.fromUnknown(environment))))
