/**
 * Watches one connection as the broker sees it: no push before the hello's answer, never more unacked than the hello
 * allowed, none twice while it is unacked, none of another mesh, nothing that the session's status keeps back, and no
 * second hello. What is refused with "nothing was stored" is counted for the run.
 */
import type { MemberId, MeshId, MessageId, PublicKey, SessionId } from "@claudemesh/domain/Ids"
import { messageIdOf } from "@claudemesh/domain/trust/MessageIdentity"
import { ClientMessageId } from "@claudemesh/domain/Ids"
import type { History } from "../History.ts"

interface SeenFrame {
  readonly type: string
  readonly id?: string
  readonly meshId?: MeshId
  readonly memberId?: MemberId
  readonly pubkey?: PublicKey
  readonly sessionId?: SessionId
  readonly messageId?: MessageId
  readonly messageIds?: ReadonlyArray<MessageId>
  readonly maxInFlight?: number
  readonly status?: string
  readonly priority?: string
  readonly code?: string
}

/** Refusals that promise that nothing was stored. */
const storesNothing: ReadonlySet<string> = new Set(["rate_limited", "backlog_full", "unknown_target", "unsealed"])

/** For each message that was refused: how often it came to the broker, and how often that was the answer. */
export class Refusals {
  readonly #counts = new Map<MessageId, { came: number; refused: number }>()

  came(id: MessageId): void {
    this.#of(id).came += 1
  }

  refused(id: MessageId): void {
    this.#of(id).refused += 1
  }

  /** Every time it came it was refused: it must not be in the store. */
  get always(): ReadonlyArray<MessageId> {
    return [...this.#counts].filter(([, { came, refused }]) => came === refused).map(([id]) => id)
  }

  #of(id: MessageId): { came: number; refused: number } {
    const found = this.#counts.get(id) ?? { came: 0, refused: 0 }
    this.#counts.set(id, found)
    return found
  }
}

/** Who a connection belongs to, once its hello was answered. */
export interface Greeted {
  readonly mesh: MeshId
  readonly member: MemberId
  readonly key: PublicKey
  readonly session: SessionId
}

export class Window {
  greeted: Greeted | undefined
  #hello: Greeted | undefined
  #max = 0
  #hellos = 0
  /** The status that was asked for, by request; and the one that was confirmed, with its end. */
  readonly #asked = new Map<string, string>()
  #closedUntilMillis = Number.NEGATIVE_INFINITY
  readonly #pulls = new Set<string>()
  readonly #unacked = new Set<MessageId>()
  readonly #leased = new Set<MessageId>()

  constructor(
    readonly options: {
      readonly history: History
      readonly refusals: Refusals
      /** The broker's own time. */
      readonly nowMillis: () => number
      readonly workingTtlMillis: number
      readonly broken: (what: string) => void
      readonly pushed: (messageId: MessageId) => void
      readonly attached: (who: Greeted) => void
    },
  ) {}

  received(text: string | undefined): void {
    if (this.#hellos > 1) this.options.broken("the broker went on with a connection that said hello twice")
    const frame: SeenFrame = JSON.parse(text ?? "{}")
    switch (frame.type) {
      case "hello":
        this.#hellos += 1
        if (this.#hellos > 1) return
        this.#max = frame.maxInFlight ?? 0
        this.#hello = helloOf(frame)
        return
      case "client_ack":
        for (const messageId of frame.messageIds ?? []) {
          this.#unacked.delete(messageId)
          this.#leased.delete(messageId)
        }
        return
      case "lease":
        for (const messageId of frame.messageIds ?? []) this.options.history.leaseAsked.add(messageId)
        return
      case "release":
        for (const messageId of frame.messageIds ?? []) this.#leased.delete(messageId)
        return
      case "pull":
        this.#pulls.add(frame.id ?? "")
        return
      case "set_status":
        // From here to the answer either status may be in force.
        this.#closedUntilMillis = Number.NEGATIVE_INFINITY
        this.#asked.set(frame.id ?? "", frame.status ?? "")
        return
      case "send": {
        const id = this.#messageIdOf(frame)
        if (id !== undefined) this.options.refusals.came(id)
      }
    }
  }

  sent(text: string): void {
    const frame: SeenFrame = JSON.parse(text)
    switch (frame.type) {
      case "hello_ack":
        this.greeted = this.#hello
        if (this.greeted !== undefined) this.options.attached(this.greeted)
        return
      case "ok":
        return this.#answered(frame, true)
      case "error":
        return this.#answered(frame, false)
      case "push":
        return this.#pushed(frame)
      case "leased":
        for (const messageId of frame.messageIds ?? []) this.#granted(messageId)
        return
      case "recalled":
        for (const messageId of frame.messageIds ?? []) this.#recalled(messageId)
    }
  }

  #granted(messageId: MessageId): void {
    const { broken, history } = this.options
    if (!this.#unacked.has(messageId)) return broken(`${messageId} was granted to a session that does not have it`)
    this.#leased.add(messageId)
    if (this.greeted !== undefined) history.leases.push({ messageId, ...this.greeted })
  }

  #recalled(messageId: MessageId): void {
    const { broken } = this.options
    if (!this.#unacked.delete(messageId)) broken(`${messageId} was recalled from a session that does not have it`)
    if (this.#leased.has(messageId)) broken(`${messageId} was recalled from a session that has leased it`)
  }

  #answered(frame: SeenFrame, ok: boolean): void {
    const { code = "", id = "" } = frame
    this.#pulls.delete(id)
    const status = this.#asked.get(id)
    this.#asked.delete(id)
    if (ok && this.#asked.size === 0) {
      if (status === "dnd") this.#closedUntilMillis = Number.POSITIVE_INFINITY
      if (status === "working") this.#closedUntilMillis = this.options.nowMillis() + this.options.workingTtlMillis
    }
    const messageId = this.#messageIdOf(frame)
    if (!ok && messageId !== undefined && storesNothing.has(code)) this.options.refusals.refused(messageId)
  }

  #pushed({ meshId, messageId, priority }: SeenFrame): void {
    const { broken, nowMillis, pushed } = this.options
    if (messageId === undefined) return broken("something was pushed without an id")
    if (this.greeted === undefined) broken(`${messageId} was pushed before hello_ack`)
    if (meshId !== this.#hello?.mesh) broken(`${messageId} was pushed in another mesh`)
    if (this.#unacked.has(messageId)) broken(`${messageId} was pushed twice and not acked`)
    this.#unacked.add(messageId)
    if (this.greeted !== undefined) this.options.history.pushes.push({ messageId, ...this.greeted })
    if (this.#unacked.size > this.#max) broken(`${this.#unacked.size} pushes were unacked in a window of ${this.#max}`)
    if (this.#pulls.size === 0) {
      if (priority === "low") broken(`${messageId} is low and was pushed though nobody pulled`)
      if (priority === "next" && nowMillis() < this.#closedUntilMillis) {
        broken(`${messageId} is next and was pushed to a session that may not be disturbed`)
      }
    }
    pushed(messageId)
  }

  #messageIdOf({ id }: SeenFrame): MessageId | undefined {
    return this.#hello === undefined || id === undefined || id === ""
      ? undefined
      : messageIdOf(this.#hello.mesh, this.#hello.key, ClientMessageId.make(id))
  }
}

const helloOf = ({ meshId, memberId, pubkey, sessionId }: SeenFrame): Greeted | undefined =>
  meshId !== undefined && memberId !== undefined && pubkey !== undefined && sessionId !== undefined
    ? { mesh: meshId, member: memberId, key: pubkey, session: sessionId }
    : undefined
