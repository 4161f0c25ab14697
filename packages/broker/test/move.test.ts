/** Where the owner has moved a mesh, step by step: whose word is kept and told, and whose is not. */
import type { MeshMoved } from "@claudemesh/domain/trust/MeshMoved"
import { assert, describe, it } from "@effect/vitest"
import { inviteFrom, type Keys, keysOf, movedBy, owner } from "../../domain/test/support/Trust.ts"
import { Enrolment } from "../src/state/Enrolment.ts"
import { dave, door, type Enrolments, erin, mallory, withDoor } from "./support/Enrolments.ts"
import { storeFailure } from "./support/MeshScenario.ts"

const brings = (scenario: Enrolments, moved: MeshMoved, by: Keys = owner) =>
  scenario.code(Enrolment.Move({ by: by.key, moved }))

describe("a move of the mesh", () => {
  it("is told at once to who is there, and at the hello to who comes later, and to no v1 client", () => {
    const scenario = withDoor()
    scenario.joins(dave)
    scenario.joins(erin, door, { allowV1: true })
    const peer = scenario.attach(scenario.record(dave))
    const old = scenario.attach(scenario.record(erin), { protocol: 1, signature: "1" })
    const moved = movedBy(owner)
    assert.strictEqual(brings(scenario, moved), "MoveTaken")
    assert.deepStrictEqual(peer.last, { type: "mesh_moved", moved })
    const later = scenario.attach(scenario.record(dave), { session: "s2" })
    assert.deepInclude(
      later.frames.find(({ type }) => type === "hello_ack"),
      { moved },
    )
    assert.isFalse(JSON.stringify(old.frames).includes("moved"))
  })

  it("is the owner's alone: an admin, a member and a stranger move nothing", () => {
    const scenario = withDoor()
    const admins = keysOf("admins")
    scenario.adds(inviteFrom(admins, { role: "admin" }))
    scenario.joins(dave, admins)
    scenario.joins(erin)
    const peer = scenario.attach(scenario.record(erin))
    const before = peer.frames.length
    for (const by of [dave, erin, mallory]) assert.strictEqual(brings(scenario, movedBy(by), owner), "forbidden")
    assert.strictEqual(brings(scenario, movedBy(owner), mallory), "unknown_mesh")
    assert.strictEqual(scenario.revokes(erin), "Revoked")
    assert.strictEqual(brings(scenario, movedBy(owner), erin), "forbidden")
    assert.isUndefined(scenario.state.moved)
    assert.isFalse(JSON.stringify(peer.frames.slice(before)).includes("moved"))
  })

  it("is brought by any member, and is the same again", () => {
    const scenario = withDoor()
    scenario.joins(dave)
    const moved = movedBy(owner)
    assert.strictEqual(brings(scenario, moved, dave), "MoveTaken")
    assert.strictEqual(brings(scenario, moved), "MoveTaken")
    const peer = scenario.attach(scenario.record(dave))
    const { length } = peer.frames
    assert.strictEqual(brings(scenario, moved), "MoveTaken")
    assert.strictEqual(peer.frames.length, length)
  })

  it("gives way to a later one only", () => {
    const scenario = withDoor()
    const second = movedBy(owner, { version: 2, brokerUrl: "wss://second.example.com/ws" })
    assert.strictEqual(brings(scenario, second), "MoveTaken")
    assert.strictEqual(brings(scenario, movedBy(owner)), "conflict")
    assert.strictEqual(brings(scenario, { ...second, brokerUrl: "wss://third.example.com/ws" }), "forbidden")
    assert.deepStrictEqual(scenario.state.moved, second)
    assert.strictEqual(brings(scenario, movedBy(owner, { version: 3 })), "MoveTaken")
  })

  it("is told to nobody before it is committed", () => {
    const scenario = withDoor()
    scenario.joins(dave)
    const peer = scenario.attach(scenario.record(dave))
    scenario.ask(Enrolment.Move({ by: owner.key, moved: movedBy(owner) }))
    assert.isFalse(JSON.stringify(peer.frames).includes("moved"))
    scenario.commitOne(storeFailure("unavailable"))
    assert.isUndefined(scenario.state.moved)
    assert.strictEqual(brings(scenario, movedBy(owner)), "MoveTaken")
  })
})
