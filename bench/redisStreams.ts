/**
 * The load of `RivalLoad.ts` for Redis Streams: a stream and a group of one for each receiver, who reads, acknowledges and
 * removes. With `appendfsync always` what is confirmed is on the disk. A resend is another message.
 */
import { RedisClient } from "bun"
import { runRivalLoad } from "./RivalLoad.ts"

type Entries = Record<string, ReadonlyArray<readonly [id: string, fields: ReadonlyArray<string>]>>

await runRivalLoad(async (port) => {
  const connected = async () => {
    const client = new RedisClient(`redis://127.0.0.1:${port}`)
    await client.connect()
    return client
  }
  const client = await connected()

  const read = async (reading: RedisClient, stream: string, take: (text: string) => void): Promise<void> => {
    const group = ["GROUP", "group", "one", "COUNT", "256", "BLOCK", "1000", "STREAMS", stream, ">"]
    for (;;) {
      const read: Entries | null = await reading.send("XREADGROUP", group)
      const entries = read?.[stream] ?? []
      if (entries.length === 0) continue
      for (const [, fields] of entries) take(fields[1] ?? "")
      const ids = entries.map(([id]) => id)
      await Promise.all([reading.send("XACK", [stream, "group", ...ids]), reading.send("XDEL", [stream, ...ids])])
    }
  }

  return {
    send: (stream, text) => client.send("XADD", [stream, "*", "text", text]),
    // A read that waits holds up its connection, so that it has one of its own.
    receive: async (stream, take) => {
      await client.send("DEL", [stream])
      await client.send("XGROUP", ["CREATE", stream, "group", "$", "MKSTREAM"])
      void read(await connected(), stream, take)
    },
    close: () => Promise.resolve(),
  }
})
