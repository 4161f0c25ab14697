/** Members who use one of the first clients, by the commands: certified for it, with its config, and back again. */
import { mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { RawClient, seal, unseal } from "../../../broker/test/support/RawClient.ts"
import { startBroker, temporaryFolder } from "../../../broker/test/support/TestBroker.ts"
import { agent, claudemesh, complaint, done, type Ran } from "../support/Agent.ts"

const json = (ran: Ran) => JSON.parse(done(ran))

describe.concurrent("a member for first clients", () => {
  it.live("is certified as one when it joins, has its config by export, and comes back to ours by the link", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const broker = yield* startBroker()
        const folder = yield* temporaryFolder
        const person =
          (name: string) =>
          (...args: ReadonlyArray<string>): Promise<Ran> =>
            claudemesh(args, { CLAUDEMESH_HOME: join(folder, name), CLAUDEMESH_BROKER: broker.origin })
        const [ann, bob, first] = [person("ann"), person("bob"), person("first")]
        const exported = join(folder, "config.json")
        const link = yield* Effect.promise(async () => {
          done(await ann("create", "team", "--as", "Ann"))
          const link = done(await ann("invite", "--uses", "1")).trim()

          const help = done(await bob("join", "--help"))
          assert.match(
            help,
            /--allow-first-clients[^\n]*not bound to its time and its target, so the broker can repeat it/,
          )
          const joined = done(await bob("join", link, "--as", "Bob", "--allow-first-clients"))
          assert.match(joined, /the broker can repeat it/)
          assert.match(joined, /export config\.json --mesh team --first-clients/)

          const refused = complaint(await ann("export", exported, "--first-clients"))
          assert.match(refused, /your certificate in team does not allow the first clients.*--allow-first-clients/)
          assert.match(done(await bob("export", exported, "--first-clients")), /Keep it to yourself/)
          assert.match(complaint(await bob("export", exported, "--first-clients")), /is there already/)
          assert.strictEqual(statSync(exported).mode & 0o777, 0o600)
          const { meshes, version } = JSON.parse(readFileSync(exported, "utf8"))
          assert.strictEqual(version, 1)
          const fields = ["meshId", "memberId", "slug", "name", "pubkey", "secretKey", "brokerUrl", "joinedAt"]
          assert.deepStrictEqual(meshes.map(Object.keys), [fields])

          // With what is in the file alone, as the unmodified program does.
          const [{ memberId, meshId, pubkey, secretKey }] = meshes
          const keys = { publicKey: pubkey, secretKey: Buffer.from(secretKey, "hex") }
          const program = await RawClient.authenticatedV1(broker.url, { meshId, memberId, keys })
          done(await ann("send", "Bob", "hello first client"))
          const push = await program.take("push")
          assert.strictEqual(unseal(push, keys), "hello first client")
          const { publicKey } = json(await ann("list", "--json"))[0]
          program.send({
            type: "send",
            id: "f1",
            targetSpec: publicKey,
            priority: "now",
            ...seal("hello Ann", publicKey, keys),
          })
          await program.take("ack")
          assert.match(done(await ann("inbox")), /Bob .*\n {2}hello Ann\n/)
          await program.close()
          return link
        })

        // The same file, read by our client.
        const home = join(folder, "first")
        mkdirSync(home, { mode: 0o700 })
        const text = readFileSync(exported, "utf8")
        writeFileSync(join(home, "config.json"), text, { mode: 0o600 })
        yield* Effect.promise(async () => {
          assert.match(done(await first("list")), /team/)
          const todo = /joined with one of the first clients.*join it again by an invite link/
          for (const target of ["*", "#builds", "tag:backend", "Ann"]) {
            const refused = complaint(await first("send", target, "hello"))
            assert.match(refused, todo, target)
          }
          assert.match((await first("peers")).stderr, todo)
          done(await ann("send", "Bob", "hello again"))
          assert.match(done(await first("inbox")), /hello again/)
          assert.strictEqual(readFileSync(join(home, "config.json"), "utf8"), text)
        })
        const tools = yield* agent(home)
        yield* Effect.promise(async () => {
          for (const target of ["*", "Ann"]) {
            const answer = await tools.call("send_message", { target, message: "hello" })
            assert.isTrue(answer.isError)
            assert.match(answer.text, /join it again by an invite link/)
          }
          await tools.close()

          // The link is used up. The key is certified, so it takes no other use, and stays the same.
          const before = JSON.parse(text).meshes[0]
          assert.match(done(await first("join", link)), /^Joined team .* You are Bob\./)
          const [mesh] = JSON.parse(readFileSync(join(home, "config.json"), "utf8")).meshes
          assert.deepInclude(mesh, { pubkey: before.pubkey, secretKey: before.secretKey })
          assert.isTrue(mesh.certificate.allowV1)
          assert.match(done(await first("send", "*", "hello all")), /Ann/)
          assert.match(complaint(await first("join", link)), /already a member there, as team/)
        })
      }),
    ),
  )
})
