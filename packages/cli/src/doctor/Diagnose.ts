/** All checks: this machine, then brokers and hosts at once. What one of them waits for holds up no other. */
import { Effect } from "effect"
import { theMachine } from "../install/Machine.ts"
import { checkBroker } from "./CheckBroker.ts"
import { checkHosts } from "./CheckHosts.ts"
import { checkLocal } from "./CheckLocal.ts"

export const diagnose = Effect.gen(function* () {
  const { findings, meshes } = yield* checkLocal
  const machine = yield* theMachine
  const [brokers, hosts] = yield* Effect.all(
    [Effect.forEach(meshes, checkBroker, { concurrency: "unbounded" }), checkHosts(machine)],
    { concurrency: "unbounded" },
  )
  return [...findings, ...brokers.flat(), ...hosts]
})
