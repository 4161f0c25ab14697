/**
 * Invites, joining and revoking over HTTP. Nothing is decided here: a proved request goes to the mesh it was signed for,
 * whose actor decides, and its answer becomes a status.
 */
import type { MeshId } from "@claudemesh/domain/Ids"
import { Invite } from "@claudemesh/domain/trust/Invite"
import { Revocation } from "@claudemesh/domain/trust/Revocation"
import { type InviteAdded, type Invites, Join, type Joined, type Revoked } from "@claudemesh/domain/wire/HttpApi"
import { Effect, Layer, Result, Schema } from "effect"
import { HttpRouter, HttpServerResponse } from "effect/unstable/http"
import { Enrolment, EnrolmentAnswer, unknownMesh } from "../state/Enrolment.ts"
import { MeshHost } from "../mesh/MeshHost.ts"
import { type Guard, proved } from "./Guard.ts"
import { joinPage } from "./JoinPage.ts"
import { refusal, unavailable } from "./Refusal.ts"
import type { ProvedRequest } from "./SignedRequests.ts"

const fromJson = <A>(schema: Schema.Codec<A, unknown>) => Schema.decodeUnknownResult(Schema.fromJsonString(schema))

const decodeInvite = fromJson(Invite)
const decodeJoin = fromJson(Join)
const decodeRevocation = fromJson(Revocation)

export const enrolmentRoutes = (guard: Guard) =>
  Layer.mergeAll(
    route(guard, "POST", "/invites", ({ body, key: by }) =>
      Result.map(decodeInvite(body), (invite) => ({
        meshId: invite.meshId,
        enrolment: Enrolment.AddInvite({ by, invite }),
      })),
    ),
    route(guard, "GET", "/invites", ({ key: by, mesh: meshId }) =>
      Result.succeed({ meshId, enrolment: Enrolment.ListInvites({ by }) }),
    ),
    // A certificate names no mesh; its signature does, and is judged there.
    route(guard, "POST", "/join", ({ body, key: by, mesh: meshId }) =>
      Result.map(decodeJoin(body), ({ certificate }) => ({ meshId, enrolment: Enrolment.Join({ by, certificate }) })),
    ),
    route(guard, "POST", "/revocations", ({ body, key: by }) =>
      Result.map(decodeRevocation(body), (revocation) => ({
        meshId: revocation.meshId,
        enrolment: Enrolment.Revoke({ by, revocation }),
      })),
    ),
    joinPage,
  )

interface Asked {
  readonly meshId: MeshId
  readonly enrolment: Enrolment
}

const route = (
  guard: Guard,
  method: "GET" | "POST",
  path: "/invites" | "/join" | "/revocations",
  read: (request: ProvedRequest) => Result.Result<Asked, { readonly message: string }>,
) =>
  HttpRouter.add(
    method,
    path,
    proved(guard, method, (request) => {
      const asked = read(request)
      if (Result.isFailure(asked)) return Effect.succeed(refusal(400, "malformed", asked.failure.message))
      const { enrolment, meshId } = asked.success
      return request.mesh === meshId
        ? enrol(meshId, enrolment)
        : Effect.succeed(refusal(400, "malformed", "the request is signed for another mesh"))
    }),
  )

const enrol = (meshId: MeshId, enrolment: Enrolment) =>
  Effect.gen(function* () {
    const mesh = yield* (yield* MeshHost).enter(meshId)
    return responseTo(yield* mesh.enrol(enrolment))
  }).pipe(
    Effect.scoped,
    Effect.catchTags({
      UnknownMesh: () => Effect.succeed(responseTo(unknownMesh)),
      StoreError: () => Effect.succeed(unavailable),
      MeshUnavailable: () => Effect.succeed(unavailable),
    }),
  )

const statuses = {
  unknown_mesh: 404,
  forbidden: 403,
  bad_invite: 400,
  bad_certificate: 400,
  used_up: 410,
  expired: 410,
  revoked: 410,
  conflict: 409,
  name_taken: 409,
  full: 409,
  unavailable: 503,
} as const satisfies Record<Extract<EnrolmentAnswer, { readonly _tag: "Refused" }>["code"], number>

const json = <A>(body: A, created: boolean) => HttpServerResponse.jsonUnsafe(body, { status: created ? 201 : 200 })

const responseTo = EnrolmentAnswer.$match({
  InviteAdded: ({ created, publicKey }) => json<typeof InviteAdded.Type>({ publicKey, created }, created),
  Invites: ({ invites }) => json<typeof Invites.Type>({ invites }, false),
  Joined: ({ created, memberId }) => json<typeof Joined.Type>({ memberId, created }, created),
  Revoked: ({ version }) => json<typeof Revoked.Type>({ version }, true),
  Refused: ({ code, message }) => refusal(statuses[code], code, message),
})
