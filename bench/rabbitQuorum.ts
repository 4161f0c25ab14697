/**
 * The load of `RivalLoad.ts` for RabbitMQ: a quorum queue for each receiver, on its one node, and publisher confirms, which
 * come once a message is on the disk. What comes in one read is acked at once, as our own load does it. A resend is another
 * message: RabbitMQ does not look at ids.
 */
import { type ConsumeMessage, connect } from "amqplib"
import { runRivalLoad, unackedMax } from "./RivalLoad.ts"

await runRivalLoad(async (port) => {
  const connection = await connect(`amqp://guest:guest@127.0.0.1:${port}`, { noDelay: true })
  const channel = await connection.createConfirmChannel()

  const receive = async (queue: string, take: (text: string) => void) => {
    await channel.assertQueue(queue, { durable: true, arguments: { "x-queue-type": "quorum" } })
    await channel.prefetch(unackedMax)
    let last: ConsumeMessage | undefined
    await channel.consume(queue, (message) => {
      if (message === null) throw new Error("the server cancelled a consumer")
      take(message.content.toString("latin1"))
      if (last === undefined)
        queueMicrotask(() => {
          if (last !== undefined) channel.ack(last, true)
          last = undefined
        })
      last = message
    })
  }

  return {
    send: (queue, text) =>
      new Promise<void>((resolve, reject) => {
        const options = { persistent: true, messageId: Bun.randomUUIDv7() }
        channel.sendToQueue(queue, Buffer.from(text, "latin1"), options, (error) =>
          error === null ? resolve() : reject(error),
        )
      }),
    receive,
    close: async () => {
      await channel.close()
      await connection.close()
    },
  }
})
