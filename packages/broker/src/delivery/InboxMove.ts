/**
 * What waits in a session's inbox becomes its member's: the session is gone for good, or what was said to a group is not
 * to die with it (I8). The store moves it in one write, in its place behind all that was accepted before.
 */
import type { MemberId, SessionId } from "@claudemesh/domain/Ids"
import { Write } from "../store/MessageStore.ts"
import type { Decision } from "../state/Decision.ts"
import { Action, type Completion } from "../state/MeshCommand.ts"
import { inboxOf, type MeshState } from "../state/MeshState.ts"
import { countOf } from "./Backlog.ts"
import { pump } from "./Deliver.ts"

export const moveToMember = (
  state: MeshState,
  memberId: MemberId,
  session: SessionId,
  what: "all" | "groups",
): Action =>
  Action.Write({
    write: Write.InboxMoved({ meshId: state.mesh.meshId, memberId, session, what }),
    next: { _tag: "InboxMoved", memberId, session },
  })

/** Where its messages stand in the order of the member's is not known. */
export const inboxWasMoved = (
  decision: Decision,
  { memberId, session }: Extract<Completion, { readonly _tag: "InboxMoved" }>,
): void => {
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
