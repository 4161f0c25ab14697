/**
 * Which of several joined meshes is meant: by its slug before a colon, else by who is called so. A group says nothing of it, and a
 * name that two meshes have is for the person to decide. Pure: who is asked is `MeshManager.ts`'s to know.
 */
import { withHint } from "@claudemesh/domain/WithHint"
import type { Slug } from "@claudemesh/domain/Ids"
import { parseTarget, type Target } from "@claudemesh/domain/routing/Target"
import { Option, Result, Schema } from "effect"
import { bare, beginning, nameAmongWords, nearest, slugPart } from "./FindNamed.ts"
import type { Candidate, ResolveError } from "./ResolveMember.ts"
import { isGroup } from "./ResolveTarget.ts"

const sayingMax = 5

const orList = (words: ReadonlyArray<string>): string =>
  words.length < 2 ? words.join("") : `${words.slice(0, -1).join(", ")} or ${words.at(-1)}`

/** No joined mesh is meant, or it is not clear which. */
export class UnknownMesh extends Schema.TaggedError<UnknownMesh>()("UnknownMesh", {
  asked: Schema.String,
  as: Schema.Literals(["slug", "group", "several", "nobody"]),
  slugs: Schema.Array(Schema.String),
  /** How it would be said: `red:Bob (3fa9c1d2)`. */
  choices: Schema.Array(Schema.String),
}) {
  get what() {
    if (this.slugs.length === 0) return "No mesh is joined."
    const asked = JSON.stringify(this.asked)
    switch (this.as) {
      case "slug":
        return `No mesh ${asked} is joined.`
      case "group":
        return `Several meshes are joined, and ${asked} does not say which one is meant.`
      case "several":
        return `${asked} is in more than one mesh.`
      case "nobody":
        return `Nobody is ${asked} in any of your meshes.`
    }
  }
  get hint() {
    if (this.slugs.length === 0) return "A person joins one with the claudemesh command."
    const joined = `Joined meshes: ${this.slugs.join(", ")}.`
    const choices = orList(this.choices)
    const meant = choices === "" ? "" : `Did you mean ${choices}? `
    switch (this.as) {
      case "slug":
        return `${meant}${joined}`
      case "group":
        return `Write slug:target, such as ${this.slugs[0]}:${this.asked}. ${joined}`
      case "several":
        return `Write ${choices}.`
      case "nobody": {
        const slug = slugPart(this.asked)?.[0]
        const noMesh = slug === undefined ? "" : `No mesh ${JSON.stringify(slug)} is joined. `
        return `${noMesh}${meant === "" || noMesh !== "" ? `${meant}${joined}` : meant}`.trim()
      }
    }
  }
  override get message() {
    return withHint(this)
  }
}

const unknown = (
  as: UnknownMesh["as"],
  asked: string,
  slugs: ReadonlyArray<string>,
  choices: ReadonlyArray<string> = [],
) => new UnknownMesh({ asked, as, slugs, choices })

export const noSuchMesh = (asked: string, slugs: ReadonlyArray<string>): UnknownMesh =>
  unknown(
    "slug",
    asked,
    slugs,
    nearest(asked, slugs, (slug) => slug),
  )

export interface Said {
  /** Undefined: it is to be seen who is called so. */
  readonly slug: Slug | undefined
  readonly to: string
}

/** `slug:target`, also between quotation marks. `tag:x` is a tag, whatever a mesh is called. */
export const saidMesh = (to: string, slugs: ReadonlyArray<Slug>): Result.Result<Said, UnknownMesh> => {
  const text = bare(to)
  const colon = Option.isSome(parseTarget(text)) ? -1 : text.indexOf(":")
  const slug = colon === -1 ? undefined : slugs.find((one) => one === text.slice(0, colon).trim().toLowerCase())
  if (slug !== undefined) return Result.succeed({ slug, to: text.slice(colon + 1).trim() })
  const [only, ...others] = slugs
  if (only === undefined) return Result.fail(unknown("nobody", to, slugs))
  if (others.length === 0) return Result.succeed({ slug: only, to })
  return isGroup(to) ? Result.fail(unknown("group", to, slugs)) : Result.succeed({ slug: undefined, to })
}

export interface Looked {
  readonly slug: Slug
  readonly found: Result.Result<Target, ResolveError>
  readonly nameOf: (target: Target) => Pick<Candidate, "key" | "name"> | undefined
}

/** The one mesh in which somebody is called so; also where that is nobody to send to, or more than one: it is said why there. */
export const whichMesh = (to: string, looked: ReadonlyArray<Looked>): Result.Result<Slug, UnknownMesh> => {
  const slugs = looked.map(({ slug }) => slug)
  const there = looked.filter(({ found }) => Result.isSuccess(found) || found.failure._tag !== "UnknownTarget")
  const able = there.filter(({ found }) => Result.isSuccess(found))
  const [only, ...others] = able.length > 0 ? able : there
  if (only !== undefined && others.length === 0) return Result.succeed(only.slug)
  if (only === undefined) {
    const near = looked.flatMap(({ found, slug }) =>
      Result.isFailure(found) && found.failure._tag === "UnknownTarget"
        ? found.failure.near.map((one) => ({ ...one, slug }))
        : [],
    )
    return Result.fail(
      unknown("nobody", to, slugs, nearest(slugPart(to)?.[1] ?? to, near, ({ name }) => name).map(choice)),
    )
  }
  const choices = [only, ...others].map(({ found, nameOf, slug }) => {
    const one = Result.isSuccess(found) ? nameOf(found.success) : undefined
    return one === undefined ? `${slug}:${to}` : choice({ ...one, slug })
  })
  return Result.fail(unknown("several", to, slugs, choices.slice(0, sayingMax)))
}

const choice = ({ key, name, slug }: Pick<Candidate, "key" | "name"> & { readonly slug: Slug }): string =>
  `${slug}:${nameAmongWords(name)} (${beginning(key, [])})`
