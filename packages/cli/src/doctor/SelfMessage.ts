/**
 * A message to oneself, all the way: sealed, sent, taken by the broker, pushed, opened, its sender proved. Priority `low`, so that it is
 * pushed to nobody who does not ask; this session asks at once, and it is consumed then. Nothing of it stays on this machine: what a
 * client keeps is in memory here. The broker keeps what it keeps of a consumed message: who, whom, when.
 */
import type { BrokerClient } from "@claudemesh/client/BrokerClient"
import type { MeshManager } from "@claudemesh/client/MeshManager"
import { randomHex } from "@claudemesh/client/keys/RandomBytes"
import { Clock, Effect } from "effect"
import { failedCheck, ok, skipped } from "./Finding.ts"
import * as doctorWords from "../words/doctor.ts"

export const messageToOneself = Effect.fnUntraced(function* (
  check: string,
  client: BrokerClient,
  manager: MeshManager,
) {
  // Behind a long backlog it would not come in the first window, and be left there.
  const { remaining } = yield* client.pull(1)
  if (remaining > backlogMax) return skipped(check, doctorWords.notSentMessagesWaitForYouRead(remaining))
  const began = yield* Clock.monotonicTimeNanos
  const text = doctorWords.aTestOfClaudemeshDoctorYouCan(yield* randomHex(8))
  const { messageId } = yield* client.send({ to: client.membership.pubkey, text, priority: "low" })
  yield* client.pull()
  const waiting = (yield* manager.look).filter((message) => message.messageId === messageId)
  const { commit, messages } = yield* manager.lease(waiting)
  yield* commit
  // The ack went out before this on the same socket: the answer means that it arrived.
  yield* client.ping
  const took = Number(((yield* Clock.monotonicTimeNanos) - began) / 1_000_000n)
  const [message] = messages
  if (message === undefined) {
    return failedCheck(check, doctorWords.itWasSentAndDidNotCome, doctorWords.anotherSessionOfYoursMayHaveRead)
  }
  if (message.content._tag !== "Opened" || message.content.text !== text) {
    return failedCheck(check, doctorWords.itCameBackAndCannotBeOpened, doctorWords.keysOfTwoMachinesAreMixedUp)
  }
  if (message.sender.standing._tag !== "Certified") {
    return failedCheck(check, doctorWords.itCameBackAndYourOwnKey, doctorWords.askForANewInvite)
  }
  return ok(check, doctorWords.sealedSentReceivedAndOpenedInMs(took))
})

const backlogMax = 100
