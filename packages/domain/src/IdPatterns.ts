/**
 * Of the ids that each message has: `Ids.ts` makes its schemas of these patterns, and what decodes messages by hand
 * (`wire/DecodeByHand.ts`, `routing/Target.ts`) uses the same ones.
 */
export const idPatterns = {
  sessionId: /^[A-Za-z0-9._:-]{1,128}$/,
  clientMessageId: /^[A-Za-z0-9._:-]{1,64}$/,
  messageId: /^[0-9a-f]{32}$/,
  publicKey: /^[0-9a-f]{64}$/,
  label: /^[a-z0-9][a-z0-9._-]{0,63}$/,
} as const
