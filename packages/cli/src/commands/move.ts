/**
 * `move`: a mesh whose broker has another address now. Nothing of one's keys changes. The new broker is asked first whether
 * it knows this member, unless it is not up yet.
 */
import { ConfigFile } from "@claudemesh/client/keys/ConfigFile"
import { Console, Effect, Option, Result } from "effect"
import { Argument, Command, Flag } from "effect/unstable/cli"
import { Failed, failed } from "../Failed.ts"
import { command } from "../Launch.ts"
import { clientLayer, connectedTo, theMesh } from "../Meshes.ts"
import { bold, printJson } from "../Output.ts"
import { brokerUrl } from "./create.ts"
import * as Flags from "./Flags.ts"

export const move = Command.make(
  "move",
  {
    slug: Argument.String("mesh").pipe(Argument.withDescription("The mesh whose broker has moved, by its slug")),
    url: Argument.String("url").pipe(
      Argument.withDescription("Where its broker is now, such as wss://mesh.example.com"),
    ),
    unchecked: Flag.Boolean("unchecked").pipe(
      Flag.withDescription("Write it down without asking that broker, which may not be up yet"),
      Flag.withDefault(false),
    ),
    json: Flags.json,
  },
  Effect.fn(
    function* ({ json, slug, unchecked, url }) {
      const membership = yield* theMesh(Option.some(slug))
      const to = yield* brokerUrl(url)
      const from = membership.brokerUrl
      if (from === to) return yield* new Failed({ reason: `${slug} is at ${to} already.`, code: "already_there" })
      if (!unchecked) {
        yield* Effect.mapError(connectedTo({ ...membership, brokerUrl: to }), (error) => {
          const { code = "failed", words } = failed(error)
          const hint = `If it is not up yet: ${command} move ${slug} ${to} --unchecked`
          return new Failed({ reason: `${slug} stays at ${from}: ${words.replace(/[.;]?$/, ".")} ${hint}`, code, hint })
        })
      }
      yield* (yield* ConfigFile).update((meshes) =>
        Result.succeed(meshes.map((mesh) => (mesh.meshId === membership.meshId ? { ...mesh, brokerUrl: to } : mesh))),
      )
      if (json) return yield* printJson({ mesh: slug, brokerUrl: to, before: from, checked: !unchecked })
      yield* Console.log(
        [
          `${bold(slug)} is at ${to} now. Your key and what waits on this machine stay; your agents here follow.`,
          `The other members run the same: claudemesh move ${slug} ${to}`,
        ].join("\n"),
      )
    },
    Effect.scoped,
    Effect.provide(clientLayer),
    Effect.mapError(failed),
  ),
).pipe(
  Command.withDescription("Follow a mesh whose broker has another address now"),
  Command.withExamples([
    {
      command: "claudemesh move my-team wss://mesh.example.com",
      description: "Asks that broker first whether it knows you",
    },
    { command: "claudemesh move my-team wss://mesh.example.com --unchecked", description: "Before it is up" },
  ]),
)
