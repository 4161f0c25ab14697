/**
 * Wakes the host when something waits for it: looks at the inboxes, asks `WhenToWake.ts`, and writes the wake file. What
 * cannot be written is logged once: the messages wait on, and whoever looks gets them.
 */
import type { MeshManager } from "@claudemesh/client/MeshManager"
import { home } from "@claudemesh/client/local/Home"
import { Processes } from "@claudemesh/client/local/Processes"
import { Clock, Effect } from "effect"
import type { Reading } from "../mcp/Reading.ts"
import { hostPid, wakesPerHourOf } from "./ClaudeCode.ts"
import type { HostState } from "./HostState.ts"
import { wakeFollowedMillis, wakeLookMillis, wakesPerHour } from "./Limits.ts"
import { openWakeFile, removeDeadWakeFiles, type WakeFile } from "./WakeFile.ts"
import { neverWoken, whenToWake } from "./WhenToWake.ts"
import * as hostWords from "../words/host.ts"

interface Waking {
  readonly manager: Pick<MeshManager, "all" | "awaitAvailable" | "isDnd" | "look">
  readonly reading: Pick<Reading, "looks">
  readonly state: HostState
}

/** Until its scope ends. Nothing is done under another host. */
export const wake = (waking: Waking) =>
  Effect.gen(function* () {
    const pid = yield* hostPid
    if (pid === undefined) return
    const directory = yield* home
    const processes = yield* Processes
    const file = yield* Effect.sync(() => {
      removeDeadWakeFiles(directory, processes)
      return openWakeFile(directory, pid)
    })
    yield* keepAwake(waking, file, yield* wakesPerHourOf(wakesPerHour))
  }).pipe(Effect.catchCause((cause) => Effect.logWarning(hostWords.thisHostIsNotWoken, cause)))

export const keepAwake = Effect.fnUntraced(function* (
  { manager, reading, state }: Waking,
  file: Pick<WakeFile, "note" | "write">,
  perHour: number,
) {
  let before = neverWoken
  const situation = Effect.map(Clock.currentTimeMillis, (nowMillis) => ({
    waiting: manager.all.flatMap(({ inbox }) => inbox.waiting),
    isBusy: state.isBusy(nowMillis),
    hooksWork: state.hooksWork,
    isDnd: manager.isDnd(nowMillis),
    looks: state.looks + reading.looks(),
    nowMillis,
    wakesPerHour: perHour,
  }))
  while (true) {
    yield* manager.awaitAvailable
    const first = whenToWake(before, yield* situation)
    before = first.line === undefined ? first.state : before
    if (first.line !== undefined) {
      // Not for what may not be shown yet, or was shown by another process meanwhile.
      const waiting = yield* manager.look
      const { line, state: after } = whenToWake(before, { ...(yield* situation), waiting })
      before = after
      if (line !== undefined) {
        // Before it is written: the host may be quick.
        const nowMillis = yield* Clock.currentTimeMillis
        const prompts = state.prompts
        state.woke(nowMillis)
        // Of a busy host the line joins a request that is made anyway.
        if (!state.isBusy(nowMillis)) yield* Effect.forkChild(noted(state, file, prompts))
        yield* Effect.sync(() => file.write(line))
      }
    }
    yield* Effect.sleep(wakeLookMillis)
  }
})

/** Whether a turn follows. That it cannot be written down is no reason not to wake. */
const noted = (state: HostState, { note }: Pick<WakeFile, "note">, prompts: number) =>
  Effect.gen(function* () {
    const wokenAtMillis = yield* Clock.currentTimeMillis
    yield* Effect.sync(() => note({ wokenAtMillis }))
    for (let waited = 0; waited < wakeFollowedMillis; waited += wakeLookMillis) {
      yield* Effect.sleep(wakeLookMillis)
      if (state.prompts === prompts) continue
      return yield* Effect.sync(() => note({ followedAtMillis: wokenAtMillis }))
    }
  }).pipe(Effect.ignoreCause)
