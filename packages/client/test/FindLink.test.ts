/** An invite link in what people paste, and what is no link. */
import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { TestClock } from "effect/testing"
import { findLink, isPasted } from "../src/invite/FindLink.ts"
import { parseInviteLink } from "../src/invite/InviteLink.ts"
import { decodedText } from "../src/local/FileText.ts"
import { newInvite } from "../src/invite/NewInvite.ts"
import { testLayer } from "./support/FakeBroker.ts"
import { adminOf, forMembers, owner } from "./support/Invites.ts"

const now = TestClock.setTime(1_795_507_198_670)

const links = Effect.gen(function* () {
  const olga = yield* owner()
  const ada = yield* adminOf(olga)
  return [(yield* newInvite(olga, forMembers)).link, (yield* newInvite(ada, forMembers)).link] as const
})

const atWidth = (text: string, width: number, before = ""): string =>
  (text.match(new RegExp(`.{1,${width}}`, "g")) ?? []).join(`\n${before}`)

/** As Proofpoint's first kind of link has it. */
const proofpoint2 = (link: string): string =>
  `https://urldefense.proofpoint.com/v2/url?u=${link.replaceAll("-", "-2D").replaceAll("_", "-5F").replaceAll("/", "_").replaceAll(":", "-3A").replaceAll("#", "-23")}&d=DwMF&c=x&r=y`

const wrappings: Readonly<Record<string, (link: string) => string>> = {
  nothing: (link) => link,
  quotes: (link) => `"${link}"`,
  "typographic quotes": (link) => `“${link}”`,
  "French quotes": (link) => `« ${link} »`,
  backticks: (link) => `\`${link}\``,
  "angle brackets": (link) => `<${link}>`,
  Markdown: (link) => `[join us](${link})`,
  "Markdown with itself as its text": (link) => `[${link}](${link})`,
  "Slack's way": (link) => `<${link}|mesh.example.com>`,
  "a dot at its end": (link) => `Join by ${link}.`,
  "a bracket and a comma at its end": (link) => `(${link}), please`,
  "an encoded hash": (link) => link.replace("#", "%23"),
  "a hash that was encoded twice": (link) => link.replace("#", "%2523"),
  "a hash as HTML has it": (link) => `<a href="${link.replace("#", "&#35;")}">`,
  SafeLinks: (link) =>
    `https://eur01.safelinks.protection.outlook.com/?url=${encodeURIComponent(link)}&data=05%7C02%7Cbob%40example.com&reserved=0`,
  "Google's redirect": (link) => `https://www.google.com/url?q=${encodeURIComponent(link)}&sa=D&source=editors`,
  "Proofpoint's way": proofpoint2,
  "Proofpoint's other way": (link) => `https://urldefense.com/v3/__${link.replace("#", "*")}__;Iw!!AbC!xyz$`,
  "characters that nobody sees": (link) =>
    `\u200b${link.slice(0, 30)}\u200d${link.slice(30, 90)}\u00ad${link.slice(90)}\ufeff`,
  "lines of a mail": (link) => `Hello!\n\n${atWidth(link, 72)}\n\nBob`,
  "lines of a mail that was answered": (link) => `> Hello!\n> ${atWidth(link, 70, "> ")}\n>\n> Bob`,
  "lines with spaces": (link) => atWidth(link, 76, "  "),
  "quoted-printable": (link) => (link.match(/.{1,70}/g) ?? []).join("=\r\n"),
  "a command around it": (link) => `claudemesh join '${link}' --as Bob`,
  "dashes for hyphens": (link) => link.replaceAll("--", "—"),
  "an upper-case beginning": (link) => link.replace("https://mesh.example.com", "Https://Mesh.Example.com"),
  "Sophos's way, in base64": (link) =>
    `https://eu-west-1.protection.sophos.com?d=mesh.example.com&u=${Buffer.from(link).toString("base64")}&i=abc&t=x=`,
  "Barracuda's way": (link) =>
    `https://linkprotect.cudasvc.com/url?a=${encodeURIComponent(link).replaceAll(/%../g, (code) => code.toLowerCase())}&c=E,1,abc&typo=1`,
  "Cisco's way": (link) => `https://secure-web.cisco.com/1AbC-dEf/${encodeURIComponent(link)}`,
  "Teams' page before a page": (link) =>
    `https://statics.teams.cdn.office.net/evergreen-assets/safelinks/1/atp-safelinks.html?url=${encodeURIComponent(`https://eur01.safelinks.protection.outlook.com/?url=${encodeURIComponent(link)}&data=05`)}&locale=en-us`,
  "Proofpoint's other way, cut to one slash by a browser": (link) =>
    `https://urldefense.com/v3/__${link.replace("//", "/").replace("#", "*")}__;Iw!!AbC!xyz$`,
  "a wrapper that is cut into lines inside a code": (link) =>
    atWidth(`https://eur01.safelinks.protection.outlook.com/?url=${encodeURIComponent(link)}&data=05`, 71),
  "Markdown's backslashes": (link) => link.replaceAll(/[#._-]/g, String.raw`\$&`),
  "JSON's backslashes": (link) =>
    JSON.stringify({ link })
      .replaceAll("/", String.raw`\/`)
      .replace("#", String.raw`\u0023`),
  "HTML with places to break": (link) => `<span>${atWidth(link, 40, "<wbr>")}</span><br/>`.replaceAll("\n", ""),
  "HTML with characters that nobody sees": (link) =>
    `${link.slice(0, 60)}&shy;${link.slice(60, 120)}&#8203;${link.slice(120)}&nbsp;`,
  "a link that a scanner made harmless": (link) =>
    link.replace("https", "hxxps").replaceAll(/(?<=mesh|example)\./g, "[.]"),
  "hyphens that do not break": (link) => link.replaceAll("-", "\u2011"),
  "lines of an old Macintosh": (link) => atWidth(link, 72).replaceAll("\n", "\r"),
  "a table's bars": (link) =>
    atWidth(link, 70)
      .split("\n")
      .map((line) => `| ${line} |`)
      .join("\n"),
  "full-width characters": (link) => link.replace("#", "＃").replace(":", "：").replaceAll("/", "／"),
  "text before and behind, in one line": (link) => `Here: ${link} See you!`,
}

layer(testLayer)("an invite link", (it) => {
  it.effect("is found in what mail and chat programs make of it", () =>
    Effect.gen(function* () {
      yield* now
      for (const link of yield* links) {
        for (const [what, wrapped] of Object.entries(wrappings)) {
          assert.deepStrictEqual(findLink(wrapped(link)), { link, count: 1 }, what)
        }
        yield* parseInviteLink(findLink(link).link)
      }
    }),
  )

  it.effect("is refused where a character of it was changed, whatever is around it", () =>
    Effect.gen(function* () {
      yield* now
      const [link] = yield* links
      const at = link.indexOf("#") + 60
      const changed = `${link.slice(0, at)}${link[at] === "A" ? "B" : "A"}${link.slice(at + 1)}`
      for (const text of [changed, `<${changed}>`, link.slice(0, -20), `see ${link.slice(0, 90)} …`]) {
        const found = findLink(text)
        assert.strictEqual(found.count, 0)
        assert.strictEqual((yield* Effect.flip(parseInviteLink(found.link)))._tag, "LinkBroken", text)
      }
      for (const text of ["https://mesh.example.com/join", "Join us: https://mesh.example.com/team/join# (from Ann)"]) {
        const error = yield* Effect.flip(parseInviteLink(findLink(text).link))
        assert.include(error.message, "what follows the # is missing", text)
      }
      for (const text of ["", "hello", "https://mesh.example.com/join", "#1.x".repeat(1_000)]) {
        assert.strictEqual((yield* Effect.flip(parseInviteLink(findLink(text).link)))._tag, "LinkBroken", text)
      }
    }),
  )

  it.effect("is read from a terminal line by line until it is whole, or two lines are empty", () =>
    Effect.gen(function* () {
      yield* now
      const [link] = yield* links
      const mail = `Hello,\n\n${atWidth(link, 72)}\n`
      for (const [at, letter] of Array.from(mail).entries()) {
        const isLast = at === mail.length - 1
        if (letter === "\n") assert.strictEqual(isPasted(mail.slice(0, at + 1)), isLast, mail.slice(0, at + 1))
      }
      assert.isTrue(isPasted("\n"))
      assert.isTrue(isPasted(`${link.slice(0, 90)}\n\n\n`))
      assert.isFalse(isPasted(link))
    }),
  )

  it.effect("is counted where a text has several", () =>
    Effect.gen(function* () {
      yield* now
      const [one, other] = yield* links
      assert.strictEqual(findLink(`${one}\nor ${one}`).count, 1)
      assert.strictEqual(findLink(`${one}\nor ${other}`).count, 2)
    }),
  )

  it.effect("is read from a file in whatever encoding it was written", () =>
    Effect.gen(function* () {
      yield* now
      const [link] = yield* links
      const little = Buffer.from(`${link}\r\n`, "utf16le")
      const big = Buffer.from(little).swap16()
      const files = [
        Buffer.from(link),
        Buffer.from(`\ufeff${link}`),
        little,
        Buffer.concat([Buffer.from([0xff, 0xfe]), little]),
        big,
        Buffer.concat([Buffer.from([0xfe, 0xff]), big]),
        // UTF-32, which begins as UTF-16 does.
        Buffer.from(Array.from(`\ufeff${link}`, (letter) => `${letter}\0`).join(""), "utf16le"),
      ]
      for (const bytes of files) assert.strictEqual(findLink(decodedText(bytes)).link, link)
    }),
  )
})
