/**
 * What waits in a session's inbox becomes its member's: the session is gone for good, or what was said to a group is not
 * to die with it (I8). The store moves it in one write, in its place behind all that was accepted before.
 */
import type { MemberId, SessionId } from "@claudemesh/domain/Ids"
import { Exit } from "effect"
import { Write } from "../store/MessageStore.ts"
import type { Decision } from "../state/Decision.ts"
import { Action, type Completion, type Unwritten } from "../state/MeshCommand.ts"
import { inboxOf, type MeshState } from "../state/MeshState.ts"
import { countOf } from "./Backlog.ts"
import { pump } from "./Deliver.ts"
import { tryLater } from "./Unwritten.ts"

type Move = Extract<Unwritten, { readonly _tag: "InboxMoved" }>

export const moveToMember = (
  state: MeshState,
  memberId: MemberId,
  session: SessionId,
  what: "all" | "groups",
): Action => asked(state, { _tag: "InboxMoved", memberId, session, what })

const asked = ({ mesh: { meshId } }: MeshState, next: Move): Action => {
  const { memberId, session, what } = next
  return Action.Write({ write: Write.InboxMoved({ meshId, memberId, session, what }), next })
}

/** Where its messages stand in the order of the member's is not known. */
export const inboxWasMoved = (
  decision: Decision,
  { outcome, ...unwritten }: Extract<Completion, { readonly _tag: "InboxMoved" }>,
): void => {
  if (Exit.isFailure(outcome) && tryLater(decision, unwritten, outcome.cause)) return
  lookAgain(decision, unwritten)
}

/** In both inboxes: what has been moved, and where it stands, is not known. */
const lookAgain = (decision: Decision, { memberId, session }: Move): void => {
  const { actions, state } = decision
  const to = inboxOf(state, { memberId, session: undefined })
  if (to === undefined) return
  const from = inboxOf(state, { memberId, session })
  if (from !== undefined) actions.push(countOf(from))
  actions.push(countOf(to))
  from?.lostSome()
  to.gotSome()
  pump(decision, to)
}

/**
 * A session that has come back meanwhile takes what is left in its inbox itself: nothing is moved away under it. But a try whose outcome was not known,
 * before the one that failed, may have moved it all the same.
 */
export const moveAgain = (decision: Decision, next: Move): void => {
  const { actions, state } = decision
  const { memberId, session } = next
  const back = state.membersById.get(memberId)?.sessions.get(session)
  if (back !== undefined && (back.live || back.connection !== undefined)) {
    lookAgain(decision, next)
    back.inbox.gotSome()
    pump(decision, back.inbox)
    return
  }
  actions.push(asked(state, next))
}
