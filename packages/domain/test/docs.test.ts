/** The wire reference says what the schemas say: frames with their fields, codes, limits, and nothing else. */
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { type Schema, SchemaAST } from "effect"
import { MeshId, PublicKey } from "../src/Ids.ts"
import * as Limits from "../src/Limits.ts"
import { Certificate } from "../src/trust/Certificate.ts"
import { Invite } from "../src/trust/Invite.ts"
import { messageIdOf } from "../src/trust/MessageIdentity.ts"
import { MeshMoved } from "../src/trust/MeshMoved.ts"
import { Revocation } from "../src/trust/Revocation.ts"
import { BrokerFrame, Channel, Member, Peer } from "../src/wire/BrokerFrame.ts"
import { HelloV1, HelloV2, RequestFrame, SealedKey } from "../src/wire/ClientFrame.ts"
import { CloseCode } from "../src/wire/CloseCode.ts"
import { HookReport } from "../src/wire/HttpApi.ts"
import { httpStatusOf } from "../src/wire/HttpErrorCode.ts"
import { HttpRoutes } from "../src/wire/HttpRoutes.ts"
import { ErrorCode, isRetryable } from "../src/wire/ErrorCode.ts"

const page = readFileSync(join(import.meta.dirname, "../../../docs/protocol.md"), "utf8")

const section = (level: "##" | "###", heading: string): string => {
  const start = `\n${page}`.indexOf(`\n${level} ${heading}\n`)
  assert.isAtLeast(start, 0, `no heading ${heading}`)
  const rest = page.slice(start + level.length + 1 + heading.length)
  const end = rest.search(level === "##" ? /\n## / : /\n##/)
  return end === -1 ? rest : rest.slice(0, end)
}

/** The cells of every row of the tables in a text, without heads and rules. */
const rows = (text: string): ReadonlyArray<ReadonlyArray<string>> =>
  text
    .split("\n")
    .filter((line, index, lines) => /^\|(?! ---)/.test(line) && !(lines[index + 1] ?? "").startsWith("| ---"))
    .map((line) => line.split("|").slice(1, -1))
    .map((cells) => cells.map((cell) => cell.trim()))

const bare = (cell: string | undefined): string => (cell ?? "").replaceAll("`", "")
const number = (cell: string | undefined): number => Number(bare(cell).replaceAll(",", ""))

const fieldsOf = (shape: { readonly fields: Schema.Struct.Fields }): ReadonlyArray<string> =>
  Object.entries(shape.fields).map(([name, field]) => (SchemaAST.isOptional(field.ast) ? `${name}?` : name))

const shapes: Readonly<Record<string, { readonly fields: Schema.Struct.Fields }>> = {
  "`hello`, version 1": HelloV1,
  "`hello`, version 2": HelloV2,
  ...Object.fromEntries(RequestFrame.members.map((shape) => [`\`${shape.fields.type.schema.literal}\``, shape])),
  "Sealed key": SealedKey,
  ...Object.fromEntries(Object.entries(BrokerFrame.cases).map(([type, shape]) => [`\`${type}\``, shape])),
  Peer,
  Member,
  Channel,
  Certificate,
  Invite,
  Revocation,
  Move: MeshMoved,
}

describe("docs/protocol.md", () => {
  for (const [heading, shape] of Object.entries(shapes)) {
    it(`gives the fields of ${heading.replaceAll("`", "")}, and which may be absent (I20)`, () =>
      assert.deepStrictEqual(
        rows(section("###", heading)).map(([field]) => bare(field)),
        fieldsOf(shape),
      ))
  }

  it("has no frame that does not exist (I20)", () =>
    assert.deepStrictEqual(
      [...page.matchAll(/^### (.+)$/gm)].map(([, heading]) => heading),
      Object.keys(shapes),
    ))

  it("gives every error code, and whether it is retryable", () =>
    assert.deepStrictEqual(
      rows(section("##", "Errors")).map(([code, retryable]) => [bare(code), retryable]),
      ErrorCode.literals.map((code) => [code, isRetryable(code) ? "yes" : "no"]),
    ))

  it("gives every close code, and whether it is terminal (I21)", () =>
    assert.deepStrictEqual(
      rows(section("##", "Close codes")).map(([code, terminal]) => [number(code), terminal]),
      Object.values(CloseCode).map(({ code, terminal }) => [code, terminal ? "yes" : "no"]),
    ))

  it("gives every route over HTTP, and every code that one is refused with, under its status (I20)", () => {
    const tables = rows(section("##", "HTTP"))
    const routes = tables.map(([route]) => bare(route)).filter((route) => /^(?:GET|POST) /.test(route))
    const defined = Object.values(HttpRoutes).map(({ method, path }) => `${method} ${path}`)
    // What Prometheus reads is no part of the API that both ends know.
    assert.deepStrictEqual(new Set(routes), new Set([...defined, "GET /metrics"]))
    const codes = tables.filter(([status]) => /^\d+$/.test(status ?? ""))
    assert.deepStrictEqual(
      Object.fromEntries(codes.map(([status, code]) => [bare(code), number(status)])),
      Object.fromEntries(Object.entries(httpStatusOf)),
    )
  })

  it("gives every limit that both ends know, with its number (I23)", () => {
    const { frameBytesMax, ...numbers } = Limits
    const all = { ...numbers, frameBytesMax: frameBytesMax(Limits.messageBytesDefault) }
    const [both = ""] = section("##", "Limits").split("packages/broker/src/Limits.ts")
    assert.deepStrictEqual(
      Object.fromEntries(rows(both).map(([name, value]) => [bare(name), number(value)])),
      Object.fromEntries(Object.entries(all)),
    )
  })

  it("names no frame, error code or close code that does not exist", () => {
    const known = new Set<string>([
      ...RequestFrame.members.map((shape) => shape.fields.type.schema.literal),
      ...Object.keys(BrokerFrame.cases),
      ...ErrorCode.literals,
      ...rows(section("##", "HTTP")).map(([, error]) => bare(error)),
      ...Object.keys(HookReport.fields),
    ])
    const spelt = [...page.matchAll(/`([a-z]+(?:_[a-z]+)+)`/g), ...page.matchAll(/answer(?:s|ed) with\s+`(\w+)`/gi)]
    const words = spelt.map(([, word = ""]) => word)
    assert.isAbove(words.length, 30)
    assert.deepStrictEqual(
      words.filter((word) => !known.has(word) && !word.startsWith("crypto_")),
      [],
    )
    const codes = new Set<number>(Object.values(CloseCode).map(({ code }) => code))
    const closes = [...page.matchAll(/\b(?:with|at|code) ((?:10|40)\d\d)\b/g)].map(([, code]) => Number(code))
    assert.isAbove(closes.length, 3)
    assert.deepStrictEqual(
      closes.filter((code) => !codes.has(code)),
      [],
    )
  })

  it("gives an example of a message id that is right", () => {
    const id = messageIdOf(MeshId.make("m1"), PublicKey.make("a".repeat(64)), "0a48fbe4ca252a6b")
    assert.include(section("##", "Idempotency and message ids"), `\`${id}\``)
  })
})
