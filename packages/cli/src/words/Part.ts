/** What stands in a sentence in the place of a name or a number. */
export type Part = string | number
