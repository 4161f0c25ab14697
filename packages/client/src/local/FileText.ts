/** Text from a file or a pipe, in whatever encoding it was written: PowerShell writes UTF-16. */

/** A NUL beside each character of the first few says so where no mark does. */
const looksLike = (bytes: Uint8Array, nulAt: 0 | 1): boolean => {
  const first = bytes.subarray(0, 64)
  const pairs = Math.floor(first.length / 2)
  if (pairs < 4) return false
  return Array.from({ length: pairs }, (_, pair) => first[pair * 2 + nulAt]).every((byte) => byte === 0)
}

export type Encoding = "utf-8" | "utf-16le" | "utf-16be"

export const encodingOf = (bytes: Uint8Array): Encoding => {
  const [first, second] = bytes
  if (first === 0xff && second === 0xfe) return "utf-16le"
  if (first === 0xfe && second === 0xff) return "utf-16be"
  return looksLike(bytes, 1) ? "utf-16le" : looksLike(bytes, 0) ? "utf-16be" : "utf-8"
}

/** Without the mark at its beginning. */
export const decodedText = (bytes: Uint8Array): string => new TextDecoder(encodingOf(bytes)).decode(bytes)
