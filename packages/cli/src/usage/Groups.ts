/** Under which heading of the help a command stands. */

export const groups = {
  start: ["create", "join", "invite", "install", "demo"],
  talk: ["send", "reply", "inbox", "status", "message-status", "outbox", "channels"],
  people: ["peers", "verify", "invites", "revoke-invite", "revoke"],
  identity: ["whoami", "list", "rename", "leave", "move", "privacy", "export", "import"],
  run: ["mcp", "broker", "audit", "doctor", "uninstall", "completion", "help", "seed-test-mesh"],
} as const satisfies Readonly<Record<string, ReadonlyArray<string>>>

export type Group = keyof typeof groups

const names: Readonly<Record<Group, ReadonlyArray<string>>> = groups

export const groupNames: ReadonlyArray<Group> = ["start", "talk", "people", "identity", "run"]

/** In the order of the list; undefined for a command that stands in none. */
export const placeOf = (command: string): { readonly group: Group; readonly at: number } | undefined => {
  for (const group of groupNames) {
    const at = names[group].indexOf(command)
    if (at >= 0) return { group, at }
  }
  return undefined
}
