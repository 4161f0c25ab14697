/**
 * When two names are one for whoever reads them: in another case, in another spelling of the same letters, or in letters that look
 * like them. The broker lets nobody join under such a name, and a client finds and suggests by it. The table has the letters of other
 * scripts, and the digits, that are drawn like Latin ones (Unicode UTS #39, confusables): a name is in one script (`MemberName.ts`),
 * so no more than whole words of look-alikes is left to it.
 */

/** Case and spelling taken away: `ß` is `ss`, the two small sigmas are one, and so are the capital `I` with a dot and the one without. */
export const foldedName = (name: string): string =>
  name.normalize("NFKC").toUpperCase().toLowerCase().replaceAll("i\u0307", "i").normalize("NFKC")

/**
 * Letters of other scripts, and Latin ones beside the 26, behind the one that they are drawn like. In this order: Latin, Greek, Coptic,
 * Cyrillic, Armenian, Lisu, Cherokee, syllabics, and alphabets that nobody writes in any more.
 */
const alike = [
  "aɑαаⲁ",
  "bƄЬьᏏᖯᑲ",
  "cϲⲥсⅽᴄ",
  "dɗԁᏧᑯ",
  "eеҽє",
  "gɡց",
  "hһհᏂ",
  "iıɩιіᎥ",
  "jϳј",
  "kκⲕк",
  "lⅼӏ",
  "mм",
  "nոп",
  "oοσⲟоօഠ၀ဝ᧐ꬽ",
  "pρⲣр",
  "qԛգ",
  "rɾгⲅ",
  "sꜱѕ",
  "tτт",
  "uυսʋ",
  "vνѵ",
  "wωѡԝ",
  "xχⲭх",
  "yγуү",
  "zᴢ",
  "AᴀΑⲀАꓮᎪᗅᗩ𐊠𐌀",
  "BʙΒⲂⲃВꓐᏴᗷ𐊂𐊡𐌁",
  "CϹⲤСꓚᏟᑕ𐊢𐌂𐐕",
  "DᴅꓓᎠᗞᗪ",
  "EᴇΕЕꓰᎬ𐊆",
  "FꜰϜꓝᖴ𐊇𐊥",
  "GɢԌꓖᏀᏳ",
  "HʜΗⲎⲏНꓧᎻᕼ𐋏",
  "IɪΙⲒІӀǀꓲ𐌉𐊊",
  "JᴊЈꓙᎫᒍ",
  "KᴋΚⲔКꓗᏦ",
  "LʟԼꓡᏞᒪ𐐛",
  "MᴍΜⲘⲙМꓟᎷᗰ𐊰𐌑",
  "NɴΝⲚⲛꓠ𐔓",
  "OᴏΟⲞОՕꓳ𐊒𐊫𐌏𐐄",
  "PᴘΡⲢРꓑᏢᑭ𐊕",
  "QԚ",
  "RʀꓣᎡᏒᖇ",
  "SЅՏꓢᏚᏕ𐊖𐐠",
  "TᴛΤⲦⲧТꓔᎢ𐊗𐊱𐌕",
  "UᴜՍꓴᑌ",
  "VᴠѴꓦᏙᐯ",
  "WᴡԜꓪᎳᏔᗯ",
  "XΧⲬХꓫ᙭𐊐𐊴𐌗𐌢",
  "YʏΥⲨҮꓬᎩᎽ𐊲",
  "ZΖꓜᏃ",
] as const

const drawnAs: ReadonlyMap<string, string> = new Map(
  alike.flatMap((group) => {
    const [first = "", ...others] = Array.from(group)
    return others.map((letter) => [letter, first] as const)
  }),
)

/** In Latin letters and those that look like none, with nothing that is not seen. A dot on an i is the i's. */
const inLatin = (name: string): string =>
  Array.from(
    name.normalize("NFKC").replaceAll(/\p{Default_Ignorable_Code_Point}/gu, ""),
    (letter) => drawnAs.get(letter) ?? letter,
  )
    .join("")
    .replaceAll(/(?<=[ij])\u0307/g, "")

const skeleton = (name: string): string =>
  inLatin(name)
    .replaceAll(/[1I|]/g, "l")
    .replaceAll("0", "o")
    .replaceAll("rn", "m")
    .replaceAll("vv", "w")
    .replaceAll(/\p{Pd}/gu, "-")
    .replaceAll(/[‘’‛ʼʹ′´`]/g, "'")
    .replaceAll(/\s+/g, " ")

/**
 * By its letters as written, since a capital I looks like a small l, and by the same in one case: not by both at once, or Ian would be
 * Lan. In one case also by what its letters look like as written: ВОВ is read BOB, while Вов is not read Bob. Two names that share one
 * of these are one for a reader.
 */
export const readings = (name: string): ReadonlyArray<string> => {
  const [folded, read] = [skeleton(foldedName(name)), skeleton(foldedName(inLatin(name)))]
  return [`written ${skeleton(name)}`, `folded ${folded}`, ...(read === folded ? [] : [`folded ${read}`])]
}

/** Whether a reader could take one for the other. */
export const looksTheSame = (one: string, other: string): boolean => {
  const others = readings(other)
  return readings(one).some((reading) => others.includes(reading))
}
