/** Groups as agents and people use them: `*`, channels and tags, over a broker process and its data. */
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Scope } from "effect"
import { type BrokerProcess, brokerProcess } from "../../../broker/test/support/BrokerProcess.ts"
import { makeMesh, type TestMesh } from "../../../broker/test/support/Meshes.ts"
import { RawClient, unsealGroup } from "../../../broker/test/support/RawClient.ts"
import { filesWith } from "../../../broker/test/support/StoredData.ts"
import { temporaryFolder } from "../../../broker/test/support/TestBroker.ts"
import { type Agent, agent, type Answer, claudemesh, messagesOf, type Ran, type Shown } from "../support/Agent.ts"
import { writeHome } from "../support/Homes.ts"

/** Looks until so many have come; then once more, that none comes twice. */
const reads = async (one: Agent, count: number): Promise<ReadonlyArray<Shown>> => {
  const seen: Array<Shown> = []
  await one.callUntil("check_messages", (answer) => {
    seen.push(...messagesOf(answer))
    return seen.length >= count
  })
  seen.push(...messagesOf(await one.call("check_messages")))
  return seen
}

const texts = async (one: Agent, count: number) => (await reads(one, count)).map(({ text }) => text)

const settled = async (one: Agent): Promise<void> => {
  await one.callUntil("list_peers", ({ text }) => !text.includes("not connected"))
}

/** A flag joins while the server starts: it is there a moment later. */
const inChannel = async (one: Agent, channel: string): Promise<void> => {
  await one.callUntil("list_channels", ({ text }) => text.includes(`#${channel} (joined)`))
}

const says = async (one: Agent, target: string, message: string, changes: object = {}): Promise<Answer> => {
  const sent = await one.call("send_message", { target, message, ...changes })
  assert.isFalse(sent.isError, sent.text)
  return sent
}

interface Stage {
  readonly broker: BrokerProcess
  readonly mesh: TestMesh
  readonly data: string
  readonly home: (name: string) => string
  readonly join: (name: string, ...flags: ReadonlyArray<string>) => Effect.Effect<Agent, never, never>
}

const stage = Effect.fnUntraced(function* (names: ReadonlyArray<string>) {
  const data = yield* temporaryFolder
  const folder = yield* temporaryFolder
  const broker = yield* brokerProcess({ BROKER_DATA_DIR: data })
  const mesh = yield* Effect.promise(() => makeMesh(broker.origin, names))
  const scope = yield* Effect.scope
  for (const name of names) {
    yield* Effect.promise(() => writeHome(folder, name, [{ slug: "red", brokerUrl: broker.url, mesh }]))
  }
  const home = (name: string) => join(folder, name)
  const enter: Stage["join"] = (name, ...flags) => Scope.provide(agent(home(name), {}, flags), scope)
  return { broker, mesh, data, home, join: enter } satisfies Stage
})

const scenario = (names: ReadonlyArray<string>, tell: (stage: Stage) => Effect.Effect<void>) =>
  Effect.scoped(Effect.flatMap(stage(names), tell))

const counts = (delivered: number, queued: number, held = 0) => ({ delivered, held, queued, full: 0 })

const done = ({ code, stderr, stdout }: Ran): string => {
  assert.deepStrictEqual({ code, stderr }, { code: 0, stderr: "" })
  return stdout
}

describe.concurrent("groups", () => {
  it.live("reach those who are meant, once each and proved, and leave no text with the broker (I5, I6)", () =>
    scenario(["alice", "bob", "carol"], ({ broker, data, join }) =>
      Effect.gen(function* () {
        const alice = yield* join("alice")
        const bob = yield* join("bob")
        const carol = yield* join("carol", "--channel", "builds", "--tag", "reviewer")
        yield* Effect.promise(async () => {
          await Promise.all([alice, bob, carol].map(settled))
          await inChannel(carol, "builds")

          const all = await says(alice, "*", "everybody should read this")
          assert.match(all.text, /^In a session, not shown yet: bob, carol\. Message id [0-9a-f]{32}, mesh red\.$/)
          for (const one of [bob, carol]) {
            const [message, ...others] = await reads(one, 1)
            assert.strictEqual(message?.text, "everybody should read this")
            assert.deepInclude(message?.label, { from: "alice", to: "*", authenticated: "yes" })
            assert.deepStrictEqual(others, [])
          }

          const builds = await says(alice, "#builds", "only the builders read this")
          assert.match(builds.text, /^In a session, not shown yet: carol\. /)
          assert.match(
            (await says(alice, "red:tag:reviewer", "only the reviewers read this")).text,
            /^In a session, not shown yet: carol\. /,
          )
          assert.deepStrictEqual(await texts(carol, 2), ["only the builders read this", "only the reviewers read this"])

          const nobody = await says(alice, "#deploys", "is anybody there")
          assert.match(nobody.text, /^Nobody got it: no other session is in #deploys\. /)

          assert.match((await bob.call("join_channel", { channel: "builds" })).text, /^Joined #builds on red\.$/)
          const listed = await bob.call("list_channels")
          assert.match(listed.text, /- #builds \(joined\): 2 members, 2 sessions there now/)
          await says(carol, "#builds", "bob is a builder now", { priority: "now" })
          const shown = await bob.callUntil("check_messages", (answer) => messagesOf(answer).length > 0)
          assert.match(
            shown.text,
            /<peer-message-[0-9a-f]{16} mesh="red" from="carol" .*to="#builds" member="certified" authenticated="yes"/,
          )
          await bob.call("leave_channel", { channel: "builds" })
          assert.match((await says(alice, "#builds", "without bob")).text, /^In a session, not shown yet: carol\. /)

          assert.deepStrictEqual([await texts(alice, 0), await texts(bob, 0)], [[], []])
          assert.deepStrictEqual([...alice.strayOutput, ...carol.strayOutput], [])
          await broker.terminate()
        })
        assert.isAbove(filesWith(data, "carol").length, 0, "the search finds what is there")
        for (const text of ["everybody should read", "only the builders", "only the reviewers", "is a builder now"]) {
          assert.deepStrictEqual(filesWith(data, text), [], text)
        }
      }),
    ),
  )

  it.live("reach every session of a member, and those who were away when they come, once (I14)", () =>
    scenario(["alice", "bob", "carol"], ({ join }) =>
      Effect.gen(function* () {
        const alice = yield* join("alice")
        const bobs = [yield* join("bob"), yield* join("bob", "--channel", "builds")]
        const carol = yield* join("carol", "--channel", "builds")
        yield* Effect.promise(async () => {
          await Promise.all([alice, carol, ...bobs].map(settled))
          await inChannel(carol, "builds")
          await carol.close()
          const all = await says(alice, "*", "one")
          assert.match(
            all.text,
            /^In a session, not shown yet: bob \(2 sessions\)\. Waiting until a session of theirs takes it: carol\. /,
          )
          await says(alice, "#builds", "two", { priority: "now" })
          assert.deepStrictEqual(await Promise.all(bobs.map((one, n) => texts(one, n + 1))), [["one"], ["one", "two"]])
        })
        const later = yield* join("carol")
        yield* Effect.promise(async () => {
          const found = await reads(later, 2)
          assert.deepStrictEqual(
            found
              .map(({ label, text }) => ({ to: label["to"], text, authenticated: label["authenticated"] }))
              .toSorted((a, b) => a.text.localeCompare(b.text)),
            [
              { to: "*", text: "one", authenticated: "yes" },
              { to: "#builds", text: "two", authenticated: "yes" },
            ],
          )
        })
      }),
    ),
  )

  it.live("outlive the broker: a session is in its channels again, and what was acked arrives (I7)", () =>
    scenario(["alice", "bob"], ({ broker, join }) =>
      Effect.gen(function* () {
        const alice = yield* join("alice")
        const bob = yield* join("bob")
        yield* Effect.promise(async () => {
          await Promise.all([settled(alice), settled(bob)])
          await bob.call("join_channel", { channel: "builds" })
          await says(alice, "#builds", "before")
          await broker.kill()
          await broker.start()
          await Promise.all([settled(alice), settled(bob)])
          await says(alice, "#builds", "after")
          assert.deepStrictEqual(await texts(bob, 2), ["before", "after"])
        })
      }),
    ),
  )

  it.live("are read by a client that is written from the protocol's page alone", () =>
    scenario(["alice", "bob"], ({ broker, join, mesh }) =>
      Effect.gen(function* () {
        const alice = yield* join("alice")
        yield* Effect.promise(async () => {
          await settled(alice)
          const bob = await RawClient.authenticatedV2(broker.url, mesh.member("bob"))
          await says(alice, "*", "hello bob")
          const push = await bob.take("push")
          assert.strictEqual(push["senderPubkey"], mesh.member("alice").keys.publicKey)
          const envelope = JSON.parse(unsealGroup(push, mesh.member("bob").keys))
          assert.deepInclude(envelope, { text: "hello bob", targetSpec: "*", meshId: mesh.meshId })
          await bob.close()
        })
      }),
    ),
  )

  it.live("name who is left out: a first client cannot open what is sealed to many (I22)", () =>
    scenario(["alice", "bob", "dave"], ({ broker, join, mesh }) =>
      Effect.gen(function* () {
        const alice = yield* join("alice")
        yield* Effect.promise(async () => {
          await settled(alice)
          const dave = await RawClient.authenticatedV1(broker.url, mesh.member("dave"))
          const sent = await says(alice, "*", "hello")
          assert.match(sent.text, /^Waiting until a session of theirs takes it: bob\. Left out, [^:]*: dave\. /)
          await dave.close()
        })
      }),
    ),
  )
})

describe.concurrent("commands", () => {
  it.live("say something to a group, show what became of it, and list channels", () =>
    scenario(["alice", "bob", "carol"], ({ home, join }) =>
      Effect.gen(function* () {
        const run =
          (name: string) =>
          (...args: ReadonlyArray<string>) =>
            claudemesh(args, { CLAUDEMESH_HOME: home(name) })
        const alice = run("alice")
        const bob = run("bob")
        yield* Effect.promise(async () => {
          assert.match(done(await alice("channels")), /^No channels: /)
          const sent = done(await alice("send", "*", "from", "a", "terminal"))
          const [, id = ""] =
            /^\* on red: Waiting until a session of theirs takes it: bob, carol\. \(([0-9a-f]{32})\)\n$/.exec(sent) ??
            assert.fail(sent)
          assert.match(done(await alice("message-status", id)), /^waits on red\nNAME .*\n.* waits\n.* waits\n$/)
          const [read] = done(await bob("inbox", "--json"))
            .trim()
            .split("\n")
            .map((line) => JSON.parse(line))
          assert.deepInclude(read, {
            text: "from a terminal",
            group: "*",
            target: "*",
            authenticated: "yes",
            encrypted: true,
          })
          const deliveryReport = JSON.parse(done(await alice("message-status", id, "--json")))
          assert.deepInclude(deliveryReport, { mesh: "red", messageId: id, state: "pending", at: null })
          assert.deepStrictEqual(
            deliveryReport.recipients
              .map((one: { readonly name: string; readonly state: string }) => [one.name, one.state])
              .toSorted(),
            [
              ["bob", "consumed"],
              ["carol", "pending"],
            ],
          )
          const others = await bob("message-status", id)
          assert.deepStrictEqual([others.code, others.stdout], [1, ""])
          assert.match(
            others.stderr,
            /^claudemesh: the broker knows no message [0-9a-f]{32} of yours: .*too long ago\n$/,
          )
          assert.match(done(await run("carol")("inbox")), /^[0-9a-f]{8} alice \([0-9a-f]{8}\) on red, to \*, /)
          assert.match(done(await alice("message-status", id)), /^shown on red, (?:just now|\d+ min ago)\n/)
          assert.match(done(await alice("inbox")), /^No messages/, "one's own word does not come back")
        })
        const carol = yield* join("carol", "--channel", "builds")
        yield* Effect.promise(async () => {
          await inChannel(carol, "builds")
          assert.match(done(await alice("channels")), /^MESH +CHANNEL .*\nred +#builds +1 +1\n$/)
          assert.deepStrictEqual(JSON.parse(done(await alice("channels", "--json"))), [
            { mesh: "red", channel: "builds", members: 1, sessions: 1 },
          ])
          const sent = JSON.parse(done(await alice("send", "red:#builds", "green again", "--json")))
          assert.deepInclude(sent, { mesh: "red", target: "#builds", counts: counts(1, 0), unsealed: [] })
          const empty = done(await alice("send", "#deploys", "anybody?"))
          assert.match(empty, /^#deploys on red: Nobody got it: no other session is in #deploys\. \(/)
          assert.deepStrictEqual(await texts(carol, 1), ["green again"])
        })
      }),
    ),
  )
})
