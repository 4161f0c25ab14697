/**
 * Where an answer goes: to the session that asked, as the message itself says, and to its member where that session is
 * gone. The message is one that was shown on this machine. Nobody is guessed from a message that is not authenticated.
 */
import type { BrokerClient } from "@claudemesh/client/BrokerClient"
import { historyBounds, type ShownMessage } from "@claudemesh/client/inbox/History"
import type { UnknownMesh } from "@claudemesh/client/roster/WhichMesh"
import { MessageId } from "@claudemesh/domain/Ids"
import { isDirect, parseTarget, Target } from "@claudemesh/domain/routing/Target"
import { Effect, Option, Result, Schema } from "effect"
import { authenticatedOf } from "../Received.ts"
import { peersWaitMillis } from "./Limits.ts"
import type { ToolCall } from "./Tool.ts"
import { memberName } from "./WrapUntrusted.ts"
import * as agentWords from "../words/agent.ts"

export class NoReplyTarget extends Schema.TaggedError<NoReplyTarget>()("NoReplyTarget", {
  id: Schema.String,
  why: Schema.Literals(["not_kept", "several", "mesh_left", "not_authenticated"]),
  /** Whether it was said who gets the answer. */
  hasTarget: Schema.Boolean,
}) {
  override get message() {
    switch (this.why) {
      case "not_kept":
        return this.hasTarget
          ? agentWords.nothingWasSentMessageIsNotKept(this.id)
          : agentWords.nothingWasSentMessageIsNotKept2(this.id)
      case "several":
        return agentWords.nothingWasSentSeveralMessagesBeginWith(this.id)
      case "mesh_left":
        return agentWords.nothingWasSentTheMeshOfMessage(this.id)
      case "not_authenticated":
        return agentWords.nothingWasSentItIsNotProved(this.id)
    }
  }
}

type Client = Pick<BrokerClient, "peers" | "resolve"> & {
  readonly membership: Pick<BrokerClient["membership"], "meshId">
}

export interface Addressed<C extends Client = BrokerClient> {
  readonly client: C
  readonly to: string | Target
  readonly replyTo: MessageId | undefined
  /** What the sender is told of the choice. */
  readonly note: string
}

const isMessageId = Schema.is(MessageId)

interface Meshes<C extends Client> {
  readonly all: ReadonlyArray<C>
  readonly route: (to: string) => Effect.Effect<{ readonly client: C; readonly to: string }, UnknownMesh>
}

export const addressed = Effect.fnUntraced(function* <C extends Client>(
  { history, manager }: Pick<ToolCall, "history"> & { readonly manager: Meshes<C> },
  target: string | undefined,
  replyTo: string,
) {
  const no = (why: NoReplyTarget["why"]) => new NoReplyTarget({ id: replyTo, why, hasTarget: target !== undefined })
  const [found, ...others] = yield* Effect.orElseSucceed(history.find(replyTo), () => [])
  if (found === undefined) {
    if (target === undefined || !isMessageId(replyTo) || !(yield* keepsNothing)) return yield* no("not_kept")
    return { ...(yield* manager.route(target)), replyTo, note: unproved } satisfies Addressed<C>
  }
  if (others.length > 0) return yield* no("several")
  const { message } = found
  const isProved = authenticatedOf(message) !== "no"
  if (target !== undefined) {
    const { client, to } = yield* manager.route(target)
    const plain: Addressed<C> = { client, to, replyTo: message.messageId, note: "" }
    return isProved && (yield* isItsSender(client, to, message)) ? yield* toSession(client, message) : plain
  }
  const client = manager.all.find(({ membership }) => membership.meshId === message.meshId)
  if (client === undefined) return yield* no("mesh_left")
  if (!isProved) return yield* no("not_authenticated")
  return yield* toSession(client, message)
})

/** Whoever keeps no history answers by name, and by the whole id. */
const keepsNothing = historyBounds.pipe(
  Effect.map(({ messages }) => messages === 0),
  Effect.orElseSucceed(() => false),
)
const unproved = agentWords.thisMachineKeepsNoHistorySoIt

type Asked = ShownMessage["message"]

/** The member that wrote it, and neither a group nor a session that was chosen. */
const isItsSender = Effect.fnUntraced(function* (client: Client, to: string, { meshId, senderKey }: Asked) {
  if (client.membership.meshId !== meshId) return false
  if (Option.exists(parseTarget(to), (target) => !isDirect(target) || target._tag === "Session")) return false
  const found = yield* Effect.result(Effect.timeoutOption(client.resolve(to), peersWaitMillis))
  return Result.isSuccess(found) && Option.exists(found.success, ({ pubkey }) => pubkey === senderKey)
})

const toSession = Effect.fnUntraced(function* <C extends Client>(client: C, asked: Asked) {
  const { messageId: replyTo, senderKey: key, senderSessionId: session } = asked
  const name = asked.sender.name === undefined ? "its member" : memberName(asked.sender.name)
  const toMember = (note: string): Addressed<C> => ({ client, to: Target.make({ _tag: "Member", key }), replyTo, note })
  if (session === undefined) return toMember(agentWords.toTheMessageThatThisAnswersNames(name))
  const peers = yield* Effect.option(Effect.timeout(client.peers, peersWaitMillis))
  if (Option.isNone(peers)) return toMember(agentWords.toTheBrokerDidNotSayWhether(name))
  const isLive = peers.value.some(({ pubkey, sessionId }) => pubkey === key && sessionId === session)
  if (!isLive) return toMember(agentWords.toBecauseTheSessionThatAskedIs(name))
  const to = Target.make({ _tag: "Session", key, session })
  return { client, to, replyTo, note: agentWords.toTheSessionThatAsked } satisfies Addressed<C>
})
