/**
 * Looks at meshes until it is interrupted: a table in place on a terminal, and anywhere else one line for each change. It is asked anew
 * when the client was told that something changed; what is the same is not shown again. While a mesh is away its last rows stand, and it
 * is said that it is away: nobody has left because our own connection was lost.
 */
import type { BrokerClient } from "@claudemesh/client/BrokerClient"
import type { RequestError } from "@claudemesh/client/connection/Requests"
import type { MeshManager } from "@claudemesh/client/MeshManager"
import type { Slug } from "@claudemesh/domain/Ids"
import { isoFromMillis } from "@claudemesh/domain/IsoTime"
import { Clock, Effect, Option, Semaphore, Stream, SubscriptionRef } from "effect"
import { saidOfConnection } from "../commands/Follow.ts"
import { aside, dim, printable } from "../Output.ts"
import { isReaderGone, ReaderGone, type StdoutFailed, writeTaken } from "../Stdout.ts"
import { type Change, changesBetween, type Watched } from "./Changes.ts"
import { openScreen, type Picture, type Screen } from "./Screen.ts"
import { awaitChange } from "./AwaitChange.ts"

export interface View<Row, R = never> extends Watched<Row> {
  /** Of one mesh that is connected. */
  readonly rowsOf: (client: BrokerClient) => Effect.Effect<ReadonlyArray<Row>, RequestError, R>
  /** Of one that is not, where that is a row of its own. */
  readonly awayRowsOf?: (client: BrokerClient, problem: string) => Effect.Effect<ReadonlyArray<Row>, never, R>
  /** What must be known besides; each is said once. */
  readonly warningsOf?: (client: BrokerClient, rows: ReadonlyArray<Row>) => Effect.Effect<ReadonlyArray<string>>
  readonly pictureOf: (rows: ReadonlyArray<Row>) => Omit<Picture, "foot">
  /** Without its time. Undefined for what is not worth a line. */
  readonly lineOf: (change: Change<Row>) => string | undefined
  readonly dataOf: (row: Row) => Readonly<Record<string, unknown>>
}

interface Show<Row> {
  readonly looked: (changes: ReadonlyArray<Change<Row>>) => Effect.Effect<void, StdoutFailed | ReaderGone>
  readonly lost: (client: BrokerClient, text: string) => Effect.Effect<void>
  readonly back: (client: BrokerClient, text: string | undefined) => Effect.Effect<void>
  readonly warned: (client: BrokerClient, text: string) => Effect.Effect<void>
}

/** A broker can do strange things all day. */
const warningsMax = 20

/** Until every mesh is over, which is a failure, or nobody reads any more. */
export const live = Effect.fnUntraced(function* <Row, R>(manager: MeshManager, view: View<Row, R>, json: boolean) {
  const context = yield* Effect.context<R>()
  const rows = new Map<Slug, ReadonlyArray<Row>>()
  const all = () => manager.all.flatMap(({ membership }) => rows.get(membership.slug) ?? [])
  const show = process.stdout.isTTY && !json ? onScreen(yield* openScreen, view, all) : asLines(view, json)
  const inTurn = yield* Semaphore.make(1)

  const become = (client: BrokerClient, now: ReadonlyArray<Row>) =>
    Effect.suspend(() => {
      const { slug } = client.membership
      const changes = changesBetween(rows.get(slug), now, view)
      rows.set(slug, now)
      return show.looked(changes)
    }).pipe(Semaphore.withPermit(inTurn))

  const warned = new Set<string>()
  const warn = Effect.fnUntraced(function* (client: BrokerClient, now: ReadonlyArray<Row>) {
    for (const text of view.warningsOf === undefined ? [] : yield* view.warningsOf(client, now)) {
      const known = `${client.membership.slug} ${text}`
      if (warned.has(known) || warned.size >= warningsMax) continue
      warned.add(known)
      yield* show.warned(client, text)
    }
  })

  const look = (client: BrokerClient) =>
    Effect.flatMap(Effect.option(view.rowsOf(client)), (found) =>
      Option.isNone(found) ? Effect.void : Effect.andThen(become(client, found.value), warn(client, found.value)),
    )

  const looking = Effect.fnUntraced(function* (client: BrokerClient) {
    const changed = yield* awaitChange(client)
    while (true) {
      yield* SubscriptionRef.changes(client.states).pipe(
        Stream.filter(({ _tag }) => _tag === "Connected"),
        Stream.runHead,
      )
      yield* look(client)
      yield* changed
    }
  }, Effect.scoped)

  const away = (client: BrokerClient, problem: string) =>
    view.awayRowsOf === undefined
      ? Effect.void
      : Effect.provide(
          Effect.ignore(Effect.flatMap(view.awayRowsOf(client, problem), (rows) => become(client, rows))),
          context,
        )

  const over = Effect.forEach(
    manager.all,
    (client) =>
      saidOfConnection(client, {
        lost: (text) => Effect.andThen(show.lost(client, text), away(client, text)),
        back: (text) => show.back(client, text),
      }),
    { concurrency: "unbounded" },
  )
  return yield* Effect.raceAllFirst([
    Effect.forEach(manager.all, looking, { concurrency: "unbounded", discard: true }),
    Effect.flatMap(over, ([first]) => first ?? Effect.never),
    untilReaderGone,
  ])
})

/** A pipe whose reader has gone ends this also where nothing changes any more. */
const untilReaderGone: Effect.Effect<never, ReaderGone> = Effect.suspend(() =>
  isReaderGone() ? Effect.fail(new ReaderGone()) : Effect.andThen(Effect.sleep("1 second"), untilReaderGone),
)

const asLines = <Row, R>({ dataOf, lineOf }: View<Row, R>, json: boolean): Show<Row> => ({
  looked: Effect.fnUntraced(function* (changes) {
    const at = isoFromMillis(yield* Clock.currentTimeMillis)
    for (const change of changes) {
      const line = lineOf(change)
      if (line === undefined) continue
      const text = json
        ? JSON.stringify({ at, event: change.event, ...dataOf(change.row) })
        : printable(`${at.slice(0, 19)}Z  ${line}`).replaceAll("\n", " ")
      yield* writeTaken(`${text}\n`)
    }
  }),
  lost: saidAside,
  back: saidAside,
  warned: saidAside,
})

const saidAside = ({ membership: { slug } }: BrokerClient, text: string | undefined) =>
  text === undefined ? Effect.void : aside(printable(`claudemesh: ${slug}: ${text}`))

/** On the terminal itself it would stand in the middle of the table. */
const saidElsewhere = (client: BrokerClient, text: string | undefined) =>
  process.stderr.isTTY ? Effect.void : saidAside(client, text)

const onScreen = <Row, R>(screen: Screen, { pictureOf }: View<Row, R>, all: () => ReadonlyArray<Row>): Show<Row> => {
  const troubles = new Map<Slug, string>()
  const warnings = new Set<string>()
  const draw = () => {
    const said = [...warnings, ...[...troubles].map(([slug, text]) => `${slug}: ${text}`)]
    screen.draw({ ...pictureOf(all()), foot: [...said.map(printable), dim("Ctrl-C ends this.")] })
  }
  draw()
  const drawn = (client: BrokerClient, text: string | undefined, remember: () => void) =>
    Effect.suspend(() => {
      remember()
      draw()
      return saidElsewhere(client, text)
    })
  return {
    looked: () => Effect.sync(draw),
    lost: (client, text) => drawn(client, text, () => troubles.set(client.membership.slug, text)),
    back: (client, text) => drawn(client, text, () => troubles.delete(client.membership.slug)),
    warned: (client, text) => drawn(client, text, () => warnings.add(`${client.membership.slug}: ${text}`)),
  }
}
