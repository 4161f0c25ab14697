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

export const isFull = (state: MeshState, { backlog }: Inbox): boolean =>
  backlog.messages >= state.rules.limits.backlogMessagesMax ||
  backlog.characters >= state.rules.limits.backlogCharactersMax

/** Called for an inbox that was found full, so that it is known when it is not any more. */
export const recount = (decision: Decision, inbox: Inbox): void => {
  const { actions, nowMillis } = decision
  if (inbox.mayBeCounted(nowMillis)) actions.push(countOf(inbox))
}

/** For an inbox that grew or shrank in the store by a number that is not known here. */
export const countOf = ({ address }: Inbox): Action =>
  Action.Count({ inboxes: [address], next: { _tag: "Counted", inbox: address } })

export const counted = (
  state: MeshState,
  { backlog, inbox: address }: Extract<Completion, { readonly _tag: "Counted" }>,
): void => {
  if (Exit.isSuccess(backlog)) inboxOf(state, address)?.counted(backlog.value)
}
