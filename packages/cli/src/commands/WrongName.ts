/** Why a member cannot be called so, by the character that is not allowed where it is one. */
import * as joiningWords from "../words/joining.ts"

const invisible = /[\p{Default_Ignorable_Code_Point}\p{Cc}\p{Co}\p{Cn}\u2800]/u

export const wrongName = (name: string): string => {
  if (name === "") return joiningWords.aNameInOneWritingSystemWithout
  const [atStart] = /^[#*@]/.exec(name) ?? []
  if (atStart !== undefined) return joiningWords.beginsWithWhichIsNotAllowedAt(name, atStart)
  const [inside] = /[/:]/.exec(name) ?? []
  if (inside !== undefined) return joiningWords.hasInItWhichIsNotAllowed(name, inside)
  const [hidden] = invisible.exec(name) ?? []
  if (hidden !== undefined) {
    const code = hidden.codePointAt(0)?.toString(16).toUpperCase().padStart(4, "0") ?? ""
    return joiningWords.theNameHasTheCharacterUIn(code)
  }
  if (/^[0-9a-f]{8,}$/i.test(name)) return joiningWords.looksLikeAKey(name)
  return joiningWords.isNotANameOneWritingSystem(name)
}
