/** `peers`: who is in each mesh, and which of their sessions are connected. */
import { Console, Effect } from "effect"
import { Command } from "effect/unstable/cli"
import { failed } from "../Failed.ts"
import { chosenMeshes, clientLayer, connect } from "../Meshes.ts"
import { printable, printJson, shortKey, table } from "../Output.ts"
import * as Flags from "./Flags.ts"

const connectWaitMillis = 5_000

export const peers = Command.make(
  "peers",
  { mesh: Flags.mesh, json: Flags.json },
  Effect.fn(
    function* ({ json, mesh }) {
      const { all } = yield* connect(yield* chosenMeshes(mesh), false)
      const meshes = yield* Effect.forEach(
        all,
        (client) =>
          client.awaitConnected(connectWaitMillis).pipe(
            Effect.andThen(Effect.all([client.members, client.peers], { concurrency: 2 })),
            Effect.map(([members, sessions]) => ({ slug: client.membership.slug, members, sessions })),
            Effect.mapError(failed),
          ),
        { concurrency: "unbounded" },
      )
      const rows = meshes.flatMap(({ members, sessions, slug }) =>
        members.map((member) => ({
          mesh: slug,
          memberId: member.memberId,
          displayName: member.displayName,
          publicKey: member.pubkey,
          sessions: sessions
            .filter((session) => session.pubkey === member.pubkey)
            .map(({ profile, sessionId, status }) => ({ sessionId, status, summary: profile?.summary ?? null })),
        })),
      )
      if (json) return yield* printJson(rows)
      yield* Console.log(
        table(
          ["MESH", "NAME", "KEY", "STATUS", "SESSION", "SUMMARY"],
          rows.flatMap(({ displayName, mesh, publicKey, sessions }) =>
            (sessions.length > 0 ? sessions : [{ status: "away", sessionId: "-", summary: null }]).map((session) => [
              mesh,
              printable(displayName),
              shortKey(publicKey),
              session.status,
              session.sessionId,
              printable(session.summary ?? "").replaceAll("\n", " "),
            ]),
          ),
        ),
      )
    },
    Effect.scoped,
    Effect.provide(clientLayer),
  ),
).pipe(
  Command.withDescription("Show who is in your meshes, and who is connected"),
  Command.withExamples([{ command: "claudemesh peers --mesh my-team", description: "Only one mesh" }]),
)
