/**
 * What of who comes in and who is put out is being committed: one record of each, and who waits for its outcome. `Enrol.ts`
 * alone begins and ends one.
 */
import type { PublicKey } from "@claudemesh/domain/Ids"
import type { Enrolment } from "../state/Enrolment.ts"
import type { MeshState, UnderWay } from "../state/MeshState.ts"

/**
 * Who comes in and who is put out is decided one after the other, since whether a revocation is good depends on what is
 * proved of its subject: two that pass each other in the store could not be read again in any order.
 */
export const decidedBefore = ({ enrolling }: MeshState, enrolment: Enrolment): UnderWay<unknown> | undefined => {
  switch (enrolment._tag) {
    case "ListInvites":
      return undefined
    case "AddInvite":
    case "Join":
      return enrolling.revoking
    case "Revoke": {
      const { subject } = enrolment.revocation
      return enrolling.joins.get(subject) ?? enrolling.invites.get(subject)
    }
    // The owner's word, which nothing of the members' standing changes.
    case "Move":
      return undefined
  }
}

export const underWay = <A>(enrolment: Enrolment, record: A): UnderWay<A> => ({
  enrolment,
  record,
  others: [],
  after: [],
  isWriting: true,
  failures: 0,
  isTriedLater: false,
})

export const underWayOf = ({ enrolling }: MeshState, enrolment: Enrolment): UnderWay<unknown> | undefined => {
  switch (enrolment._tag) {
    case "ListInvites":
      return undefined
    case "AddInvite":
      return enrolling.invites.get(enrolment.invite.publicKey)
    case "Join":
      return enrolling.joins.get(enrolment.certificate.publicKey)
    case "Revoke":
      return enrolling.revoking
    case "Move":
      return enrolling.moving
  }
}

/** It is under way no more; gives those who wait for the same answer, and what is decided only now. */
export const settle = ({ enrolling }: MeshState, enrolment: Enrolment): Pick<UnderWay<unknown>, "after" | "others"> => {
  switch (enrolment._tag) {
    case "AddInvite":
      return taken(enrolling.invites, enrolment.invite.publicKey)
    case "Join":
      return taken(enrolling.joins, enrolment.certificate.publicKey)
    case "Revoke": {
      const { revoking } = enrolling
      enrolling.revoking = undefined
      return revoking ?? nobodyWaits
    }
    case "Move": {
      const { moving } = enrolling
      enrolling.moving = undefined
      return moving ?? nobodyWaits
    }
    case "ListInvites":
      return nobodyWaits
  }
}

const nobodyWaits = { others: [], after: [] }

const taken = <A>(underWay: Map<PublicKey, UnderWay<A>>, key: PublicKey) => {
  const one = underWay.get(key) ?? nobodyWaits
  underWay.delete(key)
  return one
}
