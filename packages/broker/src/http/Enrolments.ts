/**
 * Invites, joining and revoking over HTTP. Nothing is decided here: a proved request goes to the mesh it was signed for,
 * whose actor decides.
 */
import type { MeshId } from "@claudemesh/domain/Ids"
import { Effect } from "effect"
import * as HttpApiBuilder from "effect/unstable/httpapi/HttpApiBuilder"
import { MeshHost } from "../mesh/MeshHost.ts"
import { Enrolment, type EnrolmentAnswer, unknownMesh } from "../state/Enrolment.ts"
import { BrokerApi, Proof } from "./Api.ts"
import { refuse, unavailable } from "./Refusal.ts"

export const enrolmentRoutes = HttpApiBuilder.group(BrokerApi, "enrolments", (routes) =>
  routes
    .handle("addInvite", ({ payload: invite }) =>
      enrol("InviteAdded", invite.meshId, ({ key: by }) => Enrolment.AddInvite({ by, invite })),
    )
    .handle("listInvites", () => enrol("Invites", undefined, ({ key: by }) => Enrolment.ListInvites({ by })))
    // A certificate names no mesh; its signature does, and is judged there.
    .handle("join", ({ payload: { certificate } }) =>
      enrol("Joined", undefined, ({ key: by }) => Enrolment.Join({ by, certificate })),
    )
    .handle("revoke", ({ payload: revocation }) =>
      enrol("Revoked", revocation.meshId, ({ key: by }) => Enrolment.Revoke({ by, revocation })),
    )
    .handle("move", ({ payload: moved }) =>
      enrol("MoveTaken", moved.meshId, ({ key: by }) => Enrolment.Move({ by, moved })),
    ),
)

type Granted<Tag extends EnrolmentAnswer["_tag"]> = Extract<EnrolmentAnswer, { readonly _tag: Tag }>

/** `named`: the mesh that the body is about, where it says one. */
const enrol = <Tag extends Exclude<EnrolmentAnswer["_tag"], "Refused">>(
  granted: Tag,
  named: MeshId | undefined,
  enrolment: (request: Proof["Service"]) => Enrolment,
) =>
  Effect.gen(function* () {
    const request = yield* Proof
    if (named !== undefined && named !== request.mesh) {
      return yield* refuse("malformed", "the request is signed for another mesh")
    }
    const mesh = yield* (yield* MeshHost).enter(request.mesh)
    const answer = yield* mesh.enrol(enrolment(request))
    if (answer._tag === "Refused") return yield* refuse(answer.code, answer.message)
    return isGranted(answer, granted) ? answer : yield* Effect.die(`the mesh answers ${answer._tag} for ${granted}`)
  }).pipe(
    Effect.scoped,
    Effect.catchTags({
      UnknownMesh: () => refuse(unknownMesh.code, unknownMesh.message),
      StoreError: unavailable,
      MeshUnavailable: unavailable,
    }),
  )

const isGranted = <Tag extends EnrolmentAnswer["_tag"]>(answer: EnrolmentAnswer, tag: Tag): answer is Granted<Tag> =>
  answer._tag === tag
