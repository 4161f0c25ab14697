/** A real Prometheus beside a broker, with the alert rules that we ship. Debian's package has it. */
import { mkdir, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { Schema } from "effect"
import { freePort } from "../Server.ts"

const alertsFile = join(import.meta.dirname, "../../deploy/alerts.yml")

/** The rules as they are, or with every duration so many times shorter. */
export const alertRules = async (shorter = 1): Promise<string> =>
  (await Bun.file(alertsFile).text()).replaceAll(
    /(?<=\[|for: )(\d+)m\b/g,
    (_, minutes: string) => `${Math.max(1, Math.round((Number(minutes) * 60_000) / shorter))}ms`,
  )

const decodeVector = Schema.decodeUnknownPromise(
  Schema.Struct({
    data: Schema.Struct({
      result: Schema.Array(Schema.Struct({ metric: Schema.Record(Schema.String, Schema.String) })),
    }),
  }),
)

interface Watched {
  readonly folder: string
  readonly rules: string
  /** Ports of this machine, each a broker. */
  readonly ports: ReadonlyArray<number>
  /** The same with TLS, whoever signed. */
  readonly httpsPorts?: ReadonlyArray<number>
  readonly everyMillis: number
}

export class Prometheus {
  private constructor(
    readonly address: string,
    readonly child: ReturnType<typeof Bun.spawn>,
  ) {}

  static readonly program = Bun.which("prometheus")

  static async start({ everyMillis, folder, httpsPorts = [], ports, rules }: Watched): Promise<Prometheus> {
    await mkdir(folder, { recursive: true })
    const [config, rulesFile] = [join(folder, "prometheus.yml"), join(folder, "rules.yml")]
    await writeFile(rulesFile, rules)
    const every = `${everyMillis}ms`
    await writeFile(
      config,
      JSON.stringify({
        global: { scrape_interval: every, scrape_timeout: every, evaluation_interval: every },
        rule_files: [rulesFile],
        scrape_configs: [
          {
            job_name: "claudemesh",
            tls_config: { insecure_skip_verify: true },
            static_configs: [
              { targets: ports.map(targetOf) },
              { targets: httpsPorts.map(targetOf), labels: { __scheme__: "https" } },
            ],
          },
        ],
      }),
    )
    const address = `127.0.0.1:${await freePort()}`
    const flags = [`--config.file=${config}`, `--storage.tsdb.path=${folder}/tsdb`, `--web.listen-address=${address}`]
    const child = Bun.spawn([Prometheus.program ?? "prometheus", ...flags], { stdout: "ignore", stderr: "ignore" })
    return new Prometheus(address, child)
  }

  /** The labels of each series that the expression gives. */
  async query(expression: string): Promise<ReadonlyArray<Readonly<Record<string, string>>>> {
    const response = await fetch(`http://${this.address}/api/v1/query?query=${encodeURIComponent(expression)}`)
    const { data } = await decodeVector(await response.json())
    return data.result.map(({ metric }) => metric)
  }

  /** Alerts that fire now, as `name` and port. */
  async firing(): Promise<ReadonlySet<string>> {
    return new Set((await this.query('ALERTS{alertstate="firing"}')).map(nameOf))
  }

  /** Alerts that have fired at any time. */
  async fired(): Promise<ReadonlySet<string>> {
    return new Set((await this.query('count_over_time(ALERTS{alertstate="firing"}[1d])')).map(nameOf))
  }

  async stop(): Promise<void> {
    this.child.kill()
    await this.child.exited
  }
}

const targetOf = (port: number): string => `127.0.0.1:${port}`

const nameOf = ({ alertname = "", instance = "" }: Readonly<Record<string, string>>): string =>
  `${alertname} ${instance.split(":")[1] ?? ""}`
