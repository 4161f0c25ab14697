/** The people of these tests: keys and sessions that are told apart at a glance. */
import { Label, MemberId, MeshId, PublicKey, SessionId } from "../../src/Ids.ts"

export const alice = PublicKey.make("a".repeat(64))
export const bob = PublicKey.make("b".repeat(64))
export const carol = PublicKey.make("c".repeat(64))

export const laptop = SessionId.make("laptop")
export const desktop = SessionId.make("desktop")

export const mesh = MeshId.make("m1")
export const aliceId = MemberId.make("mem-alice")

export const builds = Label.make("builds")
export const reviews = Label.make("reviews")
