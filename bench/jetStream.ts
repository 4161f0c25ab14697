/**
 * The load of `RivalLoad.ts` for NATS JetStream: a stream of files for each receiver, from which an ack removes (a work queue),
 * and a durable consumer that pulls. With `sync_interval: always` what is confirmed is on the disk. A send has an id
 * (`Nats-Msg-Id`), by which JetStream knows a resend for two minutes: a few are said twice, as in our own load.
 */
import { AckPolicy, jetstream, jetstreamManager, RetentionPolicy, StorageType } from "@nats-io/jetstream"
import { connect } from "@nats-io/transport-node"
import { twiceEvery } from "./LoadShape.ts"
import { runRivalLoad, unackedMax } from "./RivalLoad.ts"

await runRivalLoad(async (port) => {
  const connection = await connect({ servers: `127.0.0.1:${port}` })
  const stream = jetstream(connection)

  return {
    send: async (inbox, text, number) => {
      const options = { msgID: Bun.randomUUIDv7() }
      const resent = number % twiceEvery === 0 ? stream.publish(inbox, text, options) : undefined
      const [first, second] = await Promise.all([stream.publish(inbox, text, options), resent])
      if (second !== undefined && first.seq !== second.seq) throw new Error("a resend got another result")
    },
    receive: async (inbox, take) => {
      const manager = await jetstreamManager(connection)
      const kept = { retention: RetentionPolicy.Workqueue, storage: StorageType.File, num_replicas: 1 }
      await manager.streams.add({ name: inbox, subjects: [inbox], ...kept })
      const bounded = { ack_policy: AckPolicy.Explicit, max_ack_pending: unackedMax }
      await manager.consumers.add(inbox, { durable_name: "receiver", ...bounded })
      const consumer = await stream.consumers.get(inbox, "receiver")
      await consumer.consume({
        max_messages: unackedMax,
        callback: (message) => {
          take(message.string())
          message.ack()
        },
      })
    },
    close: () => connection.drain(),
  }
})
