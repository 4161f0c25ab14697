/**
 * The routes of the domain as an `HttpApi`, with what each can be refused for and what a request passes before it is handled.
 * Bodies are read as text, since a signature is over the text, and decoded as JSON behind the proof.
 */
import { HttpRoutes } from "@claudemesh/domain/wire/HttpRoutes"
import { type HttpErrorCode, httpStatusOf } from "@claudemesh/domain/wire/HttpErrorCode"
import { Context, Effect, Schema } from "effect"
import * as HttpApi from "effect/unstable/httpapi/HttpApi"
import * as HttpApiEndpoint from "effect/unstable/httpapi/HttpApiEndpoint"
import * as HttpApiGroup from "effect/unstable/httpapi/HttpApiGroup"
import * as HttpApiMiddleware from "effect/unstable/httpapi/HttpApiMiddleware"
import * as HttpApiSchema from "effect/unstable/httpapi/HttpApiSchema"
import type { ProvedRequest } from "./SignedRequests.ts"

const refusedFor = <Code extends HttpErrorCode>(...codes: ReadonlyArray<Code>) =>
  codes.map((code) =>
    Schema.Struct({ error: Schema.Literal(code), message: Schema.String }).annotate({
      httpApiStatus: httpStatusOf[code],
    }),
  )

const json = <A>(body: Schema.Codec<A, unknown>) =>
  Schema.fromJsonString(body).pipe(HttpApiSchema.asText({ contentType: "application/json" }))

const html = (answer: typeof Schema.String) =>
  answer.pipe(HttpApiSchema.asText({ contentType: "text/html; charset=utf-8" }))

/** What was proved of the request that is handled. */
export class Proof extends Context.Service<Proof, ProvedRequest>()("@claudemesh/broker/http/Proof") {}

/** Who reports: a member, or a hook of the first clients, which proves nothing. */
export class Reporter extends Context.Service<Reporter, ProvedRequest | undefined>()(
  "@claudemesh/broker/http/Reporter",
) {}

/** The body is whole, in time and within its bound, and its signature was checked (`Guard.ts`). */
export class Signed extends HttpApiMiddleware.Service<Signed, { provides: Proof }>()(
  "@claudemesh/broker/http/Signed",
) {}

/** As `Signed` where there is a signature (`HookReports.ts`). */
export class SignedOrLocal extends HttpApiMiddleware.Service<SignedOrLocal, { provides: Reporter }>()(
  "@claudemesh/broker/http/SignedOrLocal",
) {}

/** Whoever asks may make meshes here, by the operator's word (`Meshes.ts`). */
export class Founder extends HttpApiMiddleware.Service<Founder>()("@claudemesh/broker/http/Founder", {
  error: refusedFor("closed", "unauthorized"),
}) {}

/** A body that does not fit is refused with what is wrong with it. */
export class WellFormed extends HttpApiMiddleware.Service<WellFormed>()("@claudemesh/broker/http/WellFormed", {
  error: refusedFor("malformed"),
}) {
  static readonly layer = HttpApiMiddleware.layerSchemaErrorTransform(WellFormed, (error) =>
    error.kind === "Payload"
      ? Effect.fail({ error: "malformed" as const, message: error.cause.message })
      : Effect.die(error),
  )
}

const { addInvite, createMesh, health, join, joinPage, listInvites, move, ready, reportStatus, revoke, statusPage } =
  HttpRoutes

const byEverybody = refusedFor("malformed", "unknown_mesh", "unavailable")
const byMember = refusedFor("forbidden", "bad_invite", "bad_certificate", "used_up", "expired", "revoked")
const byState = refusedFor("conflict", "name_taken", "full")
const enrolling = [...byEverybody, ...byMember, ...byState]

export const BrokerApi = HttpApi.make("claudemesh").add(
  HttpApiGroup.make("meshes")
    .add(
      HttpApiEndpoint.make(createMesh.method)("createMesh", createMesh.path, {
        payload: json(createMesh.body),
        success: createMesh.answer.members,
        error: refusedFor(
          "malformed",
          "bad_key",
          "bad_invite",
          "bad_certificate",
          "forbidden",
          "conflict",
          "full",
          "unavailable",
        ),
      }),
    )
    .middleware(WellFormed)
    .middleware(Signed)
    .middleware(Founder),
  HttpApiGroup.make("enrolments")
    .add(
      HttpApiEndpoint.make(addInvite.method)("addInvite", addInvite.path, {
        payload: json(addInvite.body),
        success: addInvite.answer.members,
        error: enrolling,
      }),
      HttpApiEndpoint.make(listInvites.method)("listInvites", listInvites.path, {
        success: listInvites.answer,
        error: enrolling,
      }),
      HttpApiEndpoint.make(join.method)("join", join.path, {
        payload: json(join.body),
        success: join.answer.members,
        error: enrolling,
      }),
      HttpApiEndpoint.make(revoke.method)("revoke", revoke.path, {
        payload: json(revoke.body),
        success: revoke.answer,
        error: enrolling,
      }),
      HttpApiEndpoint.make(move.method)("move", move.path, {
        payload: json(move.body),
        success: move.answer,
        error: enrolling,
      }),
    )
    .middleware(WellFormed)
    .middleware(Signed),
  HttpApiGroup.make("hooks")
    .add(
      HttpApiEndpoint.make(reportStatus.method)("reportStatus", reportStatus.path, {
        payload: json(reportStatus.body),
        success: reportStatus.answer,
        error: [...byEverybody, ...refusedFor("revoked")],
      }),
    )
    .middleware(WellFormed)
    .middleware(SignedOrLocal),
  HttpApiGroup.make("public").add(
    HttpApiEndpoint.make(health.method)("health", health.path, { success: health.answer.members }),
    HttpApiEndpoint.make(ready.method)("ready", ready.path, { success: ready.answer.members }),
    HttpApiEndpoint.make(joinPage.method)("joinPage", joinPage.path, { success: html(joinPage.answer) }),
    HttpApiEndpoint.make(statusPage.method)("statusPage", statusPage.path, { success: html(statusPage.answer) }),
  ),
)
