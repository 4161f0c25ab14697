/** What is deployed is this program: its variables, its routes, its entry point, its workspaces. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Option, Schema } from "effect"
import { brokerConfigOf, variables } from "../../packages/broker/src/Config.ts"
import { brokerLimits } from "../../packages/broker/src/Limits.ts"

const decodeCompose = Schema.decodeUnknownSync(
  Schema.Struct({
    services: Schema.Struct({
      broker: Schema.Struct({
        stop_grace_period: Schema.String,
        environment: Schema.Record(Schema.String, Schema.String),
        ports: Schema.Array(Schema.String),
        read_only: Schema.Boolean,
      }),
    }),
  }),
)
const decodeRailway = Schema.decodeUnknownSync(
  Schema.Struct({ deploy: Schema.Struct({ healthcheckPath: Schema.String, drainingSeconds: Schema.Int }) }),
)
const decodeFly = Schema.decodeUnknownSync(
  Schema.Struct({
    env: Schema.Record(Schema.String, Schema.String),
    kill_timeout: Schema.String,
    http_service: Schema.Struct({
      internal_port: Schema.Int,
      concurrency: Schema.Struct({ hard_limit: Schema.Int }),
      checks: Schema.Array(Schema.Struct({ path: Schema.String })),
    }),
  }),
)

const root = join(import.meta.dirname, "../..")
const read = (name: string): string => readFileSync(join(root, name), "utf8")

const files = ["Dockerfile", "compose.yaml", "railway.json", "fly.toml", "deploy/claudemesh-broker.service"]
/** Of Bun, of the platforms and of Postgres' image. */
const others = new Set([
  "PORT",
  "BUN_RUNTIME_TRANSPILER_CACHE_PATH",
  "POSTGRES_USER",
  "POSTGRES_DB",
  "POSTGRES_PASSWORD",
])

describe("the files that deploy the broker", () => {
  for (const file of files) {
    it(`${file} names no variable that the broker does not read`, () => {
      const named = new Set(
        read(file).match(/\b(?:BROKER|DATABASE|POSTGRES|BUN|MAX|MESSAGE|STATUS|HOOK|LOG)_[A-Z0-9_]+\b/g),
      )
      assert.deepStrictEqual(
        [...named].filter((name) => !(name in variables) && !others.has(name)),
        [],
      )
    })
  }

  it("start the program as its launcher does, so that nothing of a folder is obeyed", () => {
    const flags = /exec "\$bun" (.*) "\$entry"/.exec(read("packages/cli/bin/claudemesh"))?.[1] ?? ""
    const words = flags.replaceAll('"', "").split(" ")
    assert.lengthOf(words, 4)
    const startOf = (folder: string) => {
      const inFolder = words.map((word) => word.replace("$here", folder))
      return [`${folder}/bun`, ...inFolder, `${folder}/claudemesh.js`, "broker"]
    }
    const [, entry = "[]"] = /^ENTRYPOINT (.*)$/m.exec(read("Dockerfile")) ?? []
    assert.deepStrictEqual(JSON.parse(entry), startOf("/claudemesh"))
    const [, start = ""] = /^ExecStart=(.*)$/m.exec(read("deploy/claudemesh-broker.service")) ?? []
    assert.deepStrictEqual(start.split(" "), startOf("/opt/claudemesh"))
  })

  it("build the image from every workspace, as nobody in particular", () => {
    const { workspaces } = JSON.parse(read("package.json"))
    const dockerfile = read("Dockerfile")
    assert.sameMembers(
      [...dockerfile.matchAll(/^COPY (packages\/\w+)\/package\.json \1\/$/gm)].map(([, folder]) => folder),
      workspaces,
    )
    assert.match(dockerfile, /^USER nonroot$/m)
  })

  it("ask a route that is there, and give the broker the time that it needs to end", () => {
    const endSeconds = (brokerLimits.drainTimeoutMillis + brokerLimits.commitDrainMillis) / 1_000
    const compose = decodeCompose(Bun.YAML.parse(read("compose.yaml"))).services.broker
    const railway = decodeRailway(JSON.parse(read("railway.json"))).deploy
    const fly = decodeFly(Bun.TOML.parse(read("fly.toml")))
    const [, unitSeconds = ""] = /^TimeoutStopSec=(\d+)$/m.exec(read("deploy/claudemesh-broker.service")) ?? []
    for (const seconds of [compose.stop_grace_period, String(railway.drainingSeconds), fly.kill_timeout, unitSeconds]) {
      assert.isAbove(Number(seconds.replace("s", "")), endSeconds)
    }
    assert.deepStrictEqual(
      [railway.healthcheckPath, ...fly.http_service.checks.map(({ path }) => path)],
      ["/ready", "/ready"],
    )
    assert.strictEqual(fly.http_service.internal_port, Number(variables.BROKER_PORT.fallback))
    assert.strictEqual(fly.http_service.concurrency.hard_limit, brokerLimits.connectionsMax)
    assert.match(read("Dockerfile"), new RegExp(`^EXPOSE ${variables.BROKER_PORT.fallback}$`, "m"))
    assert.deepStrictEqual(compose.ports, ["127.0.0.1:7900:7900"])
    assert.isTrue(compose.read_only)
  })

  it("set what the broker starts with, with nothing given but what has to be", () => {
    const { environment } = decodeCompose(Bun.YAML.parse(read("compose.yaml"))).services.broker
    const given: Readonly<Record<string, string>> = {
      POSTGRES_PASSWORD: "0f1e2d3c4b5a",
      BROKER_PUBLIC_URL: "wss://mesh.example.com",
      BROKER_ADMIN_TOKEN: "a-token-of-some-length",
    }
    const filled = Object.entries(environment).map(([name, value]) => [
      name,
      value.replace(
        /\$\{(\w+):(?:\?[^}]*|-([^}]*))\}/g,
        (_, variable: string, otherwise: string | undefined) =>
          otherwise ?? given[variable] ?? assert.fail(`${variable} is needed`),
      ),
    ])
    const [, image = ""] = /^ENV (.*)$/m.exec(read("Dockerfile")) ?? []
    const ofImage = image.split(" ").map((set) => set.split("="))
    const ofFly = decodeFly(Bun.TOML.parse(read("fly.toml"))).env
    const settings = Object.fromEntries([...ofImage, ...filled])
    const config = Effect.runSync(brokerConfigOf(settings))
    assert.deepInclude(config, { host: "0.0.0.0", port: 7900, trustedProxies: 1, onPlatform: false })
    assert.strictEqual(config.database._tag, "Postgres")
    assert.isTrue(Option.isSome(config.adminToken) && Option.isNone(config.metricsToken))
    const onRailway = Effect.runSync(brokerConfigOf({ ...Object.fromEntries(ofImage), PORT: "8080" }))
    assert.deepInclude(onRailway, { host: "0.0.0.0", port: 8080, onPlatform: true })
    assert.deepInclude(Effect.runSync(brokerConfigOf({ ...Object.fromEntries(ofImage), ...ofFly })), {
      trustedProxies: 1,
    })
  })

  it.skipIf(Bun.which("systemd-analyze") === null)(
    "are a unit that systemd understands, and finds closed enough",
    () => {
      const folder = mkdtempSync(join(tmpdir(), "claudemesh-test-"))
      const unit = join(folder, "claudemesh-broker.service")
      const here = read("deploy/claudemesh-broker.service").replace(
        "ExecStart=/opt/claudemesh/bun ",
        `ExecStart=${process.execPath} `,
      )
      writeFileSync(unit, here)
      // Under 2.0, on systemd's own scale.
      for (const check of [
        ["verify", "--man=no"],
        ["security", "--offline=true", "--threshold=20", "--no-pager"],
      ]) {
        const { exitCode, stderr } = Bun.spawnSync(["systemd-analyze", ...check, unit])
        assert.deepStrictEqual([exitCode, stderr.toString()], [0, ""], check[0])
      }
      rmSync(folder, { recursive: true })
    },
  )
})
