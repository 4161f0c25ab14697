/** What every command stands on, beside the platform: the config file, what this machine keeps, and HTTP. */
import * as BunCrypto from "@effect/platform-bun/BunCrypto"
import { ConfigFile } from "@claudemesh/client/keys/ConfigFile"
import { StateDb } from "@claudemesh/client/local/StateDb"
import { localStores } from "@claudemesh/client/LocalStores"
import { messageTraces } from "@claudemesh/domain/MessageTraces"
import { keepMoveInConfig } from "@claudemesh/client/trust/FollowMove"
import { Layer } from "effect"
import manifest from "../package.json" with { type: "json" }
import { FetchHttpClient } from "effect/unstable/http"

export const services = Layer.mergeAll(localStores, Layer.provideMerge(keepMoveInConfig, ConfigFile.layer)).pipe(
  Layer.provideMerge(StateDb.layer),
  Layer.provideMerge(
    Layer.mergeAll(BunCrypto.layer, FetchHttpClient.layer, messageTraces("claudemesh", manifest.version)),
  ),
)
