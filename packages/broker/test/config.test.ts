/** The environment as an operator writes it: defaults, good values, and one line that names what is wrong. */
import { homedir } from "node:os"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Option, Redacted } from "effect"
import { brokerConfigOf, isLoopback, strayVariables, variables } from "../src/Config.ts"
import { brokerLimits, type BrokerLimits, withMessageTtl } from "../src/Limits.ts"

type Environment = Readonly<Record<string, string>>

const refusalOf = (environment: Environment) =>
  Effect.map(Effect.flip(brokerConfigOf(environment)), (error) => error.message)

it("a variable that only looks like the broker's is named, whatever else is set", () => {
  const ours = Object.keys(variables)
  assert.deepStrictEqual(strayVariables([...ours, "PATH", "BROKER_MAX_CONECTIONS", "BROKER_HOSTS", "MESSAGE_TTL"]), [
    "BROKER_HOSTS",
    "BROKER_MAX_CONECTIONS",
  ])
})

describe("a broker without any variable", () => {
  it.effect("listens on loopback, keeps its data in the home folder and takes every default", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* brokerConfigOf({ HOME: "/home/a" }), {
        host: "127.0.0.1",
        port: 7900,
        database: { _tag: "Sqlite", dataDir: "/home/a/.claudemesh/broker" },
        messageBytesMax: 65_536,
        workingTtlMillis: 60_000,
        hookFreshMillis: 30_000,
        publicOrigins: [],
        onPlatform: false,
        adminToken: Option.none(),
        metricsToken: Option.none(),
        tls: Option.none(),
        trustedProxies: 0,
        allowV1: true,
        logLevel: "Info",
        limits: brokerLimits,
      })
    }),
  )

  it.effect("takes an empty variable for one that is not set", () =>
    Effect.gen(function* () {
      const empty = Object.fromEntries(Object.keys(variables).map((name) => [name, " "]))
      assert.deepStrictEqual(
        yield* brokerConfigOf({ ...empty, PORT: "", HOME: "/h" }),
        yield* brokerConfigOf({ HOME: "/h" }),
      )
    }),
  )

  it.effect("keeps its data in the account's own folder where HOME is not set", () =>
    Effect.gen(function* () {
      const { database } = yield* brokerConfigOf({})
      assert.deepStrictEqual(database, { _tag: "Sqlite", dataDir: `${homedir()}/.claudemesh/broker` })
    }),
  )
})

interface Case {
  readonly key: string
  readonly good: ReadonlyArray<readonly [string, unknown]>
  readonly wrong: ReadonlyArray<string>
}

/** Of a variable that sets one bound and no other, to a whole number from `least` to `most`. */
const bound = (limit: keyof BrokerLimits, least: number, most: number): Case => ({
  key: "limits",
  good: [least, most].map((value) => [String(value), { ...brokerLimits, [limit]: value }] as const),
  wrong: [String(least - 1), String(most + 1), "-1", `${least}.5`, "1e3", "0x10", "unlimited", "1 000", "9".repeat(13)],
})

/** For each variable: what it sets, values it takes, values it refuses. */
const cases: Record<keyof typeof variables, Case> = {
  BROKER_PORT: {
    key: "port",
    good: [
      ["0", 0],
      ["8080", 8080],
      [" 65535 ", 65_535],
    ],
    wrong: ["65536", "-1", "80.5", "http", "0x50", "1e3", "99999999999"],
  },
  BROKER_HOST: {
    key: "host",
    good: [
      ["0.0.0.0", "0.0.0.0"],
      ["::1", "::1"],
      ["[::1]", "::1"],
      ["[::]", "::"],
      ["mesh.example.com", "mesh.example.com"],
    ],
    wrong: ["http://127.0.0.1", "a b", "127.0.0.1/8", "[::1", "[]", "[db]"],
  },
  DATABASE_URL: {
    key: "database",
    good: [],
    wrong: [
      "mysql://localhost/a",
      "localhost:5432",
      "postgres:/localhost",
      "postgres://db/mesh?sslmode=no-verify",
      "postgres://db/mesh?ssl=true",
    ],
  },
  BROKER_DATA_DIR: {
    key: "database",
    good: [
      ["/data", { _tag: "Sqlite", dataDir: "/data" }],
      ["./here", { _tag: "Sqlite", dataDir: "./here" }],
    ],
    wrong: [],
  },
  MAX_MESSAGE_BYTES: {
    key: "messageBytesMax",
    good: [
      ["1024", 1024],
      ["1048576", 1_048_576],
    ],
    wrong: ["1023", "1048577", "64k", "-1", "1.5"],
  },
  MESSAGE_TTL_DAYS: {
    key: "limits",
    good: [
      ["1", withMessageTtl(brokerLimits, 1)],
      ["30", withMessageTtl(brokerLimits, 30)],
    ],
    wrong: ["0", "31", "7d", "-1", "0.5"],
  },
  STATUS_TTL_SECONDS: {
    key: "workingTtlMillis",
    good: [
      ["1", 1_000],
      ["86400", 86_400_000],
    ],
    wrong: ["0", "86401", "1m", "-5"],
  },
  HOOK_FRESH_WINDOW_SECONDS: {
    key: "hookFreshMillis",
    good: [
      ["1", 1_000],
      ["86400", 86_400_000],
    ],
    wrong: ["0", "86401", "30s"],
  },
  BROKER_PUBLIC_URL: {
    key: "publicOrigins",
    good: [["wss://mesh.example.com", ["wss://mesh.example.com"]]],
    wrong: ["mesh.example.com", "ftp://mesh.example.com", "wss://a.example,nonsense", "wss://a.example,"],
  },
  BROKER_ADMIN_TOKEN: { key: "adminToken", good: [], wrong: ["short", "fifteen-letters"] },
  BROKER_METRICS_TOKEN: { key: "metricsToken", good: [], wrong: ["short", "fifteen-letters"] },
  BROKER_TLS_CERT: { key: "tls", good: [], wrong: [] },
  BROKER_TLS_KEY: { key: "tls", good: [], wrong: [] },
  BROKER_TRUSTED_PROXIES: {
    key: "trustedProxies",
    good: [
      ["0", 0],
      ["1", 1],
      ["5", 5],
    ],
    wrong: ["6", "-1", "1.5", "all", "true"],
  },
  BROKER_ALLOW_V1: {
    key: "allowV1",
    good: [
      ["true", true],
      ["false", false],
      ["FALSE", false],
    ],
    wrong: ["0", "1", "no", "yes", "constructor"],
  },
  BROKER_MAX_CONNECTIONS: bound("connectionsMax", 1, 1_000_000),
  BROKER_SOCKETS_PER_ADDRESS: bound("socketsPerAddressMax", 1, 1_000_000),
  BROKER_MAX_MEMBERS: bound("membersPerMeshMax", 1, 500),
  BROKER_MAX_SESSIONS: {
    key: "limits",
    good: [
      ["1", { ...brokerLimits, liveSessionsPerMemberMax: 1, sessionsPerMemberMax: 1 }],
      ["200", { ...brokerLimits, liveSessionsPerMemberMax: 200 }],
      ["10000", { ...brokerLimits, liveSessionsPerMemberMax: 10_000 }],
    ],
    wrong: ["0", "10001", "many"],
  },
  BROKER_MAX_BACKLOG_MESSAGES: bound("backlogMessagesMax", 1, 1_000_000),
  BROKER_MAX_BACKLOG_BYTES: bound("backlogCharactersMax", 65_536, 10_737_418_240),
  BROKER_SENDS_PER_SECOND: bound("sendsPerSecond", 1, 100_000),
  BROKER_SENDS_BURST: bound("sendsBurst", 1, 1_000_000),
  BROKER_FRAMES_PER_SECOND: bound("framesPerSecond", 10, 100_000),
  BROKER_FRAMES_BURST: bound("framesBurst", 100, 1_000_000),
  BROKER_DRAIN_SECONDS: {
    key: "limits",
    good: [
      ["1", { ...brokerLimits, drainTimeoutMillis: 1_000 }],
      ["300", { ...brokerLimits, drainTimeoutMillis: 300_000 }],
    ],
    wrong: ["0", "301", "5s", "-1", "0.5"],
  },
  BROKER_AUDIT_CHECKPOINT_MINUTES: {
    key: "limits",
    good: [
      ["1", { ...brokerLimits, auditCheckpointMillis: 60_000 }],
      ["1440", { ...brokerLimits, auditCheckpointMillis: 86_400_000 }],
    ],
    wrong: ["0", "1441", "1h", "-1", "0.5"],
  },
  LOG_LEVEL: {
    key: "logLevel",
    good: [
      ["debug", "Debug"],
      ["WARN", "Warn"],
      ["none", "None"],
      ["Trace", "Trace"],
      ["error", "Error"],
    ],
    wrong: ["verbose", "2", "fatal"],
  },
}

describe("a variable", () => {
  for (const [name, { good, key, wrong }] of Object.entries(cases)) {
    it.effect(`${name} sets its own value and no other`, () =>
      Effect.gen(function* () {
        const without: Readonly<Record<string, unknown>> = { ...(yield* brokerConfigOf({})) }
        for (const [text, value] of good) {
          assert.deepStrictEqual({ ...(yield* brokerConfigOf({ [name]: text })) }, { ...without, [key]: value }, text)
        }
      }),
    )

    const isSecret = ["DATABASE_URL", "BROKER_ADMIN_TOKEN", "BROKER_METRICS_TOKEN"].includes(name)
    it.effect(
      `${name} with a wrong value stops the start with one line that names it${isSecret ? "" : ", its value"} and what may stand there`,
      () =>
        Effect.gen(function* () {
          for (const text of wrong) {
            const message = yield* refusalOf({ [name]: text })
            assert.match(message, new RegExp(`^${name} must be .+$`), text)
            assert.notInclude(message, "\n", text)
            if (isSecret) assert.notInclude(message, text)
            else assert.ok(message.endsWith(`, and is ${JSON.stringify(text)}`), message)
          }
        }),
    )
  }

  it.effect("BROKER_TLS_CERT and BROKER_TLS_KEY are set together", () =>
    Effect.gen(function* () {
      const [BROKER_TLS_CERT, BROKER_TLS_KEY] = ["/a.crt", "/a.key"]
      const { tls } = yield* brokerConfigOf({ BROKER_TLS_CERT, BROKER_TLS_KEY })
      assert.deepStrictEqual(tls, Option.some({ certPath: "/a.crt", keyPath: "/a.key" }))
      assert.match(
        yield* refusalOf({ BROKER_TLS_CERT }),
        /^BROKER_TLS_KEY must be a file, set together with BROKER_TLS_CERT/,
      )
      assert.match(
        yield* refusalOf({ BROKER_TLS_KEY }),
        /^BROKER_TLS_CERT must be a file, set together with BROKER_TLS_KEY/,
      )
    }),
  )

  it.effect("a wrong value is shown on one line, and no more than the beginning of it", () =>
    Effect.gen(function* () {
      assert.strictEqual(
        yield* refusalOf({ BROKER_MAX_SESSIONS: "ten\nof them" }),
        'BROKER_MAX_SESSIONS must be a whole number from 1 to 10000, and is "ten\\nof them"',
      )
      assert.isBelow((yield* refusalOf({ BROKER_HOST: "/".repeat(100_000) })).length, 200)
    }),
  )

  it.effect("PORT is used where BROKER_PORT is not set, and named when it is wrong", () =>
    Effect.gen(function* () {
      assert.strictEqual((yield* brokerConfigOf({ PORT: "3000" })).port, 3000)
      assert.strictEqual((yield* brokerConfigOf({ PORT: "3000", BROKER_PORT: "" })).port, 3000)
      assert.strictEqual((yield* brokerConfigOf({ PORT: "3000", BROKER_PORT: "4000" })).port, 4000)
      assert.strictEqual((yield* brokerConfigOf({ PORT: "no port", BROKER_PORT: "4000" })).port, 4000)
      assert.match(yield* refusalOf({ PORT: "no port" }), /^PORT must be a port number/)
    }),
  )

  it.effect("PORT of a platform opens the listener where BROKER_PUBLIC_URL says that others come", () =>
    Effect.gen(function* () {
      const hostIn = (environment: Environment) => Effect.map(brokerConfigOf(environment), ({ host }) => host)
      const BROKER_PUBLIC_URL = "wss://mesh.example.com"
      assert.strictEqual(yield* hostIn({ PORT: "3000", BROKER_PUBLIC_URL }), "0.0.0.0")
      assert.strictEqual(yield* hostIn({ PORT: "3000", BROKER_PUBLIC_URL, BROKER_HOST: "127.0.0.1" }), "127.0.0.1")
      assert.strictEqual(yield* hostIn({ PORT: "3000" }), "127.0.0.1")
      assert.strictEqual(yield* hostIn({ BROKER_PUBLIC_URL }), "127.0.0.1")
    }),
  )

  it.effect("BROKER_DATA_DIR may begin with ~, which is the home folder", () =>
    Effect.gen(function* () {
      for (const [BROKER_DATA_DIR, dataDir] of [
        ["~", "/home/a"],
        ["~/mesh", "/home/a/mesh"],
        ["~b/mesh", "~b/mesh"],
        ["/a/~/b", "/a/~/b"],
      ] as const) {
        const { database } = yield* brokerConfigOf({ BROKER_DATA_DIR, HOME: "/home/a" })
        assert.deepStrictEqual(database, { _tag: "Sqlite", dataDir })
      }
    }),
  )

  it.effect("DATABASE_URL puts everything in Postgres and opens the listener, unless BROKER_HOST says otherwise", () =>
    Effect.gen(function* () {
      for (const DATABASE_URL of ["postgres://a:secret@db:5432/mesh", "postgresql://db/mesh"]) {
        const { database, host } = yield* brokerConfigOf({ DATABASE_URL })
        assert.strictEqual(database._tag === "Postgres" && Redacted.value(database.url), DATABASE_URL)
        assert.strictEqual(host, "0.0.0.0")
        assert.strictEqual((yield* brokerConfigOf({ DATABASE_URL, BROKER_HOST: "127.0.0.1" })).host, "127.0.0.1")
      }
    }),
  )

  it.effect("DATABASE_URL and BROKER_ADMIN_TOKEN do not show in the configuration's text", () =>
    Effect.gen(function* () {
      const config = yield* brokerConfigOf({
        DATABASE_URL: "postgres://a:hunter2@db/mesh",
        BROKER_ADMIN_TOKEN: "sixteen-letters!",
      })
      assert.strictEqual(Option.getOrUndefined(Option.map(config.adminToken, Redacted.value)), "sixteen-letters!")
      for (const text of [JSON.stringify(config), Bun.inspect(config)]) {
        assert.notInclude(text, "hunter2")
        assert.notInclude(text, "sixteen-letters!")
      }
    }),
  )

  it.effect("DATABASE_URL with a wrong value is not repeated in the refusal", () =>
    Effect.gen(function* () {
      assert.notInclude(yield* refusalOf({ DATABASE_URL: "mysql://a:hunter2@db/mesh" }), "hunter2")
    }),
  )

  it.effect("BROKER_PUBLIC_URL is read as origins: ws or wss, lower case, no default port, no path", () =>
    Effect.gen(function* () {
      const BROKER_PUBLIC_URL =
        "https://Mesh.Example.com/ws , http://10.0.0.1:7900,wss://b.example:443/,ws://c.example:80/ws"
      assert.deepStrictEqual((yield* brokerConfigOf({ BROKER_PUBLIC_URL })).publicOrigins, [
        "wss://mesh.example.com",
        "ws://10.0.0.1:7900",
        "wss://b.example",
        "ws://c.example",
      ])
    }),
  )
})

describe("a listener", () => {
  it("is on loopback only where nobody else can reach it", () => {
    const table: ReadonlyArray<readonly [string, boolean]> = [
      ["127.0.0.1", true],
      ["127.1.2.3", true],
      ["localhost", true],
      ["::1", true],
      ["0.0.0.0", false],
      ["::", false],
      ["10.0.0.1", false],
      ["mesh.example.com", false],
      ["localhost.example.com", false],
      ["127.0.0.1.example.com", false],
      ["1127.0.0.1", false],
      ["127.0.0", false],
      ["", false],
    ]
    for (const [host, loopback] of table) assert.strictEqual(isLoopback(host), loopback, host)
  })
})
