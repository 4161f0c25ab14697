/**
 * What an agent's process runs in: a host, which speaks with it over a pipe, and a model, which looks at its messages
 * when it likes. The server's side is the production one: the tool, the leases, and how an answer is confirmed. The host
 * does what hosts do: it cancels a call before or after its answer, is stopped and goes on, is gone in the middle of an
 * answer, cuts what is too long, or answers no ping. The model sees what it is given, and that alone is a view.
 */
import type { HookEvent } from "@claudemesh/cli/host/HookMoment"
import { HostState } from "@claudemesh/cli/host/HostState"
import { inboxesOf } from "@claudemesh/cli/mcp/Inboxes"
import { makeNotices } from "@claudemesh/cli/mcp/Notices"
import { makeReading } from "@claudemesh/cli/mcp/Reading"
import { checkMessages } from "@claudemesh/cli/mcp/tools/checkMessages"
import { hookTool } from "@claudemesh/cli/mcp/tools/hook"
import { betweenTags, newBoundary } from "@claudemesh/cli/mcp/WrapUntrusted"
import { type Crypto, Effect, Exit, Fiber, Scope } from "effect"
import type { Chance } from "./Chance.ts"
import type { ClientProcess } from "./ClientProcess.ts"
import { cursorIn, type Eyes, notSentIn, partsIn } from "./Eyes.ts"
import { Gate } from "./Gate.ts"
import type { History } from "./History.ts"
import type { VirtualTime } from "./VirtualTime.ts"

/** Of an answer, in characters: hosts cut at 10,000 to 50,000, and the server counts on no less than this. */
const cutsAt = { least: 20_000, most: 50_000 }
/** How long a host has an answer before the model sees it. A person who presses escape does so within it. */
const thinkingMillisMax = 8_000
const pipeMillis = 5
/** Characters that a pipe holds while its reader is stopped. */
const pipeCharacters = 65_536
/** How long a host waits for a hook. */
const hookMillisMax = 5_000
/** How often a turn begins with another conversation. */
const clears = 0.1
/** From the end of stdin to the end of the process. */
const lastAnswersMillis = 800

/** The odds of what a host may do with one call. */
export interface HostFaults {
  readonly cancels: number
  readonly thinksLong: number
  /** The model does not give the cursor of the last answer: time confirms it. */
  readonly forgets: number
}

export const noHostFaults: HostFaults = { cancels: 0, thinksLong: 0, forgets: 0.02 }

export interface Host {
  /** The model looks at its messages. `pulls`: it asks the broker for what is held back, too. */
  readonly look: (pulls: boolean) => void
  /** It goes on with a turn, or begins one, and its hook is handed what is due. */
  readonly step: () => void
  /** It ends its turn, which may take some times. False: there is none. */
  readonly rest: () => boolean
  /** Nothing of it runs until it goes on. */
  readonly stop: () => void
  readonly goOn: () => void
  readonly isStopped: () => boolean
  /** It closes the pipe, and the process ends soon. */
  readonly leave: () => void
  readonly hasLeft: () => boolean
  /** It is killed together with the process. */
  readonly crash: Effect.Effect<void>
}

interface Context {
  readonly event: HookEvent
  readonly text: string
  readonly asked: number
  readonly answered: number
}

interface Line {
  readonly characters: number
  readonly read: () => void
  readonly left: () => void
  hasLeft: boolean
}

export const startHost = Effect.fnUntraced(function* (options: {
  readonly process: ClientProcess
  readonly eyes: Eyes
  readonly time: VirtualTime
  readonly chance: Chance
  readonly history: History
  readonly faults: () => HostFaults
}): Effect.fn.Return<Host, never, Crypto.Crypto> {
  const { chance, eyes, faults, history, process, time } = options
  const { machine, membership, note } = process
  const gate = new Gate(machine.gate)
  const fork = Effect.runForkWith(yield* Effect.context<never>())
  const crypto = yield* Effect.context<Crypto.Crypto>()
  const cutsAtCharacters = chance.between(cutsAt.least, cutsAt.most)
  const answersPings = chance.happens(0.9)
  const cancelled = new Set<number>()
  const given = new Set<number>()
  const listeners = new Set<() => void>()
  const calls = new Map<number, Fiber.Fiber<unknown>>()
  let pipe: ReadonlyArray<Line> = []
  let gone = false
  let cursor: string | undefined
  let callCount = 0

  const after = (millis: number, happens: () => void) => time.after(millis, () => gate.through(happens))

  /** To the process, in order: at once, but for a process that is stopped. */
  const say = (happens: () => void): void =>
    process.gate.through(() => {
      if (!process.isAlive()) return
      happens()
      listeners.forEach((listener) => listener())
    })

  const write = (characters: number, read: () => void, left: () => void): void => {
    pipe = [...pipe, { characters, read, left, hasLeft: false }]
    drain()
    after(pipeMillis, () => {
      const [line] = pipe
      if (line === undefined || gone) return
      pipe = pipe.slice(1)
      drain()
      line.read()
    })
  }

  /** What the pipe holds has left the process. */
  const drain = (): void => {
    let held = 0
    for (const [index, line] of pipe.entries()) {
      held += line.characters
      if (held > pipeCharacters && index > 0) return
      if (line.hasLeft) continue
      line.hasLeft = true
      line.left()
    }
  }

  const reading = yield* process
    .inside(
      makeReading({
        ping: Effect.callback<void>((resume) => {
          const pong = () => say(() => resume(Exit.void))
          write(
            60,
            () => (answersPings ? pong() : undefined),
            () => {},
          )
        }),
        spoken: Effect.callback<void>((resume) => {
          const listener = () => resume(Exit.void)
          listeners.add(listener)
          return Effect.sync(() => void listeners.delete(listener))
        }),
      }),
    )
    .pipe(Scope.provide(process.scope))

  const modelSees = (text: string, asked: number, answered: number): void => {
    if (text.length > cutsAtCharacters) return note(`'s host cuts an answer of ${text.length} characters`)
    for (const seen of partsIn(text)) {
      eyes.saw(seen)
      const { memberId: member, meshId: mesh } = membership
      const { number, sessionId: host } = process
      const where = { mesh, member, session: process.session(), host, process: number, machine: machine.name }
      history.views.push({ ...seen, ...where, order: history.nextOrder(), answered, asked })
      const part = seen.parts === 1 ? "" : `, part ${seen.part} of ${seen.parts}`
      note(`is shown ${seen.messageId.slice(0, 8)}${part}${seen.redelivered ? " (redelivered)" : ""}`)
    }
    cursor = cursorIn(text) ?? cursor
  }

  const hostReads = (id: number, text: string, asked: number, answered: number): void => {
    if (cancelled.has(id)) return
    const millis = chance.happens(faults().thinksLong) ? chance.between(0, thinkingMillisMax) : chance.between(0, 200)
    after(millis, () => {
      if (gone || cancelled.has(id)) return
      given.add(id)
      modelSees(text, asked, answered)
    })
  }

  const notices = makeNotices(reading)
  const hook = hookTool(new HostState())
  /** What a hook gave that the model was not asked with yet. */
  let context: ReadonlyArray<Context> = []
  /** `waits`: for its hook, or for its model. `taken-back`: nothing but another prompt can follow. */
  let turn: "none" | "waits" | "acts" | "taken-back" = "none"
  let conversation = 1

  /** The model is asked with what came. A person may press escape before: a prompt goes with its context, and a step's stays. */
  const modelIsAsked = (event: HookEvent): void => {
    after(chance.happens(faults().thinksLong) ? chance.between(0, thinkingMillisMax) : chance.between(0, 200), () => {
      if (gone) return
      if (chance.happens(faults().cancels)) {
        note(`'s person presses escape after ${event}`)
        context = context.filter((one) => one.event !== "UserPromptSubmit")
        turn = "taken-back"
        return
      }
      for (const { answered, asked, text } of context) modelSees(text, asked, answered)
      context = []
      turn = "acts"
    })
  }

  const hookAnswered = (event: HookEvent, id: number, answer: string, asked: number): void => {
    const text: string | undefined = JSON.parse(answer).hookSpecificOutput?.additionalContext
    const answered = history.nextOrder()
    reading.leaving(id)
    for (const { messageId, part } of partsIn(text ?? ""))
      history.given.push({ messageId, part, process: process.number, order: answered })
    const read = () => {
      if (cancelled.has(id)) return
      given.add(id)
      if (text !== undefined) context = [...context, { event, text, asked, answered }]
      if (event === "Stop" && text === undefined) turn = "none"
      else modelIsAsked(event)
    }
    write(answer.length, read, () => reading.left(id))
  }

  /** As the host's own time-out does. */
  const giveUp = (id: number): void => {
    if (gone || given.has(id) || cancelled.has(id)) return
    note(`'s host gives a hook up`)
    cancelled.add(id)
    turn = "taken-back"
    cancelCall(id)
  }

  const cancelCall = (id: number): void =>
    say(() => {
      const fiber = calls.get(id)
      const interrupted = fiber === undefined ? Effect.void : Fiber.interrupt(fiber)
      notices.untold(id)
      fork(Effect.andThen(interrupted, process.inside(reading.cancelled(id))))
    })

  /** What a tool of the server is called with. */
  const callFor = (requestId: number) =>
    Effect.succeed({
      manager: process.manager,
      reading,
      history: process.shownHistory,
      requestId,
      newBoundary: Effect.provide(newBoundary, crypto),
      progress: () => Effect.void,
      hostGone: Effect.never,
    })

  const callHook = (event: HookEvent): void => {
    callCount += 1
    const id = callCount
    const asked = history.nextOrder()
    turn = "waits"
    const calling = hook.call({ event, session_id: `${conversation}`, agent_id: "" }, callFor(id)).pipe(
      Effect.andThen(({ text }) =>
        Effect.sync(() => (process.isAlive() ? hookAnswered(event, id, text, asked) : undefined)),
      ),
      Effect.catchDefect((defect) =>
        Effect.sync(() => history.broken(time.nowMillis, `a hook failed: ${String(defect)}`)),
      ),
      Effect.ensuring(Effect.sync(() => calls.delete(id))),
    )
    say(() => void calls.set(id, fork(process.inside(calling))))
    after(hookMillisMax, () => giveUp(id))
  }

  /** As the MCP server does. */
  const answer = Effect.fnUntraced(function* (id: number, max: number, last: string | undefined, pulls: boolean) {
    const { client, manager } = process
    if (!pulls) {
      if (last !== undefined) yield* reading.confirm(last)
      const { boundary, cursor: next, texts } = yield* reading.next(inboxesOf(manager), id, max)
      return [betweenTags(boundary), ...texts, ...(next === undefined ? [] : [`{"cursor": "${next}"}`])].join("\n\n")
    }
    const input = { max, ...(last !== undefined && { cursor: last }) }
    const { saysWhatWaits, text } = yield* checkMessages.call(input, callFor(id))
    return [text, ...(yield* notices.take([client], id, saysWhatWaits === true))].join("\n\n")
  })

  const leave = (id: number, text: string): void => {
    reading.left(id)
    fork(process.inside(notices.told(id)))
    for (const told of notSentIn(text)) {
      for (const sent of history.sent.values()) if (sent.messageId.startsWith(told)) sent.told += 1
    }
  }

  const serve = (id: number, max: number, last: string | undefined, pulls: boolean, asked: number) => {
    const serving = answer(id, max, last, pulls).pipe(
      Effect.andThen((text) =>
        Effect.sync(() => {
          if (!process.isAlive()) return
          reading.leaving(id)
          const answered = history.nextOrder()
          for (const { messageId, part } of partsIn(text))
            history.given.push({ messageId, part, process: process.number, order: answered })
          write(
            text.length,
            () => hostReads(id, text, asked, answered),
            () => leave(id, text),
          )
        }),
      ),
      Effect.catchDefect((defect) =>
        Effect.sync(() => history.broken(time.nowMillis, `a call failed: ${String(defect)}`)),
      ),
      Effect.ensuring(Effect.sync(() => calls.delete(id))),
    )
    calls.set(id, fork(process.inside(serving)))
  }

  return {
    look: (pulls) => {
      if (gone || !gate.isOpen || !process.isAlive()) return
      // A tool is called within a turn, and its hook comes before it.
      if (turn === "acts") callHook("PreToolUse")
      if (turn === "taken-back") callHook("UserPromptSubmit")
      callCount += 1
      const id = callCount
      const asked = history.nextOrder()
      const max = chance.pick([1, 2, 5, 20, 100]) ?? 100
      const last = chance.happens(faults().forgets) ? undefined : cursor
      say(() => serve(id, max, last, pulls, asked))
      if (!chance.happens(faults().cancels)) return
      after(chance.pick([0, 2, 10, 50, chance.between(0, thinkingMillisMax)]) ?? 0, () => {
        if (gone || given.has(id)) return
        note(`'s host cancels call ${id}`)
        cancelled.add(id)
        cancelCall(id)
      })
    },
    rest: () => {
      if (turn === "none" || gone) return false
      if (turn !== "waits") callHook(turn === "acts" ? "Stop" : "UserPromptSubmit")
      return true
    },
    step: () => {
      if (gone || !gate.isOpen || !process.isAlive() || turn === "waits") return
      if (turn === "none" && chance.happens(clears)) {
        note("'s conversation is cleared")
        conversation += 1
        context = []
      }
      const next =
        turn === "acts" ? chance.pick<HookEvent>(["PreToolUse", "PostToolBatch", "Stop"]) : "UserPromptSubmit"
      callHook(next ?? "UserPromptSubmit")
    },
    stop: () => gate.shut(),
    goOn: () => gate.open(),
    isStopped: () => !gate.isOpen,
    hasLeft: () => gone,
    leave: () => {
      if (gone) return
      gone = true
      note("'s host is gone")
      process.gate.through(() => {
        reading.hostGone()
        fork(Effect.andThen(process.inside(Effect.sleep(chance.between(0, lastAnswersMillis))), process.end))
      })
    },
    crash: Effect.suspend(() => {
      gone = true
      return process.crash
    }),
  }
})
