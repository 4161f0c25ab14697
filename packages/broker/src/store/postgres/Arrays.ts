/** The parameters of a statement whose rows are arrays, one for each column; each gives its place in the text, with its type. */
import { PgTypes } from "@effect/sql-pg"
import { Result } from "effect"

export class Arrays {
  readonly parameters: Array<unknown> = []

  texts(values: ReadonlyArray<string | null | undefined>): string {
    const parameter = PgTypes.array(
      values.map((value) => value ?? null),
      PgTypes.OID.text,
    )
    return this.#add(Result.getOrThrow(parameter), "text[]")
  }

  /** As a text: to write it is one join, where each number for itself is a buffer. What is not a number is NULL, which no column takes. */
  numbers(values: ReadonlyArray<number | null>): string {
    const items = values.map((value) => (Number.isSafeInteger(value) ? value : "NULL"))
    return this.#add(`{${items.join(",")}}`, "bigint[]")
  }

  text(value: string): string {
    return this.#add(value, "text")
  }

  number(value: number): string {
    return this.#add(String(value), "bigint")
  }

  #add(parameter: unknown, type: string): string {
    this.parameters.push(parameter)
    return `$${this.parameters.length}::${type}`
  }
}
