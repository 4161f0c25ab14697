/** Where the process is in its life: it starts, serves, and drains once. Owned by the server. */
export interface Lifecycle {
  readonly startedMillis: number
  draining: boolean
}
