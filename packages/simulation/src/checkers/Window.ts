/**
 * Watches one connection as the broker sees it: never more pushes unacked than the hello allowed, nothing pushed
 * twice while it is unacked, no push before the hello's answer.
 */
import type { History } from "../History.ts"

interface SeenFrame {
  readonly type: string
  readonly messageId?: string
  readonly messageIds?: ReadonlyArray<string>
  readonly maxInFlight?: number
}

export class Window {
  #max = 0
  #greeted = false
  readonly #unacked = new Set<string>()

  constructor(readonly history: History) {}

  received(text: string | undefined): void {
    const frame: SeenFrame = JSON.parse(text ?? "{}")
    if (frame.type === "hello") this.#max = frame.maxInFlight ?? 0
    for (const messageId of frame.messageIds ?? []) this.#unacked.delete(messageId)
  }

  sent(text: string): void {
    const frame: SeenFrame = JSON.parse(text)
    if (frame.type === "hello_ack") this.#greeted = true
    if (frame.type !== "push") return
    const messageId = frame.messageId ?? ""
    if (!this.#greeted) this.history.violations.push(`${messageId} was pushed before hello_ack`)
    if (this.#unacked.has(messageId)) this.history.violations.push(`${messageId} was pushed twice and not acked`)
    this.#unacked.add(messageId)
    if (this.#unacked.size > this.#max) {
      this.history.violations.push(`${this.#unacked.size} pushes were unacked in a window of ${this.#max}`)
    }
  }
}
