/**
 * What happened, and what its reader can do about it: two fields of an error, since a script shows them apart and a person reads them in
 * one line. An error that knows what to do has `what` and `hint`, and this as its message.
 */
export interface Hinted {
  readonly what: string
  readonly hint?: string | undefined
}

/** As a sentence that another one follows. */
export const ended = (what: string): string => what.replace(/[.;]$/, "").replace(/(?<![?!])$/, ".")

export const withHint = ({ hint, what }: Hinted): string => (hint === undefined ? what : `${ended(what)} ${hint}`)
