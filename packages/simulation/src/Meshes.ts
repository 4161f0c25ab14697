/** The people of a run: who is in which mesh, with the same keys and session ids in both, and on which machines they work. */
import type { MessageStore } from "@claudemesh/broker/store/MessageStore"
import { membershipIn, newMemberKeys, newMesh } from "@claudemesh/client/invite/NewMesh"
import { BrokerUrl } from "@claudemesh/client/keys/BrokerUrl"
import { DisplayName, SessionId, Slug } from "@claudemesh/domain/Ids"
import { Effect } from "effect"
import type { Chance } from "./Chance.ts"
import { makeMachine } from "./Machine.ts"
import { type Seat, tagNames } from "./Seat.ts"
import type { VirtualTime } from "./VirtualTime.ts"

const url = BrokerUrl.make("ws://127.0.0.1:7900/ws")
export const audience = "ws://127.0.0.1:7900"

const people = ["alice", "bob", "carol"].map((name) => DisplayName.make(name))
const meshes = [
  { slug: Slug.make("first"), members: [0, 1, 2], seatsOfEach: 2 },
  { slug: Slug.make("second"), members: [0, 1], seatsOfEach: 1 },
]

/** So many people have a second machine, and so many seats a second process that is given their session id. */
const secondMachines = 0.3
const twins = 0.2

export const makeSeats = Effect.fnUntraced(function* (options: {
  readonly store: typeof MessageStore.Service
  readonly time: VirtualTime
  readonly chance: Chance
  readonly offsetMillis: number
}) {
  const { chance } = options
  const machinesOf = yield* Effect.forEach(people, (person) =>
    Effect.forEach(Array.from({ length: chance.happens(secondMachines) ? 2 : 1 }), (_, index) =>
      makeMachine({ ...options, name: `${person}-${index + 1}` }),
    ),
  )
  const joined = yield* makeMeshes(options.store)
  const seats = joined.flatMap(({ membership, person, seatsOfEach }) =>
    Array.from({ length: seatsOfEach }, (_, index) => {
      const machine = chance.pick(machinesOf[person] ?? [])
      return machine === undefined ? [] : seatsAt({ membership, machine, number: index + 1, chance })
    }).flat(),
  )
  return { machines: machinesOf.flat(), seats }
})

const seatsAt = ({
  chance,
  machine,
  membership,
  number,
}: Pick<Seat, "membership" | "machine"> & {
  readonly number: number
  readonly chance: Chance
}): ReadonlyArray<Seat> => {
  const tags = tagNames.filter(() => chance.happens(0.5))
  let sessions = 1
  const seat = (isTwin: boolean): Seat => ({
    membership,
    machine,
    tags,
    sessionId: () => SessionId.make(sessions === 1 ? `s${number}` : `s${number}-${sessions}`),
    isTwin,
    agent: undefined,
    drowsyUntilMillis: 0,
    replaceSession: () => {
      sessions += 1
    },
  })
  return chance.happens(twins) ? [seat(false), seat(true)] : [seat(false)]
}

const makeMeshes = Effect.fnUntraced(function* (store: typeof MessageStore.Service) {
  // A person has the same keys in both meshes.
  const keys = yield* Effect.forEach(people, newMemberKeys)
  const all = yield* Effect.forEach(meshes, ({ members, seatsOfEach, slug }) =>
    Effect.gen(function* () {
      const mesh = yield* newMesh({
        slug,
        name: DisplayName.make(slug),
        brokerUrl: url,
        members: members.flatMap((index) => keys[index] ?? []),
        role: "member",
        allowV1: false,
      })
      const { owner, request } = mesh
      yield* store.createMesh(
        {
          meshId: request.meshId,
          slug: request.slug,
          name: request.name,
          ownerPublicKey: owner.publicKey,
          allowUnsealed: false,
        },
        request.invite,
        mesh.members.map(({ certificate, displayName, memberId, publicKey }) => ({
          memberId,
          publicKey,
          displayName,
          certificate,
        })),
        0,
      )
      return mesh.members.map((member, index) => ({
        membership: membershipIn(mesh, member),
        person: members[index] ?? 0,
        seatsOfEach,
      }))
    }),
  )
  return all.flat()
})
