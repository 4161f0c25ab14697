/** The database as a list: what `decide` is tested against, so that each step of the store is taken by hand. */
import type { MessageId } from "@claudemesh/domain/Ids"
import {
  type InboxAddress,
  type MemberRecord,
  type MeshRecord,
  type MeshSnapshot,
  type PageRequest,
  type SessionRecord,
  type StoredMessage,
  type Write,
  Written,
} from "../../src/store/MessageStore.ts"

interface Delivery {
  inbox: InboxAddress
  readonly message: StoredMessage
  consumed: boolean
}

const isIn = (inbox: InboxAddress, other: InboxAddress): boolean =>
  inbox.memberId === other.memberId && inbox.session === other.session

export class ModelStore {
  readonly messages = new Map<MessageId, StoredMessage>()
  readonly deliveries: Array<Delivery> = []
  readonly sessions = new Map<string, SessionRecord>()

  constructor(
    readonly mesh: MeshRecord,
    readonly members: ReadonlyArray<MemberRecord>,
  ) {}

  apply(write: Write): Written {
    switch (write._tag) {
      case "Accept":
        return this.#accept(write)
      case "Consume":
        for (const one of this.deliveries) {
          if (one.message.seq === write.seq && isIn(one.inbox, write.inbox)) one.consumed = true
        }
        break
      case "InboxMoved":
        for (const one of this.deliveries) {
          if (!one.consumed && isIn(one.inbox, write)) one.inbox = { memberId: write.memberId, session: undefined }
        }
        break
      case "SessionAttached":
        this.sessions.set(`${write.memberId}/${write.session}`, {
          memberId: write.memberId,
          session: write.session,
          protocol: write.protocol,
          attachedAtMillis: write.atMillis,
          detachedAtMillis: undefined,
        })
        break
      case "SessionDetached": {
        const session = this.sessions.get(`${write.memberId}/${write.session}`)
        if (session === undefined) break
        this.sessions.set(`${write.memberId}/${write.session}`, { ...session, detachedAtMillis: write.atMillis })
        break
      }
    }
    return Written.Done()
  }

  #accept({ message, recipients }: Extract<Write, { readonly _tag: "Accept" }>): Written {
    const first = this.messages.get(message.messageId)
    if (first !== undefined) {
      const found = this.deliveries.filter((one) => one.message.messageId === message.messageId)
      return Written.Duplicate({
        contentHash: first.contentHash,
        recipients: found.map(({ consumed, inbox }) => ({ memberId: inbox.memberId, consumed })),
      })
    }
    this.messages.set(message.messageId, message)
    for (const inbox of recipients) this.deliveries.push({ inbox, message, consumed: false })
    return Written.Done()
  }

  page({ afterSeq, inbox, limit, nowMillis, priority }: PageRequest): ReadonlyArray<StoredMessage> {
    return this.waiting(inbox, nowMillis)
      .filter((message) => message.priority === priority && message.seq > afterSeq)
      .slice(0, limit)
  }

  /** What waits in an inbox, in sequence order. */
  waiting(inbox: InboxAddress, nowMillis: number): ReadonlyArray<StoredMessage> {
    return this.deliveries
      .filter((one) => !one.consumed && isIn(one.inbox, inbox) && one.message.expiresAtMillis > nowMillis)
      .map((one) => one.message)
      .sort((left, right) => left.seq - right.seq)
  }

  snapshot(): MeshSnapshot {
    const seqs = [...this.messages.values()].map((message) => message.seq)
    return {
      mesh: this.mesh,
      members: this.members,
      sessions: [...this.sessions.values()],
      lastSeq: Math.max(0, ...seqs),
      waiting: this.deliveries
        .filter((one) => !one.consumed)
        .map(({ inbox, message }) => ({ inbox, priority: message.priority })),
    }
  }
}
