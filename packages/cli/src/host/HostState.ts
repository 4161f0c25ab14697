/**
 * What is known of the host from its hooks: whether they work at all, which conversation it is in, and whether it is in the
 * middle of a turn. Nothing here asks the host anything, and nothing is believed of one that has no hooks.
 */
import { busyMillisMax, wakePromptMillis } from "./Limits.ts"
import type { HookEvent, HookMoment } from "./HookMoment.ts"

export class HostState {
  #last: { readonly moment: HookMoment; readonly atMillis: number } | undefined
  #isBusy = false
  /** Turns in a row that messages have prolonged. */
  #stopsInARow = 0
  #looks = 0
  #prompts = 0
  #wokenAtMillis: number | undefined

  saw(moment: HookMoment, atMillis: number): void {
    this.#last = { moment, atMillis }
    this.#isBusy = busyAt.has(moment.event)
    // What a wake writes comes as a prompt as well, and no person has said anything then.
    const isWake = this.#wokenAtMillis !== undefined && Math.abs(atMillis - this.#wokenAtMillis) < wakePromptMillis
    if (moment.event === "UserPromptSubmit" && !isWake) this.#stopsInARow = 0
    if (handingOver.has(moment.event)) this.#looks += 1
    if (moment.event === "UserPromptSubmit") this.#prompts += 1
  }

  /** Messages were handed over at the end of a turn, which goes on with them. */
  prolonged(): void {
    this.#isBusy = true
    this.#stopsInARow += 1
  }

  /** A wake was written. */
  woke(atMillis: number): void {
    this.#wokenAtMillis = atMillis
  }

  get stopsInARow(): number {
    return this.#stopsInARow
  }

  /** How often a hook could have handed something over. */
  get looks(): number {
    return this.#looks
  }

  /** How many turns have begun. A wake begins one. */
  get prompts(): number {
    return this.#prompts
  }

  /** A hook came: the plugin, or our hooks in the settings, are there and work. */
  get hooksWork(): boolean {
    return this.#last !== undefined
  }

  /** The host's id of the conversation, as the last hook said it: `/clear` changes it, and our environment does not follow. */
  get conversation(): string | undefined {
    return this.#last?.moment.session
  }

  /** In a turn, as far as is known: an interrupted one ends without a word. */
  isBusy(nowMillis: number): boolean {
    return this.#isBusy && this.#last !== undefined && Math.abs(nowMillis - this.#last.atMillis) < busyMillisMax
  }
}

const busyAt: ReadonlySet<HookEvent> = new Set(["UserPromptSubmit", "PreToolUse", "PostToolUse", "PostToolBatch"])
const handingOver: ReadonlySet<HookEvent> = new Set(["UserPromptSubmit", "PostToolUse", "PostToolBatch", "Stop"])
