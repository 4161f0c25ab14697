/** The recipient's span of a message: from its push to the ack, which says that it was shown. Only where a collector is named. */
import type { MeshId, MessageId } from "@claudemesh/domain/Ids"
import type { RecordSpan } from "@claudemesh/domain/MessageTraces"
import { tracedArrivalsMax } from "../Limits.ts"

export class HandOverTraces {
  /** When what is not acked yet came; the oldest is forgotten first. */
  readonly #came = new Map<MessageId, number>()

  constructor(
    readonly record: RecordSpan,
    readonly meshId: MeshId,
    readonly nowMillis: () => number,
  ) {}

  came(messageId: MessageId): void {
    const [oldest] = this.#came.keys()
    if (oldest !== undefined && this.#came.size >= tracedArrivalsMax) this.#came.delete(oldest)
    this.#came.set(messageId, this.nowMillis())
  }

  acked(messageIds: ReadonlyArray<MessageId>): void {
    const toMillis = this.nowMillis()
    for (const messageId of messageIds) {
      const fromMillis = this.#came.get(messageId) ?? toMillis
      this.#came.delete(messageId)
      const { meshId } = this
      this.record({ messageId, meshId, name: "hand over", kind: "consumer", fromMillis, toMillis, attributes: {} })
    }
  }
}
