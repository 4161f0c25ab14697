/**
 * `npm run simulate:mutants [-- --seeds N --only NAME]`: plants one-line faults in a copy of the sources, one at a
 * time, and counts the seeds until the simulation notices. A fault that is not noticed means that the simulation is
 * too weak, and exits with 1.
 */
import { mkdtemp, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { parseArgs } from "node:util"
import { copySources, type Mutant, runWith, theOneWith } from "./PlantedFault.ts"

const broker = "packages/broker/src"
const client = "packages/client/src"
const mcp = "packages/cli/src/mcp"

const mutants: ReadonlyArray<Mutant> = [
  {
    name: "a prompt that was taken back counts as shown",
    file: "packages/cli/src/host/HookMoment.ts",
    find: '? "undone" : "open"',
    put: '? "shown" : "open"',
  },
  {
    name: "ack before commit",
    file: `${broker}/store/GroupCommit.ts`,
    find: '      groupCommit.take({ _tag: "Job", write, epoch, done: ended })',
    put: '      done(Exit.succeed({ _tag: "Done" }))\n      groupCommit.take({ _tag: "Job", write, epoch, done: () => {} })',
  },
  {
    name: "a connection waits for answers when its socket has closed",
    file: `${broker}/connection/PeerConnection.ts`,
    find: "  socket.onClosed(() => peer.permits.end())\n",
    put: "",
  },
  {
    name: "an answer gives no permit back",
    file: `${broker}/delivery/Accept.ts`,
    find: '    { _tag: "Send", peer, frame },\n    { _tag: "Settle", peer },',
    put: '    { _tag: "Send", peer, frame },',
  },
  {
    name: "in-flight kept after detach",
    file: `${broker}/session/Attach.ts`,
    find: "  reclaim(decision, connection)\n",
    put: "",
  },
  {
    name: "window off by one",
    file: `${broker}/state/Inbox.ts`,
    find: "this.max - reserved - this.#unacked.size",
    put: "this.max - reserved - this.#unacked.size + 1",
  },
  {
    name: "drain forgotten on status change",
    file: `${broker}/presence/StatusReports.ts`,
    find: "  for (const inbox of inboxesOf(connection)) pump(decision, inbox)\n",
    put: "",
  },
  {
    name: "drain forgotten on expiry of working",
    file: `${broker}/mesh/Tick.ts`,
    find: "    for (const inbox of inboxesOf(connection)) pump(decision, inbox)\n    settlePull(decision, connection)",
    put: "    settlePull(decision, connection)",
  },
  {
    name: "dedupe dropped in the broker",
    file: `${broker}/connection/FrameLoop.ts`,
    find: "if (frame.id !== undefined) return this",
    put: 'if (frame.id === "never") return this',
  },
  {
    name: "dedupe dropped in the client",
    file: `${client}/inbox/SeenMessages.ts`,
    find: "has({ content, createdAt, messageId, targetSpec }: Pushed): boolean {\n",
    put: 'has({ content, createdAt, messageId, targetSpec }: Pushed): boolean {\n    if (messageId !== "never") return false\n',
  },
  {
    name: "acked when buffered",
    file: `${client}/inbox/Inbox.ts`,
    find: '    this.#held.set(messageId, { message, state: "waiting", inFlight: true, isLeasedHere: false })\n',
    put: '    this.#held.set(messageId, { message, state: "waiting", inFlight: true, isLeasedHere: false })\n    this.#wire.ack([messageId])\n',
  },
  {
    name: "consumption not recorded",
    file: `${broker}/delivery/Deliver.ts`,
    find: '    decision.actions.push({ _tag: "Write", write, next })',
    put: "    void [write, next]",
  },
  {
    name: "consumption lost with the database",
    file: `${broker}/store/CommitQueue.ts`,
    find: "for (const one of all) if (!isAwaited(one)) this.add(one)\n    return all.filter(isAwaited)",
    put: "return all",
  },
  {
    name: "a message for a session without a row brings none",
    file: `${broker}/delivery/Accept.ts`,
    find: "      unrecorded.length === 0\n",
    put: "      unrecorded.length >= 0\n",
  },
  {
    name: "what waits of a mesh overtakes what is tried again",
    file: `${broker}/store/CommitQueue.ts`,
    find: "if (held.has(mesh.meshId)) continue\n      const rest",
    put: "const rest",
  },
  {
    name: "what an earlier owner writes is taken",
    file: `${broker}/store/sqlite/Owners.ts`,
    find: "> epoch) throw fenced(meshId)",
    put: "< 0) throw fenced(meshId)",
  },
  {
    name: "of two words on one channel the earlier one stands",
    file: `${broker}/store/CommitQueue.ts`,
    find: "  return {\n    ...one,\n    asked,",
    put: "  return {\n    ...before,\n    asked,",
  },
  {
    name: "outbox cleared on reconnect",
    file: `${client}/outbox/SendQueue.ts`,
    find: "for (const entry of this.#entries) entry.onWire = false",
    put: "this.#entries = []",
  },
  {
    name: "redelivery not marked",
    file: `${broker}/state/Inbox.ts`,
    find: "(waiting.leased !== false &&",
    put: "(waiting.leased !== false && seq < 0 &&",
  },
  {
    name: "lease granted before it is written down",
    file: `${broker}/delivery/MessageLease.ts`,
    find: "if (deliveries.length === 0) return grant",
    put: "if (deliveries.length < 1_000) return grant",
  },
  {
    name: "leased message recalled",
    file: `${broker}/delivery/Recall.ts`,
    find: "&& lease === undefined &&",
    put: "&&",
  },
  {
    name: "release leaves its mark",
    file: `${broker}/delivery/MessageLease.ts`,
    find: "  clear(decision, released)",
    put: "  void released",
  },
  {
    name: "outdated page pushed",
    file: `${broker}/state/Inbox.ts`,
    find: "  cursor.outdated = true\n}",
    put: "}",
  },
  {
    name: "what the database refused is forgotten",
    file: `${broker}/delivery/Unwritten.ts`,
    find: 'if (reason === "fenced") return true',
    put: "if (mostMillis > 0) return false",
  },
  {
    name: "a void lease is cleared over a later one",
    file: `${broker}/delivery/MessageLease.ts`,
    find: "if (unacked.lease === undefined) unacked.inbox.leased(unacked.priority, unacked.seq)",
    put: "void unacked.inbox",
  },
  {
    name: "unknown outcome taken for a failure",
    file: `${broker}/delivery/Accept.ts`,
    find: "if (inbox !== undefined) mayWait(",
    put: "if (inbox === null) mayWait(",
  },
  {
    name: "what took effect late is not looked for",
    file: `${broker}/delivery/LateCommit.ts`,
    find: "if (inbox.comeBy(deliveryReport.priority, deliveryReport.seq)) pump(decision, inbox)",
    put: "void [inbox, pump]",
  },
  {
    name: "a silent store is waited for",
    file: `${broker}/store/Deadlines.ts`,
    find: "Effect.timeoutOption(Fiber.await(fiber), millis)",
    put: "Effect.asSome(Fiber.await(fiber))",
  },
  {
    name: "late hello replaces a newer connection",
    file: `${broker}/session/Attach.ts`,
    find: "older.peer > peer",
    put: "older.peer < 0",
  },
  {
    name: "unread messages kept over a lost connection",
    file: `${client}/inbox/Receiving.ts`,
    find: "atBroker += inbox.connectionLost()",
    put: "void inbox",
  },
  {
    name: "caught up too early",
    file: `${broker}/delivery/Deliver.ts`,
    find: "isUseful && all && rows.value.length < limit",
    put: "isUseful && all && limit > 0",
  },
  {
    name: "broadcast to one",
    file: "packages/domain/src/routing/Audience.ts",
    find: "if (!isSender && rule.takes(session)) recipients",
    put: "if (!isSender && rule.takes(session) && recipients.length === 0) recipients",
  },
  {
    name: "sender's session not excluded",
    file: "packages/domain/src/routing/Audience.ts",
    find: "const isSender = member.key === sender.key &&",
    put: 'const isSender = member.key === "nobody" &&',
  },
  {
    name: "channels forgotten on restart",
    file: `${broker}/state/MeshState.ts`,
    find: "state.membersById.get(memberId)?.sessions.get(session)?.channels.add(channel)",
    put: "void [memberId, session, channel]",
  },
  {
    name: "subscription kept after leave",
    file: `${broker}/session/Channels.ts`,
    find: "else session.channels.delete(channel)",
    put: "else session.channels.has(channel)",
  },
  {
    name: "subscription row kept after leave",
    file: `${broker}/session/Channels.ts`,
    find: "Write.ChannelLeft({ ...where, channel, atMillis: nowMillis }), false))",
    put: "Write.ChannelJoined({ ...where, channel, atMillis: 0 }), false))",
  },
  {
    name: "second hello accepted",
    file: `${broker}/connection/FrameLoop.ts`,
    find: '        return Effect.fail(new ConnectionEnds({ reason: CloseCode.protocolError, code: "already_greeted" }))',
    put: "        return undefined",
  },
  {
    name: "lease ended at once",
    file: `${broker}/session/SessionLease.ts`,
    find: "fromMillis + state.rules.limits.sessionLeaseMillis\n  state",
    put: "fromMillis\n  state",
  },
  {
    name: "lease never ended",
    file: `${broker}/mesh/Tick.ts`,
    find: "if (until <= nowMillis) endSessionLease(decision, session)",
    put: "if (until <= nowMillis) void session",
  },
  {
    name: "group inbox not moved at lease end",
    file: `${broker}/session/SessionLease.ts`,
    find: '  actions.push(moveToMember(state, session.member.record.memberId, session.sessionId, "groups"))',
    put: "  void released",
  },
  {
    name: "all of the inbox moved at lease end",
    file: `${broker}/session/SessionLease.ts`,
    find: 'moveToMember(state, session.member.record.memberId, session.sessionId, "groups")',
    put: 'moveToMember(state, session.member.record.memberId, session.sessionId, "all")',
  },
  {
    name: "moved although the member has it",
    file: `${broker}/store/sqlite/MoveWrites.ts`,
    find: "return [...new Set([own, ...theirs])].filter(",
    put: "void theirs\n    return [own].filter(",
  },
  {
    name: "a group's text goes with its first ack",
    file: `${broker}/store/sqlite/DeliveryWrites.ts`,
    find: " AND waits <= 0`",
    put: "`",
  },
  {
    name: "a second ack of one recipient counts again",
    file: `${broker}/store/sqlite/DeliveryWrites.ts`,
    find: "    if (isOfGroup) fewerOf(mesh, key[2])",
    put: "    fewerOf(mesh, key[2])",
  },
  {
    name: "sealed key of another recipient",
    file: `${broker}/delivery/Accept.ts`,
    find: "const sealedKey = keys?.get(member.key)",
    put: "const [sealedKey] = [...(keys?.values() ?? [])]",
  },
  {
    name: "backlog limit not released",
    file: `${broker}/state/Inbox.ts`,
    find: "    this.#grow({ messages: -messages.length, characters: -gone })\n",
    put: "",
  },
  {
    name: "backlog limit not held",
    file: `${broker}/delivery/Backlog.ts`,
    find: "const full = messages >= backlogMessagesMax ||",
    put: "const full = messages < Math.min(0, backlogMessagesMax) ||",
  },
  {
    name: "rate limit not held",
    file: `${broker}/TokenBucket.ts`,
    find: "    this.#tokens -= 1\n",
    put: "",
  },
  {
    name: "number used again after a failed commit",
    file: `${broker}/delivery/Accept.ts`,
    find: '  if (reason === "fenced") return',
    put: '  state.lastSeq -= 1\n  if (reason === "fenced") return',
  },
  {
    name: "a message outlives its ttl",
    file: `${broker}/delivery/Accept.ts`,
    find: "expiresAtMillis: nowMillis + ttlMillis,",
    put: "expiresAtMillis: nowMillis + 10 * ttlMillis,",
  },
  {
    name: "what expired is said to be pending",
    file: `${broker}/delivery/MessageStatus.ts`,
    find: "if (expiresAtMillis <= nowMillis)",
    put: "if (expiresAtMillis <= 0)",
  },
  {
    name: "what waits is said to be expired",
    file: `${broker}/delivery/MessageStatus.ts`,
    find: "if (expiresAtMillis <= nowMillis)",
    put: "if (expiresAtMillis > nowMillis)",
  },
  {
    name: "a message to everyone counts as one send",
    file: `${broker}/delivery/Accept.ts`,
    find: "  allowance.sends.charge(Math.max(0, resolved.recipients.length - 1))\n",
    put: "",
  },
  {
    name: "a member asks as often as it likes",
    file: `${broker}/mesh/Requests.ts`,
    find: "if (isAsk(frame) && !connection",
    put: "if (isAsk(frame) && frame.id === undefined && !connection",
  },
  {
    name: "anybody is told what became of a message",
    file: `${broker}/delivery/MessageStatus.ts`,
    find: "senderMemberId === member.record.memberId",
    put: "senderMemberId !== undefined",
  },
  {
    name: "the retentionSweep erases what waits",
    file: `${broker}/store/RetentionSweep.ts`,
    find: "limits.retentionRowsMax, yield* Clock.currentTimeMillis)",
    put: "limits.retentionRowsMax, (yield* Clock.currentTimeMillis) + limits.messageTtlMillis)",
  },
  {
    name: "confirmed when it is written to the host",
    file: `${mcp}/Reading.ts`,
    find: "fork(Effect.forkIn(confirmByTime(cursor), scope))",
    put: "fork(commit(unconfirmed.confirm(cursor)))",
  },
  {
    name: "confirmed by time though it was cancelled",
    file: `${mcp}/Unconfirmed.ts`,
    find: "    answer.cancelled = true\n    if (answer.written)",
    put: "    if (answer.written)",
  },
  {
    name: "confirmed by time though the host answers no ping",
    file: `${mcp}/Reading.ts`,
    find: "const alive = Effect.raceFirst(host.ping,",
    put: "const alive = Effect.raceFirst(Effect.void,",
  },
  {
    name: "shown again and not marked after its call was cancelled",
    file: `${mcp}/Unconfirmed.ts`,
    find: "message.redelivered || part.written",
    put: "message.redelivered",
  },
  {
    name: "an answer longer than hosts take",
    file: `${mcp}/Reading.ts`,
    find: "index > 0 && (used > room.max || index >= max)",
    put: "index > 0 && index >= max",
  },
  {
    name: "everything is said to be redelivered",
    file: `${broker}/state/Inbox.ts`,
    find: "(waiting.leased !== false && !this.#clearing.has(seq))",
    put: "waiting.leased !== false",
  },
  {
    name: "what was recalled is granted all the same",
    file: `${broker}/delivery/MessageLease.ts`,
    find: "    if (window.get(messageId)?.lease !== lease) continue\n",
    put: "    void window\n",
  },
  {
    name: "recall takes nothing from the loser",
    file: `${broker}/delivery/Recall.ts`,
    find: "Inbox.takeBack(from.window, messageId)",
    put: "void Inbox",
  },
  {
    name: "the loser is not told of a recall",
    file: `${broker}/delivery/Recall.ts`,
    find: 'actions.push(Action.Send({ peer, frame: { type: "recalled", messageIds } }))',
    put: "void [actions, peer, messageIds, Action]",
  },
  {
    name: "what another session has leased is not counted",
    file: `${broker}/delivery/Remaining.ts`,
    find: "countOf(other.inbox) + keptBy(connection, other, nowMillis)",
    put: "countOf(other.inbox) + 0 * keptBy(connection, other, nowMillis)",
  },
  {
    name: "what lies unread in another session is not counted",
    file: `${broker}/delivery/Remaining.ts`,
    find: "if (inbox.session !== undefined || isRecallable(asking, unacked)) left.delete(unacked.seq)",
    put: "if (inbox.session !== undefined && isRecallable(asking, unacked)) left.delete(unacked.seq)",
  },
  {
    name: "a session is given to a second process",
    file: `${broker}/session/Attach.ts`,
    find: "return nowMillis - sockets.heardAtMillis(holder.peer) < state.rules.limits.instanceSilentMillis",
    put: "return nowMillis - sockets.heardAtMillis(holder.peer) < 0 * state.rules.limits.instanceSilentMillis",
  },
  {
    name: "the second process of a session does not come back",
    file: `${client}/connection/Handshake.ts`,
    find: 'error === "session_in_use") return "renamed"',
    put: 'error === "session_in_use") return "soon"',
  },
  {
    name: "a command is in the audience of groups",
    file: `${broker}/session/Attach.ts`,
    find: "(hello.maxInFlight === 0 || hello.transient === true)",
    put: "hello.maxInFlight === 0",
  },
  {
    name: "the outbox ends with its process",
    file: `${client}/outbox/OutboxStore.ts`,
    find: "UPDATE outbox SET sender = NULL WHERE sender = ?",
    put: "DELETE FROM outbox WHERE sender = ?",
  },
  {
    name: "messages of processes that live are taken over",
    file: `${client}/outbox/Adoption.ts`,
    find: "if (hasEnded(other)) return true",
    put: "if (nowNanos >= 0n) return true",
  },
  {
    name: "messages of a process that was killed are not taken over",
    file: `${client}/outbox/Adoption.ts`,
    find: "if (hasEnded(other)) return true",
    put: "if (nowNanos >= 0n) return false",
  },
  {
    name: "two to one target on the wire",
    file: `${client}/outbox/SendQueue.ts`,
    find: "if (busy.has(target)) return false",
    put: "if (busy.has(target) && target.length < 0) return false",
  },
  {
    name: "what has left is said to be cancelled",
    file: `${client}/outbox/OutboxStore.ts`,
    find: "DELETE FROM outbox WHERE message_id = ? AND has_left = 0",
    put: "DELETE FROM outbox WHERE message_id = ?",
  },
  {
    name: "a refusal that nobody waits for is not written down",
    file: `${client}/outbox/Outbox.ts`,
    find: "problem === undefined || entry.isTold ? []",
    put: "problem !== entry.retryAtMillis ? []",
  },
  {
    name: "a refusal is told by whoever comes",
    file: `${client}/outbox/OutboxStore.ts`,
    find: "AND (claimed_by IS NULL OR",
    put: "AND (TRUE OR claimed_by IS NULL OR",
  },
  {
    name: "what another process has taken over is not waited for",
    file: `${client}/outbox/OutboxStore.ts`,
    find: "AND e.sender IS NOT ?1 AND",
    put: "AND FALSE AND e.sender IS NOT ?1 AND",
    from: 1_150,
  },
  {
    name: "what waits for a session alone is not pushed once its window has room",
    file: `${broker}/mesh/Requests.ts`,
    find: "[connection, ...left].flatMap(inboxesOf)",
    put: "[connection, ...left.slice(left.length)].flatMap(inboxesOf)",
    from: 850,
  },
  {
    name: "what has expired is said to wait in another session",
    file: `${broker}/delivery/Remaining.ts`,
    find: "unacked.expiresAtMillis > nowMillis &&",
    put: "(unacked.expiresAtMillis > nowMillis || nowMillis > 0) &&",
  },
  {
    name: "a slow connection is not told what it missed",
    file: `${broker}/presence/Presence.ts`,
    find: "if (!subscription.behind.has(session)) subscription",
    put: "if (subscription.behind.size > 1_000) subscription",
  },
  {
    name: "who is cut off has left",
    file: `${broker}/presence/Roster.ts`,
    find: "session.live ? {",
    put: "session.attached ? {",
  },
  {
    name: "a status that ends by itself is not told",
    file: `${broker}/presence/Roster.ts`,
    find: "viewOf(state, session, nowMillis))) touch(state, session)",
    put: "viewOf(state, session, nowMillis))) return",
  },
  {
    name: "a page takes the place of those before it",
    file: `${client}/roster/ToldPeers.ts`,
    find: "new Map([...(before?.known ?? []), ...peers",
    put: "new Map([...peers",
  },
  {
    name: "a page goes on where the last one began",
    file: `${broker}/presence/PeerList.ts`,
    find: "member.key > key || session.sessionId > sessionId",
    put: "member.key > key",
  },
  {
    name: "a client keeps who has left",
    file: `${client}/roster/ToldPeers.ts`,
    find: 'if (event === "left") next.delete(keyOf(peer))',
    put: 'if (event === "left") continue',
  },
  {
    name: "dnd has no end",
    file: "packages/domain/src/routing/Status.ts",
    find: "untilMillis <= nowMillis\n",
    put: "untilMillis < 0\n",
  },
]

const { values } = parseArgs({ options: { seeds: { type: "string", default: "300" }, only: { type: "string" } } })

const folder = await mkdtemp(join(tmpdir(), "claudemesh-mutants-"))
let missed = 0
try {
  await copySources(folder)
  console.log(`${"fault".padEnd(46)} seed  what was seen`)
  for (const { file, find, from, name, put } of mutants.filter(
    (one) => values.only === undefined || one.name === values.only,
  )) {
    const place = await theOneWith(find, join(folder, file))
    if (place === undefined) {
      missed += 1
      console.log(
        `${name.padEnd(46)}   NO  its line is not in ${file}, or not once: the list needs to follow the sources`,
      )
      continue
    }
    const { path, source } = place
    await writeFile(
      path,
      source.replace(find, () => put),
    )
    const { caught, problem } = await runWith(folder, from ?? 1, values.seeds)
    await writeFile(path, source)
    if (caught === "NO") missed += 1
    console.log(`${name.padEnd(46)} ${caught.padStart(4)}  ${problem}`)
  }
} finally {
  await rm(folder, { recursive: true, force: true })
}
console.log(missed === 0 ? "every planted fault was noticed" : `${missed} planted faults were not noticed`)
process.exit(missed === 0 ? 0 : 1)
