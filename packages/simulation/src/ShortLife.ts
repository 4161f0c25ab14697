/**
 * Some messages are good for a short time only. The client has no way to say so yet, so it is said on the way: which
 * message, and how long, follows from its id, for a resend must say the same.
 */
export const ttlSecondsOf = (id: string): number | undefined => {
  const number = Number(BigInt(Bun.hash(id)) % 1_000n)
  return number < 120 ? 1 + (number % 40) : undefined
}

/** A frame on its way to the broker. */
export const withTtl = (text: string): string => {
  if (!text.startsWith('{"type":"send"')) return text
  const ttlSeconds = ttlSecondsOf(/"id":"([^"]+)"/.exec(text)?.[1] ?? "")
  return ttlSeconds === undefined ? text : `${text.slice(0, -1)},"ttlSeconds":${ttlSeconds}}`
}
