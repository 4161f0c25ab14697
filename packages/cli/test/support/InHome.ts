/** A command in a home whose mesh is there, or in one of its own, and what it did. */
import { assert } from "@effect/vitest"
import { Effect } from "effect"
import { makeMesh, type TestMesh } from "../../../broker/test/support/Meshes.ts"
import { startBroker, temporaryFolder, type TestBroker } from "../../../broker/test/support/TestBroker.ts"
import { claudemesh, type Ran } from "./Agent.ts"
import { writeHome } from "./Homes.ts"

interface Stage {
  readonly broker: TestBroker
  readonly folder: string
  readonly mesh: TestMesh
  /** Runs the command in the home of alice, who is in the mesh `red`. */
  readonly alice: (...args: ReadonlyArray<string>) => Promise<Ran>
}

export const inHome =
  (home: string) =>
  (...args: ReadonlyArray<string>) =>
    claudemesh(args, { CLAUDEMESH_HOME: home })

export const scenario = (tell: (stage: Stage) => Promise<void>, names: ReadonlyArray<string> = ["alice", "bob"]) =>
  Effect.scoped(
    Effect.gen(function* () {
      const broker = yield* startBroker()
      const folder = yield* temporaryFolder
      yield* Effect.promise(async () => {
        const mesh = await makeMesh(broker.origin, names)
        const home = await writeHome(folder, "alice", [{ slug: "red", brokerUrl: broker.url, mesh }])
        await tell({ broker, folder, mesh, alice: inHome(home) })
      })
    }),
  )

export const withFolder = (tell: (folder: string) => Promise<void>) =>
  Effect.scoped(Effect.flatMap(temporaryFolder, (folder) => Effect.promise(() => tell(folder))))

/** Did what it was asked, and complained of nothing. */
export const doneQuietly = ({ code, stderr, stdout }: Ran): string => {
  assert.deepStrictEqual({ code, stderr }, { code: 0, stderr: "" })
  return stdout
}
