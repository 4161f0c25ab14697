/** An error as it is answered: v1 clients get the three keys they know, v2 also whether to try again. */
import type { BrokerFrame } from "@claudemesh/domain/wire/BrokerFrame"
import { type ErrorCode, isRetryable } from "@claudemesh/domain/wire/ErrorCode"

export const errorFrame = (
  protocol: 1 | 2,
  code: ErrorCode,
  message: string,
  id: string | undefined,
): Extract<BrokerFrame, { readonly type: "error" }> => ({
  type: "error",
  code,
  message,
  ...(id !== undefined && { id }),
  ...(protocol === 2 && { retryable: isRetryable(code) }),
})
