/**
 * When two names are one for whoever reads them: in another case, in another spelling of the same letters, or in letters that look
 * like them. The broker lets nobody join under such a name, and a client finds and suggests by it. The table has the letters of other
 * scripts, and the digits, that are drawn like Latin ones (Unicode UTS #39, confusables): a name is in one script (`MemberName.ts`),
 * so no more than whole words of look-alikes is left to it.
 */

/** Case and spelling taken away: `ß` is `ss`, and the two small sigmas are one. */
export const foldedName = (name: string): string => name.normalize("NFKC").toUpperCase().toLowerCase().normalize("NFKC")

/** By what it is drawn like; the first letter of each group is what the others become. */
const alike = [
  "aаαɑа",
  "bЬьƄ",
  "cсϲⅽ",
  "dԁɗ",
  "eеҽє",
  "gɡց",
  "hһհ",
  "iіıιɩ",
  "jјϳ",
  "kκк",
  "l1IІӀӏ|ǀΙⅼ",
  "mм",
  "nոп",
  "oоοσо0օ",
  "pрρ",
  "qԛգ",
  "rгɾ",
  "sѕꜱ",
  "tтτ",
  "uυսʋ",
  "vνѵ",
  "wѡԝω",
  "xхχ",
  "yуγү",
  "zᴢ",
  "AАΑᎪ",
  "BВΒᏴ",
  "CСϹᏟ",
  "EЕΕᎬ",
  "FϜ",
  "GԌᏀ",
  "HНΗᎻ",
  "JЈᎫ",
  "KКΚᏦ",
  "MМΜᎷ",
  "NΝ",
  "OОΟՕ",
  "PРΡᏢ",
  "QԚ",
  "RᎡ",
  "SЅՏᏚ",
  "TТΤᎢ",
  "VѴᏙ",
  "WԜᎳ",
  "XХΧ",
  "YҮΥ",
  "ZΖᏃ",
] as const

const drawnAs: ReadonlyMap<string, string> = new Map(
  alike.flatMap((group) => {
    const [first = "", ...others] = Array.from(group)
    return others.map((letter) => [letter, first] as const)
  }),
)

const skeleton = (name: string): string =>
  Array.from(
    name.normalize("NFKC").replaceAll(/\p{Default_Ignorable_Code_Point}/gu, ""),
    (letter) => drawnAs.get(letter) ?? letter,
  )
    .join("")
    .replaceAll(/\p{Pd}/gu, "-")
    .replaceAll(/[‘’‛ʼʹ′´`]/g, "'")
    .replaceAll(/\s+/g, " ")

/**
 * By its letters as written, since a capital I looks like a small l, and by the same in one case: not by both at once, or Ian would be
 * Lan. Two names that share one of them are one for a reader.
 */
export const readings = (name: string): ReadonlyArray<string> => [
  `written ${skeleton(name)}`,
  `folded ${skeleton(foldedName(name))}`,
]

/** Whether a reader could take one for the other. */
export const looksTheSame = (one: string, other: string): boolean => {
  const others = readings(other)
  return readings(one).some((reading) => others.includes(reading))
}
