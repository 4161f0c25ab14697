/** The hosts beside Claude Code that `install` knows, by the word that a person types. */
export const hosts = ["codex", "gemini", "cursor", "opencode"] as const
export type Host = (typeof hosts)[number]
