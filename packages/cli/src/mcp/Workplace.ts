/**
 * Where this session runs, for its sealed profile: the members see it, and the broker does not. What is told can be switched
 * off: for all meshes by `CLAUDEMESH_PROFILE=none`, for one by `claudemesh privacy`.
 */
import { constants, open } from "node:fs/promises"
import { hostname } from "node:os"
import { basename, dirname, join, resolve } from "node:path"
import { supervised } from "@claudemesh/client/connection/Supervised"
import type { PublicMembership } from "@claudemesh/client/keys/Membership"
import type { MeshManager } from "@claudemesh/client/MeshManager"
import { Config, Effect } from "effect"
import { Failed } from "../Failed.ts"
import { workplaceLookMillis } from "./Limits.ts"
import * as agentWords from "../words/agent.ts"

export interface Workplace {
  readonly cwd?: string
  readonly host?: string
  readonly branch?: string
}

const variable = "CLAUDEMESH_PROFILE"

/** What is meant by something else is said: whoever wants nothing told must not find out later that all was. */
const tellsAnything = Effect.gen(function* () {
  const value = yield* Effect.orDie(Config.String(variable).pipe(Config.withDefault("")))
  if (value === "" || value === "full") return true
  if (value === "none") return false
  return yield* new Failed({
    reason: agentWords.variableIs(variable, JSON.stringify(value)),
    code: "bad_setting",
    hint: agentWords.itCanBeFullOrNone,
  })
})

/** Of a folder that was deleted only the host is told. */
export const workplace = (cwd: string | undefined): Effect.Effect<Workplace, Failed> =>
  Effect.gen(function* () {
    if (!(yield* tellsAnything)) return {}
    if (cwd === undefined) return { host: hostname() }
    const branch = yield* Effect.promise(() => branchOf(cwd))
    return { cwd, host: hostname(), ...(branch !== undefined && { branch }) }
  })

/** What a session of this person that is started in a folder tells the members of a mesh, and its broker never. */
export const toldOf = (membership: PublicMembership, cwd: string | undefined): Effect.Effect<Workplace, Failed> =>
  Effect.map(workplace(cwd), (place) => (membership.tells === "nothing" ? {} : place))

/** In one line, for a person. */
export const toldWords = ({ branch, cwd, host }: { readonly [key in keyof Workplace]: string | null }): string => {
  const parts = [
    ...((cwd ?? "") === "" ? [] : [`folder ${cwd}`]),
    ...((host ?? "") === "" ? [] : [`host ${host}`]),
    ...((branch ?? "") === "" ? [] : [`branch ${branch}`]),
  ]
  return parts.length === 0 ? agentWords.nothingOfWhereItRuns : parts.join(", ")
}

/** The branch changes while a session runs. Who sees the session sees the one that it is on. */
export const followed = (manager: Pick<MeshManager, "all">, cwd: string | undefined) =>
  Effect.gen(function* () {
    let before = JSON.stringify(yield* workplace(cwd))
    const look = Effect.gen(function* () {
      const now = yield* Effect.orElseSucceed(workplace(cwd), (): Workplace => ({}))
      const text = JSON.stringify(now)
      if (text === before) return
      before = text
      yield* Effect.forEach(manager.all, (client) => Effect.ignore(client.setProfile(now)), { discard: true })
    })
    yield* supervised(
      "",
      "following the branch",
      Effect.forever(Effect.andThen(Effect.sleep(workplaceLookMillis), look)),
    )
  })

/** Read from git's own files, here or in a folder above: git itself need not be there. */
const branchOf = async (folder: string): Promise<string | undefined> => {
  const place = join(folder, ".git")
  // A worktree and a submodule have a file that says where their own is, with a HEAD of its own.
  const pointer = await beginningOf(place).catch(() => undefined)
  const elsewhere = /^gitdir: ([^\r\n]+)/.exec(pointer ?? "")?.[1]
  const head = await beginningOf(join(elsewhere === undefined ? place : resolve(folder, elsewhere), "HEAD")).catch(
    () => undefined,
  )
  if (head !== undefined) return /^ref: refs\/heads\/([^\s.]\S*)\s*$/.exec(head)?.[1]
  const above = dirname(folder)
  return above === folder || basename(folder) === "" ? undefined : branchOf(above)
}

const headBytesMax = 1_024

/** The folder is anybody's: a pipe there would never answer, and a device might never end. */
const beginningOf = async (path: string): Promise<string | undefined> => {
  const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK)
  try {
    if (!(await file.stat()).isFile()) return undefined
    const { buffer, bytesRead } = await file.read(Buffer.alloc(headBytesMax), 0, headBytesMax, 0)
    return buffer.toString("utf8", 0, bytesRead)
  } finally {
    await file.close()
  }
}
