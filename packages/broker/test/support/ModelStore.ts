/** The database as a list: what `decide` is tested against, so that each step of the store is taken by hand. */
import type { MessageId, PublicKey } from "@claudemesh/domain/Ids"
import type { Base64 } from "@claudemesh/domain/Base64"
import type { MeshMoved } from "@claudemesh/domain/trust/MeshMoved"
import type { Revocation } from "@claudemesh/domain/trust/Revocation"
import {
  type Attachment,
  type Backlog,
  type DeliveryKey,
  type InboxAddress,
  type InviteRecord,
  type MemberRecord,
  type MeshRecord,
  type MeshSnapshot,
  type DeliveryReport,
  type PageRequest,
  type SessionRecord,
  type StoredMessage,
  type SubscriptionRecord,
  type WaitingCount,
  type WaitingMessage,
  type Write,
  Written,
} from "../../src/store/MessageStore.ts"

interface Delivery {
  inbox: InboxAddress
  readonly message: StoredMessage
  readonly sealedKey: Base64 | undefined
  leased: WaitingMessage["leased"]
  consumedAtMillis: number | undefined
}

const isIn = (inbox: InboxAddress, other: InboxAddress): boolean =>
  inbox.memberId === other.memberId && inbox.session === other.session

export class ModelStore {
  readonly messages = new Map<MessageId, StoredMessage>()
  deliveries: Array<Delivery> = []
  readonly subscriptions = new Map<string, SubscriptionRecord>()
  readonly sessions = new Map<string, SessionRecord>()

  readonly invites = new Map<PublicKey, InviteRecord>()
  readonly revocations: Array<Revocation> = []
  moved: MeshMoved | undefined

  constructor(
    readonly mesh: MeshRecord,
    public members: ReadonlyArray<MemberRecord>,
  ) {}

  apply(write: Write): Written {
    switch (write._tag) {
      case "Accept":
        for (const one of write.sessions ?? []) this.#attached(one)
        return this.#accept(write)
      case "Consume":
        for (const one of this.deliveries) {
          if (write.seqs.includes(one.message.seq) && isIn(one.inbox, write.inbox))
            one.consumedAtMillis ??= write.atMillis
        }
        break
      case "Lease":
      case "Release":
        for (const one of this.deliveries) {
          const isNamed = write.deliveries.some(({ inbox, seq }) => seq === one.message.seq && isIn(one.inbox, inbox))
          if (isNamed && one.consumedAtMillis === undefined && one.leased !== "for good") {
            one.leased = write._tag === "Lease" && "until released"
          }
        }
        break
      case "SessionForgotten": {
        const key = `${write.memberId}/${write.session}`
        this.sessions.delete(key)
        for (const one of this.subscriptions.keys()) if (one.startsWith(`${key}#`)) this.subscriptions.delete(one)
        break
      }
      case "InboxMoved":
        this.#move(write)
        break
      case "ChannelJoined":
      case "ChannelLeft": {
        const { channel, memberId, session } = write
        const key = `${memberId}/${session}#${channel}`
        if (write._tag === "ChannelJoined") this.subscriptions.set(key, { memberId, session, channel })
        else this.subscriptions.delete(key)
        break
      }
      case "InviteAdded":
        if (!this.invites.has(write.invite.publicKey)) {
          this.invites.set(write.invite.publicKey, { invite: write.invite, used: 0 })
        }
        break
      case "MemberJoined": {
        const { certificate } = write
        // Of a record that is there already nothing is written.
        if (this.members.some((member) => member.publicKey === certificate.publicKey)) break
        const known = this.invites.get(certificate.invite)
        if (known !== undefined) this.invites.set(certificate.invite, { ...known, used: known.used + 1 })
        const { displayName, memberId, publicKey } = certificate
        this.members = [...this.members, { memberId, publicKey, displayName, certificate }]
        break
      }
      case "KeyRevoked":
        if (this.revocations.length < write.revocation.version) this.revocations.push(write.revocation)
        break
      case "MeshMoved":
        this.moved = write.moved
        break
      case "SessionAttached":
        this.#attached(write)
        break
      case "SessionDetached": {
        const session = this.sessions.get(`${write.memberId}/${write.session}`)
        if (session === undefined) break
        this.sessions.set(`${write.memberId}/${write.session}`, {
          ...session,
          detachedAtMillis: write.sinceMillis ?? write.atMillis,
        })
        break
      }
    }
    return Written.Done()
  }

  /** To the member, what it does not have yet: neither elsewhere, nor because it said it itself. */
  #move(write: Extract<Write, { readonly _tag: "InboxMoved" }>): void {
    const moves = (one: Delivery) =>
      one.consumedAtMillis === undefined &&
      isIn(one.inbox, write) &&
      (write.what === "all" || isToGroup(one.message.targetSpec))
    const hasIt = ({ message }: Delivery) =>
      (isToGroup(message.targetSpec) && message.senderMemberId === write.memberId) ||
      this.deliveries.some(
        (other) =>
          other.message.seq === message.seq && other.inbox.memberId === write.memberId && !isIn(other.inbox, write),
      )
    const dropped = this.deliveries.filter((one) => moves(one) && hasIt(one))
    this.deliveries = this.deliveries.filter((one) => !dropped.includes(one))
    // What went may have been shown: so may what stays.
    for (const { message } of dropped.filter(({ leased }) => leased !== false)) {
      for (const one of this.deliveries) {
        const isTheirs = one.message.seq === message.seq && one.inbox.memberId === write.memberId
        if (isTheirs && one.consumedAtMillis === undefined) one.leased = "for good"
      }
    }
    for (const one of this.deliveries) {
      if (moves(one)) one.inbox = { memberId: write.memberId, session: undefined }
    }
  }

  #attached({ atMillis, memberId, protocol, session }: Attachment): void {
    this.sessions.set(`${memberId}/${session}`, {
      memberId,
      session,
      protocol,
      attachedAtMillis: atMillis,
      detachedAtMillis: undefined,
    })
  }

  #accept({ message, recipients }: Extract<Write, { readonly _tag: "Accept" }>): Written {
    const first = this.messages.get(message.messageId)
    if (first !== undefined) {
      const deliveryReport = this.deliveryReportOf(message.messageId)
      if (deliveryReport === undefined) throw new Error("there is one")
      return Written.Duplicate({ contentHash: first.contentHash, deliveryReport })
    }
    this.messages.set(message.messageId, message)
    for (const { inbox, sealedKey } of recipients) {
      this.deliveries.push({ inbox, message, sealedKey, leased: false, consumedAtMillis: undefined })
    }
    return Written.Done()
  }

  page({ afterSeq, inbox, limit, nowMillis, priority }: PageRequest): ReadonlyArray<WaitingMessage> {
    return this.waiting(inbox, nowMillis)
      .filter(({ message }) => message.priority === priority && message.seq > afterSeq)
      .slice(0, limit)
  }

  /** What waits in an inbox, in sequence order. */
  waiting(inbox: InboxAddress, nowMillis: number): ReadonlyArray<WaitingMessage> {
    return this.deliveries
      .filter(
        (one) =>
          one.consumedAtMillis === undefined && isIn(one.inbox, inbox) && one.message.expiresAtMillis > nowMillis,
      )
      .map(({ leased, message, sealedKey }) => ({ message, sealedKey, leased }))
      .sort((left, right) => left.message.seq - right.message.seq)
  }

  backlog(inboxes: ReadonlyArray<InboxAddress>, nowMillis: number): Backlog {
    const all = inboxes.flatMap((inbox) => this.waiting(inbox, nowMillis))
    return {
      messages: all.length,
      characters: all.reduce((sum, { message }) => sum + message.ciphertext.length, 0),
    }
  }

  countWaiting(
    inboxes: ReadonlyArray<InboxAddress>,
    except: ReadonlyArray<DeliveryKey>,
    nowMillis: number,
  ): ReadonlyArray<WaitingCount> {
    return inboxes.flatMap((inbox) => {
      const waiting = this.waiting(inbox, nowMillis).filter(
        ({ message }) => !except.some((one) => one.seq === message.seq && isIn(one.inbox, inbox)),
      )
      return waiting.length === 0 ? [] : [{ inbox, messages: waiting.length }]
    })
  }

  deliveryReportOf(messageId: MessageId): DeliveryReport | undefined {
    const message = this.messages.get(messageId)
    const deliveries = this.deliveries.filter((one) => one.message.messageId === messageId)
    return message && { ...message, deliveries }
  }

  snapshot(): MeshSnapshot {
    const seqs = [...this.messages.values()].map((message) => message.seq)
    return {
      mesh: this.mesh,
      members: this.members,
      invites: [...this.invites.values()],
      revocations: this.revocations,
      moved: this.moved,
      sessions: [...this.sessions.values()],
      lastSeq: Math.max(0, ...seqs),
      epoch: 1,
      subscriptions: [...this.subscriptions.values()],
      waiting: this.deliveries
        .filter((one) => one.consumedAtMillis === undefined)
        .map(({ inbox, message }) => ({
          inbox,
          priority: message.priority,
          backlog: { messages: 1, characters: message.ciphertext.length },
        })),
    }
  }
}

const isToGroup = (targetSpec: string): boolean => /^(\*$|#|tag:)/.test(targetSpec)
