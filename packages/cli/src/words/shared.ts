/** Sentences that are said in more than one subject. */

export const sentNotAnsweredYet = "sent, not answered yet"

export const noAnswerInTime = "no answer in time"
