/** Pins the broker's bounds: a change of one is a decision, so it changes this table too. */
import { assert, describe, it } from "@effect/vitest"
import { existsSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { brokerLimits, withMessageTtl } from "../src/Limits.ts"

describe("the broker's limits", () => {
  it("are these, each with its unit in its name (I23)", () => {
    assert.deepStrictEqual(brokerLimits, {
      connectionsMax: 10_000,
      helloTimeoutMillis: 5_000,
      inboundFramesMax: 256,
      inboundCharactersMax: 1024 * 1024,
      waitingFramesMillis: 10,
      outboundBacklogBytesMax: 4 * 1024 * 1024,
      outboundTurnCharactersMax: 65_536,
      sendsUnderWayMax: 64,
      meshSendsUnderWayMax: 512,
      meshDeliveriesUnderWayMax: 4_096,
      meshMailboxMax: 1_024,
      meshIdleMillis: 180_000,
      sessionsPerMeshMax: 50_000,
      sessionsPerMemberMax: 200,
      liveSessionsPerMemberMax: 1_000,
      instanceSilentMillis: 45_000,
      oversizedFrameFactor: 4,
      sessionLeaseMillis: 90_000,
      presenceWindowMillis: 200,
      peersListedMax: 5_000,
      listPageMax: 500,
      presenceChangesMax: 256,
      presenceUnreadBytesMax: 64 * 1024,
      presenceRetryMillis: 1_000,
      presenceBehindMax: 256,
      profileCharactersAtOnceMax: 1_572_864,
      profileToldEveryMillis: 2_000,
      earlyReportMillis: 10_000,
      earlyReportsMax: 256,
      channelsPerSessionMax: 64,
      channelsListedMax: 5_000,
      backlogMessagesMax: 10_000,
      backlogCharactersMax: 64 * 1024 * 1024,
      sendsPerSecond: 500,
      sendsBurst: 2_000,
      sendCharactersUnderWayMax: 32 * 1024 * 1024,
      asksPerSecond: 100,
      asksBurst: 2_000,
      entriesPerAsk: 250,
      leasesPerAsk: 25,
      channelChangesPerSecond: 20,
      channelChangesBurst: 500,
      channelChangesUnderWayMax: 500,
      framesPerSecond: 2_000,
      framesBurst: 10_000,
      framesBeforeHelloMax: 16,
      memberFramesPerSecond: 4_000,
      memberFramesBurst: 12_000,
      charactersPerFrame: 4_096,
      sealedKeysMax: 500,
      commitWritesMax: 256,
      commitRowsMax: 2_048,
      commitCharactersMax: 1024 * 1024,
      projectionsQueuedMax: 65_536,
      pageRowsMax: 256,
      pageRowsMin: 64,
      windowV1Max: 64,
      storeCallMillis: 5_000,
      storeLoadMillis: 30_000,
      healthTimeoutMillis: 2_000,
      healthProbeMillis: 2_000,
      drainBatchSockets: 100,
      drainBatchMillis: 100,
      drainTimeoutMillis: 5_000,
      commitDrainMillis: 3_000,
      httpBodyBytesMax: 64 * 1024,
      meshBodyBytesMax: 512 * 1024,
      httpRequestTimeoutMillis: 10_000,
      tlsCheckMillis: 10_000,
      refusalLinesPerSecond: 1,
      refusalLinesBurst: 60,
      requestNoncesMax: 50_000,
      requestNoncesPerKeyMax: 200,
      requestNoncesPerAddressMax: 2_000,
      socketsPerAddressMax: 2_000,
      socketsPerAddressPerSecond: 50,
      socketsPerAddressBurst: 2_000,
      hellosPerKeyPerSecond: 50,
      hellosPerKeyBurst: 2_000,
      requestsPerAddressPerSecond: 20,
      requestsPerAddressBurst: 100,
      otherRequestsPerAddressPerSecond: 50,
      otherRequestsPerAddressBurst: 500,
      requestsPerKeyPerSecond: 5,
      requestsPerKeyBurst: 50,
      hooksPerAddressPerSecond: 100,
      hooksPerAddressBurst: 500,
      hooksPerKeyPerSecond: 20,
      hooksPerKeyBurst: 200,
      rateKeysMax: 10_000,
      messageTtlMillis: 604_800_000,
      messageRowMillis: 691_200_000,
      sessionRetentionMillis: 2_592_000_000,
      auditRetentionMillis: 31_536_000_000,
      auditCheckpointMillis: 3_600_000,
      auditHeadMillis: 60_000,
      auditRefusalsMillis: 300_000,
      inviteRetentionMillis: 2_592_000_000,
      membersPerMeshMax: 500,
      invitesPerMeshMax: 1_000,
      retentionIntervalMillis: 60_000,
      retentionRowsMax: 500,
    })
  })

  it("keep an idle mesh longer than a v1 hello can be replayed (I3)", () => {
    const helloGoodForMillis = 2 * 60_000
    assert.isAbove(brokerLimits.meshIdleMillis, helloGoodForMillis)
  })

  it("keep an idle mesh until the leases of its sessions are over (I4)", () =>
    assert.isAbove(brokerLimits.meshIdleMillis, brokerLimits.sessionLeaseMillis))

  it("remember a session longer than any message can wait for it (I17)", () =>
    assert.isAtLeast(brokerLimits.sessionRetentionMillis, withMessageTtl(brokerLimits, 30).messageTtlMillis))

  it("keep a message's row for a day longer than the message (I17)", () =>
    assert.deepStrictEqual(
      [1, 7, 30]
        .map((days) => withMessageTtl(brokerLimits, days))
        .map((all) => all.messageRowMillis - all.messageTtlMillis),
      [86_400_000, 86_400_000, 86_400_000],
    ))
})

describe("the table of what anybody can hold", () => {
  const page = readFileSync(join(import.meta.dirname, "../../../docs/operations.md"), "utf8")
  const rows = page
    .split("\n")
    .filter((line) => /^\| (an?|the|anybody)\b/.test(line))
    .map((line) => line.split("|").map((cell) => cell.trim()))
    .filter((cells) => cells.length === 7)

  it("names each bound with its number (I23)", () => {
    assert.isAbove(rows.length, 30)
    const limits: Readonly<Record<string, number>> = { ...brokerLimits }
    for (const [, , what, bound = ""] of rows) {
      const named = [...bound.matchAll(/`(\w+)` ([\d,]+)/g)]
      assert.isAbove(named.length, 0, what)
      for (const [, name = "", number = ""] of named) {
        assert.strictEqual(Number(number.replaceAll(",", "")), limits[name], name)
      }
    }
  })

  it("names for each a test that there is (I23)", () => {
    for (const [, , what, , , test = ""] of rows) {
      const [, file = "", name = ""] = /^`([\w/]+)`: (.+)$/.exec(test) ?? []
      const path = join(import.meta.dirname, `${file}.test.ts`)
      assert.isTrue(existsSync(path), `${what}: ${test}`)
      assert.include(readFileSync(path, "utf8"), name, what)
    }
  })
})
