/**
 * A real broker that is sent, in every field of every frame and body, what does not belong there: wrong hex, names that
 * JavaScript objects have, keys twice, and too much of everything. It answers with a code, stores nothing, and goes on.
 */
import { assert, describe, it } from "@effect/vitest"
import {
  answerOf,
  askWith,
  goodRequests,
  helloOf,
  jsonWith,
  placesIn,
  requestFrames,
  rowsIn,
  stillServes,
  unhurried,
  type World,
  worldOf,
} from "../support/Attacks.ts"
import {
  addInvite,
  certificateOf,
  factsOf,
  join,
  newInvite,
  newPerson,
  post,
  postMesh,
  meshRequest,
  sendRequest,
  signatureOver,
} from "../support/Meshes.ts"
import { type Frame, RawClient, sendFrame } from "../support/RawClient.ts"
import { withBroker } from "../support/TestBroker.ts"

const scenario = (tell: (world: World) => Promise<void>) =>
  withBroker(async (broker) => tell(await worldOf(broker)), { limits: unhurried })

/** An invite that stays open however many are refused by it. */
const doorOf = async ({ broker, mesh }: World) => {
  const door = newInvite(mesh, { uses: 1_000 })
  assert.strictEqual((await addInvite(broker.origin, mesh.meshId, door, mesh.owner)).status, 201)
  return door
}

interface Told {
  readonly frames: ReadonlyArray<Frame>
  readonly closed: number | undefined
}

/** A member's socket, opened again whenever the broker has closed it. */
class Member {
  #client: RawClient | undefined
  #said = 0

  constructor(readonly world: World) {}

  /** What is answered to the text: frames, and the close if it came to that. An ack may take longer than a pong. */
  async told(text: string, id?: string): Promise<Told> {
    const { broker, mallory } = this.world
    const client = (this.#client ??= await RawClient.authenticatedV2(broker.url, mallory, { maxInFlight: 0 }))
    client.frames.length = 0
    client.send(text)
    const end = `end-${this.#said++}`
    client.send({ type: "ping", id: end })
    const pong = client.take("pong", (frame) => frame["id"] === end, 10_000).then(() => undefined)
    const closed = await Promise.race([pong, client.closed])
    pong.catch(() => undefined)
    if (closed !== undefined) this.#client = undefined
    else if (id !== undefined) {
      while (!client.frames.some((frame) => frame["id"] === id)) await Bun.sleep(1)
    }
    return { frames: client.frames.splice(0), closed: closed?.code }
  }

  async close(): Promise<void> {
    await this.#client?.close()
  }
}

const codeOf = (frames: ReadonlyArray<Frame>): unknown => frames.find(({ type }) => type === "error")?.["code"]

/** What a hello with this text ends in; 0 when it is taken. */
const helloTold = async ({ broker, mallory }: World, protocol: 1 | 2, textOf: (hello: object) => string) => {
  const client = await RawClient.open(broker.url)
  client.send(textOf(await helloOf(client, protocol, mallory)))
  const taken = client.take("hello_ack", undefined, 2_000).then(
    () => undefined,
    () => undefined,
  )
  const closed = await Promise.race([taken, client.closed])
  const code = codeOf(client.frames)
  await client.close()
  return { code, closed: closed?.code ?? 0 }
}

const protocols = [1, 2] as const

const helloPlaces = async ({ broker, mallory }: World, protocol: 1 | 2) => {
  const client = await RawClient.open(broker.url)
  const places = placesIn(await helloOf(client, protocol, mallory))
  await client.close()
  return places
}

const isHex = (value: unknown): value is string =>
  typeof value === "string" && /^(?:[0-9a-f]{32}|[0-9a-f]{64}|[0-9a-f]{128})(?:\/.*)?$/.test(value)

const wrongHex = (hex: string): ReadonlyArray<string> => [
  hex.toUpperCase(),
  hex.slice(1),
  `0${hex}`,
  `0x${hex.slice(2)}`,
  ` ${hex}`,
  `${hex}\n`,
  hex.replace(/^./, "g"),
  hex.replace(/^./, "\uff41"),
]

describe("hex that is upper-case, of odd length, or no hex", () => {
  it.live("is refused in every field of every frame that has a key, a signature, a nonce or an id", () =>
    scenario(async (world) => {
      const before = rowsIn(world.broker.dataDir)
      const member = new Member(world)
      let tried = 0
      for (const frame of requestFrames(world)) {
        for (const [place, value] of placesIn(frame)) {
          if (!isHex(value)) continue
          for (const wrong of wrongHex(value)) {
            const { closed, frames } = await member.told(jsonWith(frame, place, JSON.stringify(wrong)))
            const code = place[0] === "targetSpec" ? "bad_target" : "malformed"
            assert.deepStrictEqual(
              [codeOf(frames), closed],
              [code, undefined],
              `${frame.type} ${place.join(".")} ${wrong}`,
            )
            tried += 1
          }
        }
      }
      for (const protocol of protocols) {
        for (const [place, value] of await helloPlaces(world, protocol)) {
          if (!isHex(value)) continue
          for (const wrong of wrongHex(value)) {
            const told = await helloTold(world, protocol, (hello) => jsonWith(hello, place, JSON.stringify(wrong)))
            assert.deepStrictEqual(told, { code: "malformed", closed: 1008 }, `hello ${place.join(".")} ${wrong}`)
            tried += 1
          }
        }
      }
      assert.isAbove(tried, 80)
      await member.close()
      assert.deepStrictEqual(rowsIn(world.broker.dataDir), before)
    }),
  )

  it.live("is refused in every field of every HTTP body and of the header that proves it", () =>
    scenario(async (world) => {
      const door = await doorOf(world)
      const { origin } = world.broker
      const before = rowsIn(world.broker.dataDir)
      for (const request of goodRequests(world, door)) {
        for (const [place, value] of placesIn(request.body)) {
          if (!isHex(value)) continue
          for (const wrong of wrongHex(value)) {
            const told = await askWith(origin, request, jsonWith(request.body, place, JSON.stringify(wrong)))
            assert.deepInclude(told, { status: 400, error: "malformed" }, `${request.path} ${place.join(".")} ${wrong}`)
          }
        }
        const facts = factsOf(origin, "POST", request.path, request.meshId, JSON.stringify(request.body))
        const header = signatureOver(facts, request.signer)
        for (const [, hex = ""] of header.matchAll(/(?:key|nonce|signature)=([0-9a-f]+)/g)) {
          for (const wrong of wrongHex(hex)) {
            // What no header may hold is the sender's own affair.
            if (/[^ -~]/.test(wrong)) continue
            const proof = { "claudemesh-signature": header.replace(hex, wrong) }
            const told = await answerOf(await sendRequest(origin, facts, proof))
            assert.deepInclude(told, { status: 401, error: "unsigned" }, wrong)
          }
        }
      }
      assert.deepStrictEqual(rowsIn(world.broker.dataDir), before)
    }),
  )
})

const objectNames = ["__proto__", "constructor", "toString", "hasOwnProperty", "valueOf", "prototype"]

/** The same JSON, with keys in each of its objects that plain objects have by themselves. */
const poisoned = (value: unknown): string =>
  JSON.stringify(value).replaceAll(
    "{",
    `{"__proto__":{"polluted":true,"role":"owner"},"constructor":{"prototype":{"polluted":true}},"toString":"x",`,
  )

const isPolluted = (): boolean => "polluted" in {} || "polluted" in Object || typeof {}.toString !== "function"

describe("names that every JavaScript object has", () => {
  it.live("as keys change nothing: frames and bodies are taken as if they were not there", () =>
    scenario(async (world) => {
      const { broker } = world
      const member = new Member(world)
      for (const frame of requestFrames(world)) {
        const hasId = "id" in frame
        const told = (id: string, write: (value: unknown) => string) =>
          member.told(write({ ...frame, ...(hasId && { id }) }), hasId ? id : undefined)
        const plain = await told("plain", JSON.stringify)
        const { closed, frames } = await told("odd", poisoned)
        const kinds = [plain.frames, frames].map((list) => list.map((one) => [one.type, one["code"]]))
        assert.deepStrictEqual(kinds[1], kinds[0], frame.type)
        assert.isUndefined(closed)
      }
      for (const protocol of protocols) {
        assert.deepStrictEqual(await helloTold(world, protocol, poisoned), { code: undefined, closed: 0 })
      }
      const door = await doorOf(world)
      for (const request of goodRequests(world, door)) {
        const told = await askWith(broker.origin, request, poisoned(request.body))
        assert.strictEqual(told.status, 201, JSON.stringify(told))
      }
      assert.isFalse(isPolluted())
      await member.close()
    }),
  )

  it.live("as values are texts like any others, and an unknown type is never found", () =>
    scenario(async (world) => {
      const door = await doorOf(world)
      const member = new Member(world)
      let said = 0
      for (const name of objectNames) {
        for (const frame of requestFrames(world)) {
          for (const [place] of placesIn(frame)) {
            // What is answered to a message may come behind the pong, and is not an answer to the next one.
            const id = `${frame.type}-${++said}`
            const { closed, frames } = await member.told(jsonWith({ ...frame, id }, place, JSON.stringify(name)))
            assert.isUndefined(closed, `${frame.type} ${place.join(".")} ${name}`)
            assert.notStrictEqual(codeOf(frames), "internal")
            if (place[0] === "type")
              assert.strictEqual(codeOf(frames.filter((one) => one["id"] === id)), "unknown_type")
          }
        }
        for (const request of goodRequests(world, door)) {
          for (const [place] of placesIn(request.body)) {
            const told = await askWith(
              world.broker.origin,
              request,
              jsonWith(request.body, place, JSON.stringify(name)),
            )
            assert.oneOf(told.status, [400, 403, 410], `${request.path} ${place.join(".")} ${name}`)
          }
        }
      }
      await member.close()
      assert.isFalse(isPolluted())
      assert.isTrue(await stillServes(world))
    }),
  )

  it.live("name a mesh, members, sessions, channels, tags and messages as well as any", () =>
    scenario(async ({ broker: { origin, url } }) => {
      const { body, founding, owner } = meshRequest([], { meshId: "__proto__" }, { uses: 2, slug: "constructor" })
      const people = ["constructor", "toString"].map((name) => ({ ...newPerson("__proto__", name), memberId: name }))
      const members = people.map((person) => certificateOf(person, founding))
      const made = await answerOf(await postMesh(origin, { ...body, slug: "constructor", members }, owner))
      assert.deepInclude(made, { status: 201, meshId: "__proto__" })
      const [one, two] = people
      assert.ok(one && two)
      const tagged = { sessionId: "__proto__", tags: ["constructor"], displayName: "valueOf" }
      const reader = await RawClient.authenticatedV2(url, one, tagged)
      reader.send({ type: "join_channel", channel: "constructor", id: "toString" })
      assert.strictEqual((await reader.take("ok"))["id"], "toString")
      const writer = await RawClient.authenticatedV2(url, two)
      const direct = sendFrame("hasOwnProperty", `${one.keys.publicKey}/__proto__`, "hi", two.keys)
      const { ciphertext, nonce } = direct as unknown as Readonly<Record<string, string>>
      const sealedKeys = [{ pubkey: one.keys.publicKey, key: "AAECAwQ=" }]
      writer.send(direct)
      for (const targetSpec of ["#constructor", "tag:constructor"]) {
        writer.send({
          type: "send",
          id: `v.${targetSpec.length}`,
          targetSpec,
          priority: "now",
          nonce,
          ciphertext,
          sealedKeys,
        })
      }
      for (let count = 0; count < 3; count++) {
        const push = await reader.take("push")
        assert.deepInclude(push, { senderName: "toString", meshId: "__proto__" })
      }
      writer.send({ type: "list_peers", id: "p" })
      const peers = (await writer.take("peers"))["peers"] as ReadonlyArray<Readonly<Record<string, unknown>>>
      const found = peers.find(({ sessionId }) => sessionId === "__proto__")
      assert.deepInclude(found, { memberId: "constructor", displayName: "valueOf" })
      await Promise.all([reader.close(), writer.close()])
    }),
  )
})

describe("a key that stands twice in an object", () => {
  it.live("has one value for all who read it: what was signed is what is stored", () =>
    scenario(async (world) => {
      const { broker, mesh } = world
      const door = await doorOf(world)
      const twice = (person: ReturnType<typeof newPerson>, first: string, last: string) => {
        const text = JSON.stringify({ certificate: certificateOf(person, door) })
        const name = `"displayName":"${person.name}"`
        const changed = text.replace(name, `"displayName":"${first}","displayName":"${last}"`)
        return post(broker.origin, "/join", mesh.meshId, changed, person.keys)
      }
      const [carol, dave] = [newPerson(mesh.meshId, "carol"), newPerson(mesh.meshId, "dave")]
      const lied = await answerOf(await twice(carol, "carol", "alice"))
      assert.deepInclude(lied, { status: 400, error: "bad_certificate" })
      assert.strictEqual((await twice(dave, "alice", "dave")).status, 201)
      const names = rowsIn(broker.dataDir)["member"]?.map((row) => Object(row).display_name)
      assert.sameMembers(names ?? [], ["alice", "bob", "mallory", "dave"])

      const { alice, bob, mallory } = world
      const told = await helloTold(world, 2, (hello) =>
        JSON.stringify(hello).replace(`"pubkey":`, `"pubkey":"${alice.keys.publicKey}","pubkey":`),
      )
      assert.deepStrictEqual(told, { code: undefined, closed: 0 })
      const forged = await helloTold(world, 2, (hello) =>
        JSON.stringify(hello).replace(/}$/, `,"pubkey":"${alice.keys.publicKey}"}`),
      )
      assert.deepStrictEqual(forged, { code: "bad_signature", closed: 1008 })

      const [readers, writer] = [
        await Promise.all([alice, bob].map((person) => RawClient.authenticatedV2(broker.url, person))),
        await RawClient.authenticatedV2(broker.url, mallory),
      ]
      const text = JSON.stringify(sendFrame("m1", bob.keys.publicKey, "hi", mallory.keys))
      writer.send(text.replace(`"targetSpec":`, `"targetSpec":"${alice.keys.publicKey}","targetSpec":`))
      const ack = await writer.take("ack")
      assert.deepStrictEqual(ack["recipients"], [{ pubkey: bob.keys.publicKey, state: "delivered" }])
      const [hers, his] = readers
      assert.strictEqual((await his?.take("push"))?.["targetSpec"], bob.keys.publicKey)
      await hers?.settled()
      assert.isFalse(hers?.frames.some(({ type }) => type === "push"))
      await Promise.all([...readers, writer].map((client) => client?.close()))
    }),
  )
})

const mebibyte = 1_048_576
const deep = (levels: number): string => "[".repeat(levels) + "]".repeat(levels)

/**
 * Each too much, as JSON: far over what a frame may hold it closes the socket, over it the frame is refused, and under
 * it the field's own bound refuses.
 */
const tooMuch: ReadonlyArray<readonly [string, string, "socket" | "frame" | "field"]> = [
  ["a text of 1 MiB", `"${"a".repeat(mebibyte)}"`, "socket"],
  ["a text of 300,000 characters", `"${"a".repeat(300_000)}"`, "frame"],
  ["a text of 100,000 characters", `"${"a".repeat(100_000)}"`, "field"],
  ["an array of 100,000", `[${"7,".repeat(99_999)}7]`, "field"],
  ["an array of 100,000 keys", `[${`"${"a".repeat(64)}",`.repeat(99_999)}""]`, "socket"],
  ["a nesting of 10,000", deep(10_000), "field"],
  ["an object of 20,000 keys", `{${Array.from({ length: 20_000 }, (_, key) => `"${key}":1`).join(",")}}`, "field"],
  ["1e400", "1e400", "field"],
  ["-1e400", "-1e400", "field"],
  ["NaN", "NaN", "field"],
  ["Infinity", "Infinity", "field"],
  ["1.5", "1.5", "field"],
  ["2^53 + 1", "9007199254740993", "field"],
]

/** These have no bound of their own but the frame's, or take the value. */
const isFine = (type: string, place: string): boolean => type === "hello" && place === "cwd"

describe("too much of anything", () => {
  it.live(
    "in any field of any frame is refused by its code, or closes that socket with 1009, and stores nothing (I23)",
    () =>
      scenario(async (world) => {
        const before = rowsIn(world.broker.dataDir)
        const member = new Member(world)
        const codes = new Set<unknown>()
        for (const frame of requestFrames(world)) {
          for (const [place] of placesIn(frame)) {
            for (const [name, json, by] of tooMuch) {
              const { closed, frames } = await member.told(jsonWith(frame, place, json))
              const where = `${frame.type} ${place.join(".")}: ${name}`
              if (by === "socket") {
                assert.deepStrictEqual([frames, closed], [[], 1009], where)
              } else if (by === "frame") {
                assert.deepStrictEqual([codeOf(frames), closed], ["too_large", undefined], where)
              } else {
                assert.isUndefined(closed, where)
                assert.oneOf(codeOf(frames), ["malformed", "bad_target", "too_large", "unknown_type"], where)
                codes.add(codeOf(frames))
              }
            }
          }
        }
        assert.sameMembers([...codes], ["malformed", "bad_target", "too_large", "unknown_type"])
        await member.close()
        assert.deepStrictEqual(rowsIn(world.broker.dataDir), before)
        assert.isTrue(await stillServes(world))
      }),
    { timeout: 60_000 },
  )

  it.live(
    "in any field of a hello is refused as malformed, or closes the socket with 1009 (I23)",
    () =>
      scenario(async (world) => {
        for (const protocol of protocols) {
          for (const [place] of await helloPlaces(world, protocol)) {
            for (const [name, json, by] of tooMuch) {
              // What is no frame is no hello either, and may be said again.
              if (by === "frame") continue
              // What is no JSON, or of another type, is no hello: it is refused and may be said again.
              if (by === "field" && (place[0] === "type" || json === "NaN" || json === "Infinity")) continue
              if (isFine("hello", place.join(".")) && by === "field" && name.startsWith("a text")) continue
              const told = await helloTold(world, protocol, (hello) => jsonWith(hello, place, json))
              const where = `hello ${protocol} ${place.join(".")}: ${name}`
              if (by === "socket") assert.deepStrictEqual(told, { code: undefined, closed: 1009 }, where)
              else assert.deepStrictEqual(told, { code: "malformed", closed: 1008 }, where)
            }
          }
        }
        assert.isTrue(await stillServes(world))
      }),
    { timeout: 120_000 },
  )

  it.live(
    "in any field of an HTTP body is refused with 400 or 413, and stores nothing (I23)",
    () =>
      scenario(async (world) => {
        const door = await doorOf(world)
        const { dataDir, origin } = world.broker
        const before = rowsIn(dataDir)
        for (const request of goodRequests(world, door)) {
          for (const [place] of placesIn(request.body)) {
            for (const [name, json] of [...tooMuch, ["a text of 50,000", `"${"a".repeat(50_000)}"`] as const]) {
              const told = await askWith(origin, request, jsonWith(request.body, place, json))
              const where = `${request.path} ${place.join(".")}: ${name}`
              const bound = request.path === "/meshes" ? 524_288 : 65_536
              // Of twice the bound it is refused before it is looked at, and not a word is said.
              if (json.length > 2 * bound) assert.strictEqual(told.status, 413, where)
              else if (json.length > bound) assert.deepInclude(told, { status: 413, error: "too_large" }, where)
              else assert.deepInclude(told, { status: 400, error: "malformed" }, where)
            }
          }
        }
        assert.deepStrictEqual(rowsIn(dataDir), before)
        assert.isTrue(await stillServes(world))
      }),
    { timeout: 60_000 },
  )

  it.live("as a whole, or beside the fields, is refused or passed over, and stores nothing", () =>
    scenario(async (world) => {
      const door = await doorOf(world)
      const { dataDir, origin } = world.broker
      const before = rowsIn(dataDir)
      const member = new Member(world)
      for (const text of [
        deep(10_000),
        deep(100_000),
        `[${"0,".repeat(50_000)}0]`,
        "1e400",
        "NaN",
        "-0",
        `"${"a".repeat(100_000)}"`,
        "{".repeat(100_000),
        `{"a":`.repeat(20_000),
      ]) {
        const { closed, frames } = await member.told(text)
        assert.deepStrictEqual([codeOf(frames), closed], ["malformed", undefined], text.slice(0, 20))
      }
      // Minus nothing is nothing, and no more than that.
      const { frames } = await member.told(`{"type":"get_trust","id":"t","keys":[],"after":-0}`)
      assert.deepInclude(frames[0], { type: "trust", revocations: [], version: 0 })
      for (const field of [`"pull","max":-0`, `"pull","max":0`, `"pull","max":-1`]) {
        assert.strictEqual(codeOf((await member.told(`{"id":"t","type":${field}}`)).frames), "malformed", field)
      }
      // Keys that nobody knows are passed over, whatever is in them.
      for (const json of [deep(10_000), "1e400", `"${"a".repeat(100_000)}"`]) {
        const { frames } = await member.told(`{"type":"ping","id":"deep","x":${json}}`)
        assert.deepInclude(frames[0], { type: "pong", id: "deep" })
      }
      for (const request of goodRequests(world, door)) {
        for (const text of [deep(10_000), deep(30_000), "1e400", "NaN", "", `{"a":`.repeat(10_000)]) {
          const told = await askWith(origin, request, text)
          assert.deepInclude(told, { status: 400, error: "malformed" }, text.slice(0, 20))
        }
      }
      await member.close()
      assert.deepStrictEqual(rowsIn(dataDir), before)
      assert.isTrue(await stillServes(world))
    }),
  )

  it.live("of what lists may hold is refused at one over the bound, in frames and bodies (I23)", () =>
    scenario(async (world) => {
      const { broker, mesh } = world
      const door = await doorOf(world)
      const member = new Member(world)
      const some = "0123456789abcdef0123456789abcdef"
      const times = <A>(count: number, value: A): ReadonlyArray<A> => Array.from({ length: count }, () => value)
      const { ciphertext, nonce } = sendFrame(
        "x",
        world.bob.keys.publicKey,
        "x",
        world.mallory.keys,
      ) as unknown as Readonly<Record<string, string>>
      const sealedKeys = times(501, { pubkey: world.bob.keys.publicKey, key: "AAECAwQ=" })
      const over: ReadonlyArray<readonly [object, string]> = [
        [{ type: "client_ack", messageIds: times(501, some) }, "malformed"],
        [{ type: "get_trust", id: "t", keys: times(101, world.bob.keys.publicKey), after: 0 }, "malformed"],
        [{ type: "set_profile", id: "t", nonce, ciphertext, sealedKeys }, "too_large"],
        [{ type: "send", id: "t", targetSpec: "*", priority: "now", nonce, ciphertext, sealedKeys }, "too_large"],
      ]
      for (const [frame, code] of over) {
        assert.strictEqual(
          codeOf((await member.told(JSON.stringify(frame))).frames),
          code,
          JSON.stringify(frame).slice(0, 60),
        )
      }
      const tags = Array.from({ length: 17 }, (_, number) => `t${number}`)
      const told = await helloTold(world, 2, (hello) => JSON.stringify({ ...hello, tags }))
      assert.deepStrictEqual(told, { code: "malformed", closed: 1008 })
      const [founding, , , revoking] = goodRequests(world, door)
      assert.ok(founding && revoking)
      const certificate = certificateOf(newPerson(founding.meshId, "a"), door)
      const members = JSON.stringify({ ...founding.body, members: times(101, certificate) })
      assert.deepInclude(await askWith(broker.origin, founding, members), { status: 400, error: "malformed" })
      const kept = JSON.stringify({ ...revoking.body, kept: times(501, world.bob.keys.publicKey) })
      assert.deepInclude(await askWith(broker.origin, revoking, kept), { status: 400, error: "malformed" })
      const late = newPerson(mesh.meshId, "late")
      assert.strictEqual((await join(broker.origin, late, door)).status, 201)
      await member.close()
    }),
  )
})
