/** Names and channels for what a person has begun to write in a prompt: those of the meshes, as far as they answer in time. */
import type { MeshManager } from "@claudemesh/client/MeshManager"
import { Effect } from "effect"
import { completionMillis, completionsMax } from "./Limits.ts"

const noValues = { values: [] as ReadonlyArray<string>, total: 0, hasMore: false }

export const completed = Effect.fnUntraced(function* (
  { all }: Pick<MeshManager, "all">,
  argument: string,
  begun: string,
) {
  if (argument !== "who") return noValues
  const found = yield* Effect.forEach(
    all,
    (client) =>
      Effect.all([client.roster, client.channels], { concurrency: 2 }).pipe(
        Effect.map(([members, channels]) => [
          ...members.flatMap(({ displayName, pubkey, standing }) =>
            displayName === undefined || standing._tag !== "Certified" || pubkey === client.membership.pubkey
              ? []
              : [displayName],
          ),
          ...channels.map(({ channel }) => `#${channel}`),
          "*",
        ]),
        Effect.map((names) => (all.length === 1 ? names : names.map((name) => `${client.membership.slug}:${name}`))),
        Effect.timeoutOption(completionMillis),
        Effect.map((names) => (names._tag === "Some" ? names.value : [])),
        Effect.orElseSucceed((): ReadonlyArray<string> => []),
      ),
    { concurrency: "unbounded" },
  )
  const start = begun.trim().toLowerCase()
  const fitting = [...new Set(found.flat())]
    .filter((name) => name.toLowerCase().startsWith(start) || name.toLowerCase().includes(`:${start}`))
    .toSorted()
  const values = fitting.slice(0, completionsMax)
  return { values, total: fitting.length, hasMore: values.length < fitting.length }
})
