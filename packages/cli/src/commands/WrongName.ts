/** Why a member cannot be called so, by the character that is not allowed where it is one. */

const invisible = /[\p{Default_Ignorable_Code_Point}\p{Cc}\p{Co}\p{Cn}\u2800]/u

export const wrongName = (name: string): string => {
  if (name === "") return "a name in one writing system, without / or :"
  const [atStart] = /^[#*@]/.exec(name) ?? []
  if (atStart !== undefined) return `${name} begins with ${atStart}, which is not allowed at the start of a name`
  const [inside] = /[/:]/.exec(name) ?? []
  if (inside !== undefined) return `${name} has ${inside} in it, which is not allowed in a name`
  const [hidden] = invisible.exec(name) ?? []
  if (hidden !== undefined) {
    const code = hidden.codePointAt(0)?.toString(16).toUpperCase().padStart(4, "0") ?? ""
    return `The name has the character U+${code} in it, which nobody sees`
  }
  if (/^[0-9a-f]{8,}$/i.test(name)) return `${name} looks like a key`
  return `${name} is not a name: one writing system, no two spaces in a row, and not too long`
}
