/** Sentences that are said in more than one subject. */

import type { Part } from "./Part.ts"

export const sentNotAnsweredYet = "sent, not answered yet"

export const noAnswerInTime = "no answer in time"

export const makeOneCreateOrJoinOne = (command: Part, command2: Part): string =>
  `Make one: ${command} create my-team, or join one: ${command2} join '<link>'`
