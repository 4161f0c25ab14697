/**
 * How much may wait in one inbox. It is known by counting along: what a commit adds and a consumption takes away.
 * What expires leaves unseen, so a full inbox is counted again in the store before it stays full for long. Sends
 * under way are not in it: an inbox can be over its bound by as many as were on their way at once.
 */
import { Exit } from "effect"
import type { Decision } from "../state/Decision.ts"
import { type Completion, Action } from "../state/MeshCommand.ts"
import type { Inbox } from "../state/Inbox.ts"
import { inboxOf, type MeshState } from "../state/MeshState.ts"

/** Whether it takes no more. Where that may not be so any more, or was never known, it is counted, so that it is known soon. */
export const isFull = ({ actions, nowMillis, state }: Decision, inbox: Inbox): boolean => {
  const { backlogCharactersMax, backlogMessagesMax } = state.rules.limits
  const { characters, messages } = inbox.backlog
  const full = messages >= backlogMessagesMax || characters >= backlogCharactersMax
  if ((full || inbox.isMiscounted) && inbox.mayBeCounted(nowMillis)) actions.push(countOf(inbox))
  return full
}

/** For an inbox that grew or shrank in the store by a number that is not known here. */
export const countOf = (inbox: Inbox): Action =>
  Action.Count({
    inboxes: [inbox.address],
    next: { _tag: "Counted", inbox: inbox.address, count: inbox.askCount() },
  })

export const counted = (
  state: MeshState,
  { backlog, count, inbox: address }: Extract<Completion, { readonly _tag: "Counted" }>,
): void => {
  const inbox = inboxOf(state, address)
  if (Exit.isSuccess(backlog)) inbox?.counted(count, backlog.value)
  else inbox?.miscounted(count)
}
