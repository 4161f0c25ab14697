/** What a request over HTTP can be refused for, and the status that goes with it. */
export const httpStatusOf = {
  malformed: 400,
  bad_key: 400,
  bad_invite: 400,
  bad_certificate: 400,
  unauthorized: 401,
  unsigned: 401,
  bad_signature: 401,
  stale: 401,
  replayed: 401,
  closed: 403,
  forbidden: 403,
  unknown_mesh: 404,
  timeout: 408,
  conflict: 409,
  name_taken: 409,
  full: 409,
  used_up: 410,
  expired: 410,
  revoked: 410,
  too_large: 413,
  unsupported_media_type: 415,
  rate_limited: 429,
  internal: 500,
  unavailable: 503,
} as const

export type HttpErrorCode = keyof typeof httpStatusOf
