/** The broker as `npm start` runs it, but for the rates and the number of sockets: what is measured is how much it can do. */
import * as BunRuntime from "@effect/platform-bun/BunRuntime"
import { Broker } from "@claudemesh/broker/Broker"
import { brokerConfig } from "@claudemesh/broker/Config"
import { Effect, Layer } from "effect"
import { profileOnSignal } from "./Profile.ts"

profileOnSignal()

const unlimited = 1e9

BunRuntime.runMain(
  Effect.flatMap(brokerConfig, (config) =>
    Layer.launch(
      Broker.layer({
        ...config,
        limits: {
          ...config.limits,
          sendsPerSecond: unlimited,
          sendsBurst: unlimited,
          memberFramesPerSecond: unlimited,
          memberFramesBurst: unlimited,
          framesPerSecond: unlimited,
          framesBurst: unlimited,
          requestNoncesPerAddressMax: unlimited,
          requestsPerAddressPerSecond: unlimited,
          requestsPerAddressBurst: unlimited,
          otherRequestsPerAddressPerSecond: unlimited,
          otherRequestsPerAddressBurst: unlimited,
          socketsPerAddressMax: unlimited,
          socketsPerAddressPerSecond: unlimited,
          socketsPerAddressBurst: unlimited,
          connectionsMax: unlimited,
        },
      }),
    ),
  ),
)
