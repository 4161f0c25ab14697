/** A frame that goes to many connections: it is encoded once, when the first of them sends it. */
import { type BrokerFrame, encodeBrokerFrame } from "@claudemesh/domain/wire/BrokerFrame"

export class SharedFrame {
  #text: string | undefined

  constructor(readonly frame: BrokerFrame) {}

  get text(): string {
    return (this.#text ??= encodeBrokerFrame(this.frame))
  }
}
