/**
 * One mesh and its broker, from the name to a message: DNS, the connection and its TLS, what the broker says of itself, the hello, the
 * clock, a round trip, and a message to oneself. Each has its deadline; after what failed, the rest is skipped.
 */
import { existsSync } from "node:fs"
import { lookup } from "node:dns/promises"
import { connect as connectTcp } from "node:net"
import { connect as connectTls } from "node:tls"
import type { BrokerClient } from "@claudemesh/client/BrokerClient"
import { clockNotice } from "@claudemesh/client/connection/BrokerClock"
import { health } from "@claudemesh/client/http/BrokerHttp"
import { httpOriginOf, isSentInClear } from "@claudemesh/client/keys/BrokerUrl"
import type { Membership } from "@claudemesh/client/keys/Membership"
import { localStores } from "@claudemesh/client/LocalStores"
import { StateDb } from "@claudemesh/client/local/StateDb"
import { makeMeshManager, type MeshManager } from "@claudemesh/client/MeshManager"
import { findingWords, KeptHeads } from "@claudemesh/client/trust/KeptHeads"
import { isoFromMillis } from "@claudemesh/domain/IsoTime"
import { Clock, Effect, Layer } from "effect"
import { Failed, remedyOf } from "../Failed.ts"
import { checkMillis } from "../install/Limits.ts"
import { clientIdentity, clientLayer, newSessionId } from "../Meshes.ts"
import { counted, type Finding, failedCheck, ok, skipped, warning, within } from "./Finding.ts"
import { messageToOneself } from "./SelfMessage.ts"
import * as doctorWords from "../words/doctor.ts"

export const checkBroker = Effect.fnUntraced(function* (membership: Membership) {
  const { brokerUrl, slug } = membership
  const { host, hostname, port, protocol } = new URL(brokerUrl)
  const address = { hostname: hostname.replace(/^\[|\]$/g, ""), port: Number(port) || (protocol === "wss:" ? 443 : 80) }
  const named = (check: string) => `${slug}: ${check}`
  const steps: ReadonlyArray<Step> = [
    ["DNS", dns(address.hostname)],
    [
      protocol === "wss:" ? "TLS" : "connection",
      protocol === "wss:" ? tls(address) : tcp(address, isSentInClear(brokerUrl)),
    ],
    ["broker", aboutItself(httpOriginOf(brokerUrl))],
  ]
  const findings: Array<Finding> = []
  for (const [check, look] of steps) {
    const isOver = findings.some(({ state }) => state === "failed")
    findings.push(
      isOver
        ? skipped(named(check), doctorWords.notLookedAtSinceWasNotReached(host))
        : yield* within(
            named(check),
            checkMillis,
            Effect.map(look, (made) => made(named(check))),
          ),
    )
  }
  findings.push(yield* within(named("audit"), checkMillis, auditOf(named("audit"), membership)))
  if (findings.some(({ state }) => state === "failed")) {
    return [...findings, ...session.map((check) => skipped(named(check), doctorWords.notLookedAtSinceTheBrokerWas))]
  }
  return [...findings, ...(yield* withSession(membership, named))]
})

/** What this machine keeps: it is opened only where it is there. */
const auditOf = Effect.fnUntraced(function* (check: string, { brokerUrl, meshId }: Membership) {
  const { path } = yield* StateDb
  if (!existsSync(path)) return skipped(check, doctorWords.nothingIsKeptOfItsAudit)
  const { findings, head } = yield* (yield* KeptHeads).read(meshId, brokerUrl)
  const last = findings.at(-1)
  if (last !== undefined) return warning(check, findingWords(last), doctorWords.askTheOperatorWhatWasDone)
  return head === undefined
    ? skipped(check, doctorWords.nothingIsKeptOfItsAudit)
    : ok(check, doctorWords.itsAuditGoesOn(head.number, isoFromMillis(head.atMillis)))
})

type Made = (check: string) => Finding
type Step = readonly [string, Effect.Effect<Made, Failed, Http>]
type Http = Effect.Services<ReturnType<typeof health>>

const dns = (hostname: string): Effect.Effect<Made, Failed> =>
  Effect.tryPromise({
    try: () => lookup(hostname, { all: true }),
    catch: () => new Failed({ reason: doctorWords.thereIsNoAddressForLookAt(hostname) }),
  }).pipe(
    Effect.map((found) => (check) => ok(check, `${hostname} is ${found.map(({ address }) => address).join(", ")}`)),
  )

interface Address {
  readonly hostname: string
  readonly port: number
}

const tcp = (address: Address, inClear: boolean): Effect.Effect<Made, Failed> =>
  Effect.callback<Made, Failed>((resume) => {
    const socket = connectTcp(address.port, address.hostname)
    socket.once("connect", () => {
      // It would keep the process until the broker closes it.
      socket.destroy()
      resume(
        Effect.succeed((check) =>
          inClear
            ? warning(check, doctorWords.withoutTlsOverANetworkWhoeverIs, doctorWords.askTheOperatorForAWssAddress)
            : ok(check, doctorWords.portIsOpenWithoutTlsOnThis(address.port)),
        ),
      )
    })
    socket.once("error", (error) => resume(Effect.fail(new Failed({ reason: connectionWords(address, error) }))))
    return Effect.sync(() => void socket.destroy())
  })

const tls = (address: Address): Effect.Effect<Made, Failed> =>
  Effect.flatMap(Clock.currentTimeMillis, (nowMillis) =>
    Effect.callback<Made, Failed>((resume) => {
      const socket = connectTls({ host: address.hostname, port: address.port, servername: address.hostname })
      socket.once("secureConnect", () => {
        const { valid_to: end } = socket.getPeerCertificate()
        socket.destroy()
        const days = Math.floor((Date.parse(end) - nowMillis) / dayMillis)
        resume(Effect.succeed((check) => certificateWords(check, days)))
      })
      socket.once("error", (error) => resume(Effect.fail(new Failed({ reason: connectionWords(address, error) }))))
      return Effect.sync(() => void socket.destroy())
    }),
  )

const dayMillis = 86_400_000
const soonDays = 7

const certificateWords = (check: string, days: number): Finding =>
  days < soonDays
    ? warning(check, doctorWords.theBrokersCertificateEndsIn(counted(days, "day")), "Tell its operator")
    : ok(check, doctorWords.theCertificateIsGoodFor(counted(days, "more day")))

const connectionWords = ({ hostname, port }: Address, error: Error): string => {
  const code = "code" in error ? String(error.code) : ""
  if (code === "ECONNREFUSED") return doctorWords.nothingListensOnPortOfIsThe(port, hostname)
  if (/CERT|SELF_SIGNED|UNABLE_TO|ALTNAME/.test(code))
    return doctorWords.theCertificateOfIsNotTrustedNothing(hostname, code)
  return `${hostname}:${port} cannot be reached (${code === "" ? error.message : code})`
}

const aboutItself = (origin: string) =>
  health(origin).pipe(
    Effect.mapError(({ message }) => new Failed({ reason: message })),
    Effect.map(
      ({ db, uptime, version }): Made =>
        (check) =>
          db === "up"
            ? ok(check, doctorWords.versionUpForItsDatabaseAnswers(version, counted(Math.round(uptime / 60), "minute")))
            : failedCheck(
                check,
                doctorWords.versionRunsAndItsDatabaseDoesNot(version),
                doctorWords.tellItsOperatorMessagesWaitOnThis,
              ),
    ),
  )

const session = ["hello", "clock", "round trip", "message to yourself"] as const

/** What is kept about the mesh is in memory alone, so that nothing of this stays on the disk. Fresh: the program has them on it. */
const inMemory = Layer.fresh(localStores.pipe(Layer.provide(StateDb.memory)))

const withSession = (membership: Membership, named: (check: string) => string) =>
  Effect.gen(function* () {
    const manager = yield* makeMeshManager([membership], {
      sessionId: yield* newSessionId("doctor"),
      client: clientIdentity,
      transient: true,
    })
    const [client] = manager.all
    if (client === undefined) return []
    const hello = yield* within(named("hello"), checkMillis, helloOf(named("hello"), client))
    if (hello.state === "failed") {
      return [hello, ...session.slice(1).map((check) => skipped(named(check), doctorWords.notLookedAtSinceThereIsNo))]
    }
    return [hello, ...(yield* connected(client, manager, named))]
  }).pipe(Effect.scoped, Effect.provide(inMemory, { local: true }), Effect.provide(clientLayer))

const helloOf = (check: string, client: BrokerClient) =>
  client.awaitConnected(checkMillis - 500).pipe(
    Effect.as(ok(check, doctorWords.theBrokerKnowsSKeyProtocol2(client.membership.displayName))),
    Effect.catch((error) => Effect.succeed(failedCheck(check, error.message, remedyOf(error)))),
  )

const connected = Effect.fnUntraced(function* (
  client: BrokerClient,
  manager: MeshManager,
  named: (check: string) => string,
) {
  const skew = yield* client.clockSkewMillis
  const notice = clockNotice(skew)
  const clock =
    notice === undefined
      ? ok(named("clock"), doctorWords.sFromTheBrokers(Math.abs(skew ?? 0) / 1_000))
      : failedCheck(named("clock"), notice, doctorWords.setTheClockOfThisMachineOr)
  return [
    clock,
    yield* within(named("round trip"), checkMillis, roundTrip(named("round trip"), client)),
    clock.state === "failed"
      ? skipped(named("message to yourself"), doctorWords.notSentSinceTheClockIsOff)
      : yield* within(
          named("message to yourself"),
          checkMillis,
          messageToOneself(named("message to yourself"), client, manager),
        ),
  ]
})

const roundTrip = Effect.fnUntraced(function* (check: string, client: BrokerClient) {
  const before = yield* Clock.monotonicTimeNanos
  yield* client.ping
  return ok(check, `${millisSince(before, yield* Clock.monotonicTimeNanos)} ms`)
})

const millisSince = (from: bigint, to: bigint): number => Number((to - from) / 100_000n) / 10
