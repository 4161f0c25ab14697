/** Where everything of a person is kept on this machine: `CLAUDEMESH_HOME`, else `~/.claudemesh`. */
import { join } from "node:path"
import { Config, Effect, Layer } from "effect"

const home = Config.NonEmptyString("CLAUDEMESH_HOME").pipe(
  Config.orElse(() => Config.map(Config.NonEmptyString("HOME"), (user) => join(user, ".claudemesh"))),
)

/** What is kept there, as a layer. */
export const layerAtHome = <A, E, R>(layerIn: (directory: string) => Layer.Layer<A, E, R>) =>
  Layer.unwrap(Effect.map(home, layerIn))
