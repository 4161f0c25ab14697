/** A broker in this process with one mesh, `red`, and what its members come with: agents, raw hosts, raw clients. */
import { Effect, type Scope } from "effect"
import { makeMesh, type TestMesh } from "../../../broker/test/support/Meshes.ts"
import { RawClient } from "../../../broker/test/support/RawClient.ts"
import { startBroker, temporaryFolder, type TestBroker } from "../../../broker/test/support/TestBroker.ts"
import { type Agent, agent } from "./Agent.ts"
import { type Joined, writeHome } from "./Homes.ts"

export interface Stage {
  readonly broker: TestBroker
  readonly mesh: TestMesh
  /** The mesh as `red` on its broker. */
  readonly red: Joined
  /** A member's folder, in `red` unless other meshes are given. */
  readonly home: (name: string, joined?: ReadonlyArray<Joined>) => Effect.Effect<string>
  /** A member's agent. */
  readonly join: (
    name: string,
    environment?: Readonly<Record<string, string>>,
    joined?: ReadonlyArray<Joined>,
  ) => Effect.Effect<Agent, never, Scope.Scope>
  readonly raw: (name: string, sessionId?: string) => Promise<RawClient>
}

export const stage = Effect.fnUntraced(function* (
  names: ReadonlyArray<string> = ["alice", "bob"],
  environment: Readonly<Record<string, string>> = {},
) {
  const broker = yield* startBroker({ environment })
  const folder = yield* temporaryFolder
  const mesh = yield* Effect.promise(() => makeMesh(broker.origin, names))
  const red: Joined = { slug: "red", brokerUrl: broker.url, mesh }
  const home: Stage["home"] = (name, joined = [red]) => Effect.promise(() => writeHome(folder, name, joined))
  const join: Stage["join"] = (name, environment, joined) =>
    Effect.flatMap(home(name, joined), (folder) => agent(folder, environment))
  const raw: Stage["raw"] = (name, sessionId) =>
    RawClient.authenticatedV2(broker.url, mesh.member(name), sessionId === undefined ? {} : { sessionId })
  return { broker, mesh, red, home, join, raw } satisfies Stage
})
