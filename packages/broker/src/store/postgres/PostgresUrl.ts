/**
 * What `DATABASE_URL` says, as libpq reads it: where the database is, and how its connection is encrypted. What is
 * not understood is named, and never taken for less encryption. Errors repeat nothing that may be a secret.
 */
import { Redacted, Result } from "effect"

export const sslModes = ["disable", "allow", "prefer", "require", "verify-ca", "verify-full"] as const
export type SslMode = (typeof sslModes)[number]

export interface PostgresTarget {
  readonly host: string
  readonly port: number
  /** A unix socket, where the host is a folder. */
  readonly path: string | undefined
  readonly sslMode: SslMode
  /** A file with the certificates to trust; undefined: those of the system. */
  readonly sslRootCert: string | undefined
  /** Behind a pooler in transaction mode: each transaction may have another connection of the server. */
  readonly pooled: boolean
}

const truths: Readonly<Record<string, boolean>> = { true: true, "1": true, false: false, "0": false }

export const postgresTarget = (redacted: Redacted.Redacted): Result.Result<PostgresTarget, string> => {
  const raw = Redacted.value(redacted)
  const url = URL.canParse(raw) ? new URL(raw) : undefined
  if (url === undefined || !/^postgres(ql)?:\/\//.test(raw)) return Result.fail("it is not a postgres:// URL")
  const parameters = url.searchParams
  const problem = problemOf(parameters)
  if (problem !== undefined) return Result.fail(problem)
  const host = parameters.get("host") ?? (decoded(url.hostname.replace(/^\[(.*)\]$/, "$1")) || "localhost")
  const port = Number(parameters.get("port") ?? (url.port || "5432"))
  if (!Number.isInteger(port) || port < 1 || port > 65_535) return Result.fail("its port is not from 1 to 65535")
  const isFolder = host.startsWith("/")
  const sslRootCert = parameters.get("sslrootcert") ?? undefined
  return Result.succeed({
    host,
    port,
    path: isFolder ? `${host}/.s.PGSQL.${port}` : undefined,
    // As with libpq, a unix socket is never encrypted.
    sslMode: isFolder ? "disable" : modeOf(parameters.get("sslmode"), sslRootCert),
    sslRootCert: sslRootCert === "system" ? undefined : sslRootCert,
    pooled: truths[parameters.get("pgbouncer") ?? "false"] === true,
  })
}

const problemOf = (parameters: URLSearchParams): string | undefined => {
  const mode = parameters.get("sslmode")
  if (mode !== null && !isMode(mode)) return `its sslmode ${JSON.stringify(mode)} is not one of ${sslModes.join(", ")}`
  if (truths[parameters.get("pgbouncer") ?? "false"] === undefined) return "its pgbouncer is not true or false"
  const other = [...parameters.keys()].find((name) => /^ssl|^gss|^channel_binding$/i.test(name) && !isTaken(name))
  return other === undefined ? undefined : `its ${other} is not supported; sslmode and sslrootcert are`
}

const isTaken = (name: string): boolean => name === "sslmode" || name === "sslrootcert"

const isMode = (text: string): text is SslMode => sslModes.some((mode) => mode === text)

/** As libpq: with a certificate to trust, `require` is `verify-ca`; with the system's, nothing weaker than `verify-full` means anything. */
const modeOf = (mode: string | null, rootCert: string | undefined): SslMode => {
  const said = mode !== null && isMode(mode) ? mode : undefined
  if (rootCert === "system") return "verify-full"
  if (said === "require" && rootCert !== undefined) return "verify-ca"
  return said ?? "prefer"
}

const decoded = (text: string): string => {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}
