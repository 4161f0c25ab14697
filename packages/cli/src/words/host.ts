/** What a host is told for its model when messages wait. */
import type { Part } from "./Part.ts"

export const moreCallCheckMessagesOrGoOn = (rest: Part, part: Part): string =>
  `${rest} more ${part}: call check_messages, or go on: they come with your next steps.`

export const answerWithSendMessageWhereThatHelps = (handedWords: Part, count: Part, boundary: Part): string =>
  `${handedWords} ${count}. ${boundary} Answer with send_message where that helps, then go on.`

export const such1MessageWaitsThatIsTooLong =
  "1 message waits that is too long for a hook of this host: call check_messages."

export const messagesWaitThatAreTooLongFor = (count: Part): string =>
  `${count} messages wait that are too long for a hook of this host: call check_messages.`

export const thePathOfTheHomeIsToo = "the path of the home is too long for hooks: messages come by check_messages"

export const noHooksOfThisHostAreHeard = "no hooks of this host are heard"

export const pathPrintfSSedSG = (file: Part): string => `path=$(printf %s ${file} | sed 's/[\\\\"]/\\\\&/g')`

export const caseCatInWakeClaudePidExit = `case "$(cat)" in *"/wake/$CLAUDE_PID\\""*) ;; *) exit 0 ;; esac`

export const thisHostIsNotWoken = "this host is not woken"
