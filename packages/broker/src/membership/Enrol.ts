/**
 * Who comes into the mesh, and who is put out. The register judges the signatures; what it cannot know is decided here:
 * the clock, how often an invite was used, and whether an id is free. Nothing of it counts before it is committed, and
 * what is under way is counted as if it were, so that of fifty who join by one use one is let in.
 */
import type { PublicKey } from "@claudemesh/domain/Ids"
import type { Certificate } from "@claudemesh/domain/trust/Certificate"
import { acceptMove } from "@claudemesh/domain/trust/MeshMoved"
import type { BrokerFrame } from "@claudemesh/domain/wire/BrokerFrame"
import type { InviteState } from "@claudemesh/domain/wire/HttpApi"
import { looksTheSame } from "@claudemesh/domain/trust/NameSkeleton"
import { CloseCode } from "@claudemesh/domain/wire/CloseCode"
import { Equal, Exit, Result } from "effect"
import { type InviteRecord, type MemberRecord, reasonOf, Write } from "../store/MessageStore.ts"
import { drop } from "../session/Attach.ts"
import type { Decision } from "../state/Decision.ts"
import { Enrolment, EnrolmentAnswer, unknownMesh } from "../state/Enrolment.ts"
import { Action, Answer, type Command, Completion, type CorrelationId, type Unwritten } from "../state/MeshCommand.ts"
import { Member, type MeshState, type UnderWay } from "../state/MeshState.ts"
import { entryOf } from "./MemberEntry.ts"
import { decidedBefore, settle, underWay, underWayOf } from "./UnderWay.ts"
import { detached, dropSessionLease } from "../session/SessionLease.ts"
import { SharedFrame } from "../state/SharedFrame.ts"
import { delayAfter } from "../state/TryAgain.ts"

type Enrol = Extract<Command, { readonly _tag: "Enrol" }>
type Enrolled = Extract<Completion, { readonly _tag: "Enrolled" }>
type Refusal = Extract<EnrolmentAnswer, { readonly _tag: "Refused" }>

const replyWith = (to: CorrelationId, answer: EnrolmentAnswer): Action =>
  Action.Reply({ to, answer: Answer.Enrol({ answer }) })

/** How far a certificate's time may be from ours. */
const joinedSkewMillis = 10 * 60_000

const refused = (code: Refusal["code"], message: string): EnrolmentAnswer => EnrolmentAnswer.Refused({ code, message })

export const enrol = (decision: Decision, command: Enrol): void => {
  const { actions, nowMillis, state } = decision
  const { enrolment, replyTo } = command
  const before = decidedBefore(state, enrolment)
  if (before !== undefined) {
    before.after.push(command)
    hurry(decision, before)
    return
  }
  const answer: Verdict = isStranger(state, enrolment)
    ? unknownMesh
    : Enrolment.$match(enrolment, {
        AddInvite: (asked) => addInvite(state, asked, replyTo, nowMillis),
        ListInvites: (asked) => listInvites(state, asked.by, nowMillis),
        Join: (asked) => join(state, asked, replyTo, nowMillis),
        Revoke: (asked) => revoke(state, asked, replyTo),
        Move: (asked) => move(state, asked, replyTo),
      })
  if (answer === "write") submit(decision, enrolment, replyTo)
  else if (answer !== "waits") actions.push(replyWith(replyTo, answer))
  const same = underWayOf(state, enrolment)
  if (same !== undefined) hurry(decision, same)
}

const submit = ({ actions, nowMillis, state }: Decision, enrolment: Enrolment, replyTo: CorrelationId | undefined) => {
  const write = writeOf(state, enrolment, nowMillis)
  if (write !== undefined) actions.push(Action.Write({ write, next: { _tag: "Enrolled", enrolment, replyTo } }))
}

/** Somebody wants to know. Where its outcome is in doubt it is written again now, and not after a while. */
const hurry = (decision: Decision, one: UnderWay<unknown>): void => {
  if (one.isWriting) return
  one.isWriting = true
  submit(decision, one.enrolment, undefined)
}

/**
 * Nobody of this mesh, and nobody with a link to it: told what is told where there is no mesh, so that whoever tries
 * mesh ids learns neither that one is there, nor its name, nor how many were put out.
 */
const isStranger = ({ invites, members, mesh, register }: MeshState, enrolment: Enrolment): boolean => {
  const { by } = enrolment
  if (by === mesh.ownerPublicKey || members.has(by) || register.certificates.has(by)) return false
  if (register.isRevoked(by)) return false
  return !(enrolment._tag === "Join" && invites.has(enrolment.certificate.invite))
}

/** With the mesh's next sequence number. */
const writeOf = (state: MeshState, enrolment: Enrolment, atMillis: number): Write | undefined => {
  if (enrolment._tag === "ListInvites") return undefined
  state.lastSeq += 1
  const seq = state.lastSeq
  const { meshId } = state.mesh
  switch (enrolment._tag) {
    case "AddInvite":
      return Write.InviteAdded({ meshId, seq, invite: enrolment.invite, atMillis })
    case "Join":
      return Write.MemberJoined({ meshId, seq, certificate: enrolment.certificate, atMillis })
    case "Revoke":
      return Write.KeyRevoked({ seq, revocation: enrolment.revocation, atMillis })
    case "Move":
      return Write.MeshMoved({ seq, moved: enrolment.moved, atMillis })
  }
}

/** `write`: nothing speaks against it. `waits`: the same is under way, and its answer is the answer. */
type Verdict = EnrolmentAnswer | "write" | "waits"

const addInvite = (
  state: MeshState,
  asked: Extract<Enrolment, { readonly _tag: "AddInvite" }>,
  replyTo: CorrelationId,
  nowMillis: number,
): Verdict => {
  const { by, invite } = asked
  const { limits } = state.rules
  const { allowUnsealed, name, slug } = state.mesh
  // The owner brings those of the admins, too, where the mesh moves to another broker.
  const isOwner = by === state.mesh.ownerPublicKey
  if (by !== invite.issuer && !isOwner)
    return refused("forbidden", "an invite is brought by who signed it, or the owner")
  const known = state.invites.get(invite.publicKey)
  if (known !== undefined) {
    return Equal.equals(known.invite, invite)
      ? EnrolmentAnswer.InviteAdded({ publicKey: invite.publicKey, created: false })
      : refused("conflict", "another invite has this key")
  }
  const same = state.enrolling.invites.get(invite.publicKey)
  if (same !== undefined) return waitFor(same, invite, replyTo, "another invite has this key")
  if (invite.slug !== slug || invite.meshName !== name || invite.allowUnsealed !== allowUnsealed) {
    return refused("bad_invite", "it says something else of the mesh than its owner")
  }
  const doubt = state.register.inviteDoubt(invite)
  if (doubt !== undefined) return refused("bad_invite", `it proves nothing: ${doubt}`)
  // Members came by one of those, and are brought behind it.
  if (!isOwner && Date.parse(invite.expiresAt) <= nowMillis) return refused("expired", "it has expired already")
  forgetSpent(state, nowMillis)
  const open = [...state.invites.values()].filter((one) => stateOf(state, one, nowMillis) === "open")
  if (open.length + state.enrolling.invites.size >= limits.invitesPerMeshMax) {
    return refused("full", `a mesh has ${limits.invitesPerMeshMax} open invites at most; revoke some`)
  }
  state.enrolling.invites.set(invite.publicKey, underWay(asked, invite))
  return "write"
}

/** The very same that is being committed has its answer; any other one stands in its way. */
const waitFor = <A>({ others, record }: UnderWay<A>, asked: A, replyTo: CorrelationId, conflict: string): Verdict => {
  if (!Equal.equals(record, asked)) return refused("conflict", conflict)
  others.push(replyTo)
  return "waits"
}

/** Those that nobody came by, and nobody can: retention removes their rows, too. */
const forgetSpent = (state: MeshState, nowMillis: number): void => {
  for (const [key, { invite, used }] of state.invites) {
    if (used > 0 || Date.parse(invite.expiresAt) + state.rules.limits.inviteRetentionMillis > nowMillis) continue
    state.invites.delete(key)
    state.register.forgetInvite(key)
  }
}

const stateOf = (state: MeshState, { invite, used }: InviteRecord, nowMillis: number): InviteState["state"] => {
  if (state.register.inviteDoubt(invite) !== undefined) return "revoked"
  if (used >= invite.uses) return "used_up"
  return Date.parse(invite.expiresAt) <= nowMillis ? "expired" : "open"
}

const listInvites = (state: MeshState, by: PublicKey, nowMillis: number): Verdict =>
  state.register.isAdmin(by)
    ? EnrolmentAnswer.Invites({
        invites: [...state.invites.values()].map((known) => ({
          invite: known.invite,
          used: known.used,
          state: stateOf(state, known, nowMillis),
        })),
      })
    : refused("forbidden", "only the owner and admins may see the invites")

const join = (
  state: MeshState,
  asked: Extract<Enrolment, { readonly _tag: "Join" }>,
  replyTo: CorrelationId,
  nowMillis: number,
): Verdict => {
  const { by, certificate } = asked
  const { memberId, publicKey } = certificate
  const isBrought = by === state.mesh.ownerPublicKey
  if (by !== publicKey && !isBrought) {
    return refused("forbidden", "whoever joins signs the request with the key that joins")
  }
  if (state.register.isRevoked(publicKey)) return refused("revoked", "this key was revoked")
  const member = state.members.get(publicKey)
  if (member !== undefined) {
    return Equal.equals(member.record.certificate, certificate)
      ? EnrolmentAnswer.Joined({ memberId, created: false })
      : refused("conflict", "this key has joined already, in another way")
  }
  const same = state.enrolling.joins.get(publicKey)
  if (same !== undefined) return waitFor(same, certificate, replyTo, "this key is joining")
  const refusal = joinRefusal(state, certificate, nowMillis, isBrought)
  if (refusal !== undefined) return refusal
  state.enrolling.joins.set(publicKey, underWay(asked, certificate))
  return "write"
}

/**
 * `isBrought`: it joined at another broker, as its certificate proves, and the owner brings it along. Whether that was in time, and
 * under a name that was free, was seen there.
 */
const joinRefusal = (
  state: MeshState,
  certificate: Certificate,
  nowMillis: number,
  isBrought: boolean,
): EnrolmentAnswer | undefined => {
  const known = state.invites.get(certificate.invite)
  if (known === undefined) return refused("bad_invite", "there is no such invite")
  // It was good when it was added.
  if (state.register.inviteDoubt(known.invite) !== undefined) return refused("revoked", "the invite was revoked")
  if (!isBrought && Date.parse(known.invite.expiresAt) <= nowMillis) {
    return refused("expired", "the invite has expired")
  }
  const joining = [...state.enrolling.joins.values()].map((one) => one.record)
  const by = joining.filter(({ invite }) => invite === certificate.invite)
  if (known.used + by.length >= known.invite.uses) return refused("used_up", "the invite has no use left")
  const doubt = state.register.certificateDoubt(certificate)
  if (doubt !== undefined) return refused("bad_certificate", `the certificate proves nothing: ${doubt}`)
  if (!isBrought && Math.abs(Date.parse(certificate.joinedAt) - nowMillis) > joinedSkewMillis) {
    return refused("bad_certificate", "its time is more than 10 minutes from the broker's; set your clock")
  }
  const { memberId } = certificate
  const isTaken = state.membersById.has(memberId) || state.former.has(memberId)
  if (isTaken || joining.some((one) => one.memberId === memberId)) {
    return refused("conflict", "another member has this id")
  }
  const namesake = isBrought ? undefined : namesakeOf(state, certificate, joining)
  if (namesake !== undefined) return nameTaken(certificate.displayName, namesake)
  const most = state.rules.limits.membersPerMeshMax
  return state.members.size + joining.length >= most ? refused("full", `a mesh has ${most} members at most`) : undefined
}

type Called = Pick<Certificate, "displayName" | "publicKey">

/**
 * Who is called so already, or so that a reader takes one for the other, or will be once it is committed. Whoever was revoked or has
 * left is no member any more: the same person comes back under the same name. A mesh may have two from before this was looked at.
 */
const namesakeOf = (
  { members }: MeshState,
  { displayName }: Called,
  joining: ReadonlyArray<Certificate>,
): Called | undefined => {
  const called = [...[...members.values()].map(({ record }): Called => record), ...joining]
  return called.find((one) => looksTheSame(one.displayName, displayName))
}

const nameTaken = (asked: string, { displayName, publicKey }: Called): EnrolmentAnswer =>
  refused(
    "name_taken",
    `${JSON.stringify(asked)} is taken: a member is called ${JSON.stringify(displayName)} (${publicKey.slice(0, 8)}), which is the same, or looks the same`,
  )

const revoke = (
  state: MeshState,
  asked: Extract<Enrolment, { readonly _tag: "Revoke" }>,
  replyTo: CorrelationId,
): Verdict => {
  const { by, revocation } = asked
  const { version } = revocation
  // It proves itself, so any member may bring it: also one that this broker had once, and lost with its database.
  const isMember = state.register.isAdmin(by) || state.register.standingOf(by)._tag === "Certified"
  if (by !== revocation.by && !isMember)
    return refused("forbidden", "a revocation is brought by who signed it, or by a member")
  // Its answer was lost: whoever left cannot sign another one.
  if (Equal.equals(state.register.revocations[version - 1], revocation)) return EnrolmentAnswer.Revoked({ version })
  const { revoking } = state.enrolling
  if (revoking !== undefined) return waitFor(revoking, revocation, replyTo, "another revocation is under way")
  switch (state.register.refusalOf(revocation)) {
    case "not_next":
      return refused("conflict", "the list of revocations has grown meanwhile; look at it and sign again")
    case "not_entitled":
      return refused(
        "forbidden",
        "members are put out by an admin or the owner, the owner by nobody else, and each by itself",
      )
    case "bad_signature":
      return refused("forbidden", "the signature is not that key's")
    case undefined:
      state.enrolling.revoking = underWay(asked, revocation)
      return "write"
  }
}

/** A broker cannot make one, and need not believe who brings it: the owner's signature decides, and the higher version. */
const move = (
  state: MeshState,
  { by, moved }: Extract<Enrolment, { readonly _tag: "Move" }>,
  replyTo: CorrelationId,
): Verdict => {
  const { meshId, ownerPublicKey } = state.mesh
  const isMember = by === ownerPublicKey || state.register.standingOf(by)._tag === "Certified"
  if (!isMember) return refused("forbidden", "a move is brought by the owner, or by a member")
  const { version = 0 } = state.moved ?? {}
  const accepted = acceptMove(moved, { meshId, ownerPublicKey, version }, state.register.verifier)
  if (Result.isFailure(accepted)) {
    if (accepted.failure !== "not_newer") return refused("forbidden", "only the owner of a mesh moves it")
    return Equal.equals(state.moved, moved)
      ? EnrolmentAnswer.MoveTaken({ version })
      : refused("conflict", "a later move of the mesh is known here")
  }
  const { moving } = state.enrolling
  if (moving !== undefined) return waitFor(moving, moved, replyTo, "another move is under way")
  state.enrolling.moving = underWay({ _tag: "Move", by, moved }, moved)
  return "write"
}

/** Only what is stored counts, and what waited for it is decided then. */
export const enrolled = (decision: Decision, completion: Enrolled): void => {
  const { actions, state } = decision
  const { enrolment, outcome, replyTo } = completion
  const reason = Exit.isFailure(outcome) ? reasonOf(outcome.cause) : undefined
  if (reason === "unavailable") return inDoubt(decision, completion)
  const { after, others } = settle(state, enrolment)
  const replyAll = (answer: EnrolmentAnswer, toOthers = answer) => {
    if (replyTo !== undefined) actions.push(replyWith(replyTo, answer))
    for (const other of others) actions.push(replyWith(other, toOthers))
  }
  if (reason === undefined) written(decision, enrolment, replyAll)
  else {
    const isFull = reason === "rejected" && enrolment._tag === "Join"
    replyAll(isFull ? refused("used_up", "the invite has no use left") : notStored)
  }
  for (const one of after) {
    if (reason === "fenced") actions.push(replyWith(one.replyTo, notStored))
    else enrol(decision, one)
  }
}

/**
 * It may have been stored, and may still be: nothing else is known of whoever is let in or put out by it. All who wait are
 * told to ask again, and it is written again by the mesh itself until it is known.
 */
const inDoubt = ({ actions, state }: Decision, { enrolment, replyTo }: Enrolled): void => {
  if (replyTo !== undefined) actions.push(replyWith(replyTo, notStored))
  const one = underWayOf(state, enrolment)
  if (one === undefined) return
  for (const other of one.others.splice(0)) actions.push(replyWith(other, notStored))
  for (const command of one.after.splice(0)) actions.push(replyWith(command.replyTo, notStored))
  one.isWriting = false
  one.failures += 1
  if (one.isTriedLater) return
  one.isTriedLater = true
  const unwritten = { _tag: "Enrolled", enrolment, replyTo: undefined } as const
  actions.push(Action.Later({ millis: delayAfter(one.failures), completion: Completion.WriteAgain({ unwritten }) }))
}

export const enrolAgain = (
  decision: Decision,
  { enrolment }: Extract<Unwritten, { readonly _tag: "Enrolled" }>,
): void => {
  const one = underWayOf(decision.state, enrolment)
  // Its outcome has been heard since, and there may be another one by its key.
  if (one === undefined || one.enrolment !== enrolment) return
  one.isTriedLater = false
  hurry(decision, one)
}

const notStored = refused("unavailable", "it could not be stored; try again")

const written = (
  decision: Decision,
  enrolment: Enrolment,
  replyAll: (answer: EnrolmentAnswer, toOthers?: EnrolmentAnswer) => void,
): void => {
  const { state } = decision
  switch (enrolment._tag) {
    case "AddInvite": {
      const { invite } = enrolment
      state.invites.set(invite.publicKey, { invite, used: 0 })
      state.register.learnInvite(invite)
      return replyAll(
        EnrolmentAnswer.InviteAdded({ publicKey: invite.publicKey, created: true }),
        EnrolmentAnswer.InviteAdded({ publicKey: invite.publicKey, created: false }),
      )
    }
    case "Join": {
      const { certificate } = enrolment
      // Its invite may have been revoked while it was under way.
      if (!addMember(state, certificate)) return replyAll(refused("revoked", "the invite was revoked"))
      const { memberId } = certificate
      const member = state.members.get(certificate.publicKey)
      tellAll(decision, { type: "members_changed", ...(member && { member: entryOf(member) }) })
      return replyAll(
        EnrolmentAnswer.Joined({ memberId, created: true }),
        EnrolmentAnswer.Joined({ memberId, created: false }),
      )
    }
    case "Revoke": {
      // It was good when it was decided, and whatever it was judged by can only have grown.
      Result.getOrThrow(state.register.learnRevocation(enrolment.revocation, true))
      replyAll(EnrolmentAnswer.Revoked({ version: state.register.version }))
      return expelRevoked(decision)
    }
    case "Move": {
      const { moved } = enrolment
      state.moved = moved
      replyAll(EnrolmentAnswer.MoveTaken({ version: moved.version }))
      return tellAll(decision, { type: "mesh_moved", moved })
    }
    case "ListInvites":
  }
}

/** Whether it is one: its use is counted and its id taken anyhow, as in the store. */
const addMember = (state: MeshState, certificate: Certificate): boolean => {
  const { displayName, invite, memberId, publicKey } = certificate
  const record: MemberRecord = { memberId, publicKey, displayName, certificate }
  state.register.learnCertificate(certificate)
  const known = state.invites.get(invite)
  if (known !== undefined) state.invites.set(invite, { ...known, used: known.used + 1 })
  if (state.register.isRevoked(publicKey)) {
    state.former.set(memberId, record)
    return false
  }
  const member = new Member(record, state.rules.limits)
  state.members.set(publicKey, member)
  state.membersById.set(memberId, member)
  return true
}

/** Out at once: no socket, no lease, no audience, no list has them any more. The others are told to look. */
const expelRevoked = (decision: Decision): void => {
  const { state } = decision
  for (const member of state.members.values()) {
    if (state.register.isRevoked(member.key)) expel(decision, member)
  }
  tellAll(decision, { type: "trust_changed", version: state.register.version })
}

const tellAll = (decision: Decision, frame: BrokerFrame): void => {
  const { actions, state } = decision
  const shared = new SharedFrame(frame)
  for (const { peer, protocol } of state.connections.values()) {
    if (protocol === 2) actions.push(Action.Tell({ peer, frame: shared }))
  }
}

const expel = (decision: Decision, member: Member): void => {
  const { actions, nowMillis, state } = decision
  for (const connection of member.connections) {
    actions.push(Action.Close({ peer: connection.peer, reason: CloseCode.revoked }))
    drop(decision, connection)
    if (!connection.transient) actions.push(detached(state, connection.session, nowMillis))
  }
  for (const session of member.sessions.values()) {
    dropSessionLease(state, session)
    state.sessionCount -= 1
  }
  state.members.delete(member.key)
  state.membersById.delete(member.record.memberId)
  // What it had sent is still its own.
  state.former.set(member.record.memberId, member.record)
}
