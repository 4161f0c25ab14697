/**
 * The invite link in what a person pasted: mail and chat programs put quotes, brackets and trackers around it, cut it into
 * lines, and write its characters otherwise. All that is harmless and is taken off. What is left is the link as it was
 * made or it is refused: its checksum and its signatures are of every character.
 */
import { checksumMatches } from "./InviteLink.ts"

/** The first that is whole, or what comes nearest to a link. `count`: how many different whole ones there are. */
export interface Found {
  readonly link: string
  readonly count: number
}

const fieldsOfOwner = 12
const fieldsOfAdmin = 25
/** An address, then as many fields as a link has and its checksum: what is glued to its end is left out. */
const shape = (fields: number): RegExp =>
  new RegExp(
    String.raw`https?://(?:(?!https?://)[!-"$-~])+?/join#1(?:\.[A-Za-z0-9_-]*){${fields}}\.[A-Za-z0-9_-]{8}(?![A-Za-z0-9_-])`,
    "gi",
  )
const gluedShape = (fields: number): RegExp => new RegExp(shape(fields).source.replace(/\(\?![^()]*\)$/, ""), "gi")
/** What somebody meant as a link. */
const meant = /https?:\/\/(?:(?!https?:\/\/)[!-"$-~])+?\/join\b(?:#[A-Za-z0-9._-]*)?/gi

const invisible = /\p{Cf}|\p{Default_Ignorable_Code_Point}/gu

/** Such as `&#35;` for `#`, and those for what nobody sees. */
const entities = (text: string): string =>
  text
    .replaceAll(/&(?:shy|zwnj|zwj|lrm|rlm|ZeroWidthSpace|NoBreak);/g, "")
    .replaceAll(/&nbsp;/gi, " ")
    .replaceAll(/&#x([0-9a-f]{1,5});/gi, (_, hex: string) => character(Number.parseInt(hex, 16)))
    .replaceAll(/&#(\d{1,6});/g, (_, digits: string) => character(Number(digits)))
    .replaceAll(/&amp;/gi, "&")
    .replaceAll(/&num;/gi, "#")

const character = (code: number): string => (code > 0 && code <= 0x10_ff_ff ? String.fromCodePoint(code) : "")

/** Sequences that are not text stay as they are. */
const percentDecoded = (text: string): string =>
  text.replaceAll(/(?:%[0-9a-f]{2})+/gi, (bytes) => Buffer.from(bytes.replaceAll("%", ""), "hex").toString())

/** Proofpoint's, in which `/` is `_` and `#` is `-23`, or in which every odd character is `*`, with a list at the end. */
const proofpointDecoded = (text: string): string =>
  text
    .replaceAll(/https?:\/\/urldefense\.proofpoint\.com\/v2\/url\?u=([^&\s]+)[^\s]*/gi, (_, url: string) =>
      percentDecoded(url.replaceAll("_", "/").replaceAll(/-([0-9A-F]{2})/g, "%$1")),
    )
    .replaceAll(
      /https?:\/\/urldefense\.(?:com|us)\/v3\/__(\S+?)__;([A-Za-z0-9_-]*)!!\S*/gi,
      (_, url: string, list: string) => {
        const characters = Array.from(Buffer.from(list, "base64url").toString())
        // A browser makes one slash of two in a path.
        return url.replaceAll("*", () => characters.shift() ?? "*").replace(/^(https?:)\/(?!\/)/i, "$1//")
      },
    )

/** Sophos's: an address in base64 always begins with these letters. */
const base64Decoded = (text: string): string =>
  text.replaceAll(/\baHR0c[A-Za-z0-9+/_-]{8,}={0,2}/g, (code) => Buffer.from(code, "base64").toString())

/**
 * Programs that mean well write two hyphens as a dash, three dots as one character, and a hyphen as one that does not break. The rest are
 * letters as wide as Chinese ones.
 */
const typedPlainly = (text: string): string =>
  text
    .replaceAll(/[–—]/g, "--")
    .normalize("NFKC")
    .replaceAll(/[\u2010-\u2012\u2212]/g, "-")

/** As source text has it: elements of HTML, the backslashes of Markdown and JSON, and the brackets of scanners that make links harmless. */
const fromSource = (text: string): string =>
  text
    .replaceAll(/<\/?[a-z][a-z0-9]*(?:\s[^<>]*)?\/?>/gi, "")
    .replaceAll(/\\u([0-9a-f]{4})/gi, (_, hex: string) => character(Number.parseInt(hex, 16)))
    .replaceAll(/\\(?=[!-/:-@[-`{-~])/g, "")
    .replaceAll(/\bhxxp(?=s?:)/gi, "http")
    .replaceAll(/[[({](\.|:|\/|:\/\/)[\])}]/g, "$1")

const withoutSoftBreaks = (text: string): string => text.replaceAll(/=\r?\n/g, "").replaceAll(/=([0-9A-F]{2})/g, "%$1")

/** A phone begins a sentence with `Https`; a host's name means the same in any case. */
const lowerAddress = (link: string): string => {
  const [, address = "", rest = ""] = /^(https?:\/\/[^/]*)([\s\S]*)$/i.exec(link) ?? []
  return `${address.toLowerCase()}${rest}`
}

/** What a mail puts in front of each line that it quotes, and a table around each. */
const joined = (text: string): string =>
  text.replaceAll(/[ \t|]*(?:\r\n|[\r\n\u2028\u2029])+[ \t]*(?:[>|][>| \t]*)?/g, "")
const glued = (text: string): string => text.replaceAll(/\s+/g, "")

/** In the order in which they change more: as it stands, then with its lines put together, then without any space. */
const readings = (text: string): ReadonlyArray<string> => {
  const seen = entities(text).replaceAll(invisible, "").replaceAll("\u0000", "")
  const soft = percentDecoded(withoutSoftBreaks(proofpointDecoded(seen)))
  return [(same: string) => same, joined, glued].flatMap((together) => {
    const plain = proofpointDecoded(together(seen))
    const decoded = percentDecoded(percentDecoded(percentDecoded(base64Decoded(plain))))
    const typed = typedPlainly(decoded)
    return [plain, decoded, typed, together(soft), typedPlainly(fromSource(decoded))]
  })
}

export const findLink = (text: string): Found => {
  const all = readings(text)
  for (const reading of all) {
    const candidates = [
      shape(fieldsOfAdmin),
      shape(fieldsOfOwner),
      gluedShape(fieldsOfAdmin),
      gluedShape(fieldsOfOwner),
    ]
      .flatMap((pattern) => reading.match(pattern) ?? [])
      .flatMap((link) => [link, lowerAddress(link)])
    const whole = [...new Set(candidates.filter(checksumMatches))]
    if (whole[0] !== undefined) return { link: whole[0], count: whole.length }
  }
  const nearest = all
    .flatMap((reading) => reading.match(meant) ?? [])
    .toSorted((one, other) => other.length - one.length)[0]
  return { link: nearest ?? (all.at(-1) ?? text).slice(0, nearestCharactersMax), count: 0 }
}

/** Whether a person who pastes a text line by line is done: the link is whole, or nothing follows, or nothing came at all. */
export const isPasted = (text: string): boolean =>
  text.endsWith("\n") && (/^\s*$|\n\s*\n\s*\n$/.test(text) || findLink(text).count > 0)

/** What is no link at all is refused for what it is, and not by its length. */
const nearestCharactersMax = 1_024
