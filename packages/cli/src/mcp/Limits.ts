/** The bounds of what is said to a host, and of what is read from it. Characters are those of JavaScript: UTF-16 code units. */

/** Of one answer, with everything in it. Hosts cut at 10,000 to 50,000 and then show a model the name of a file. */
export const answerCharactersMax = 20_000

/** Of these, for what every answer ends with. */
export const noticesCharactersMax = 3_000

/** What is left for what was asked for. */
export const bodyCharactersMax = answerCharactersMax - noticesCharactersMax

/** Of `check_messages`, for all that is not a message: how many, which meshes are away, the cursor. */
export const frameCharactersMax = 2_000

/** Messages of one answer, wrapping included. */
export const messagesCharactersMax = bodyCharactersMax - frameCharactersMax

/** Of one message, wrapping included, that is shown whole: so that a hook can hand it over in one step. */
export const wholeCharactersMax = 8_200

/** Of a longer message's text, in one part. What is left has room for the longest label. */
export const partCharactersMax = wholeCharactersMax - 1_500

/** Random bytes of the tags between which an answer has what peers wrote: not to be guessed by who wrote it before. */
export const boundaryBytes = 8

/** Of an error: what went wrong, and who or what else there is. */
export const errorCharactersMax = 4_000

/** Of a summary: what `set_summary` takes. Another client may have taken more. */
export const summaryCharactersMax = 500

/** Of a list that shows all that members say of themselves. One that is longer says less of each. */
export const listCharactersMax = 2_750

/** Sessions of one member that a list names, and that a shortened one does. */
export const listedSessionsMax = 5
export const shortSessionsMax = 2

/** Of one line from the host. */
export const requestBytesMax = 10_485_760

/** Until the meshes are joined also for a host that does not say that it has the first answer. */
export const initializedMillis = 1_000

/** Tool calls under way at a time. */
export const callsMax = 200

/** How long an answer has to be with a host before time confirms it: an agent that is interrupted says so within it. */
export const confirmMillis = 10_000

/** From the end of stdin: until what was read is answered, and until the process is gone whatever happens. */
export const lastAnswersMillis = 800
export const lastMomentMillis = 1_500
/** For the last frames to the brokers to be on their way. */
export const goodbyeMillis = 100

/** Events that are remembered as said. */
export const noticesSaidMax = 1_000

/** How long `send_message` may wait for what becomes of its message. Hosts move a call over 120 s to the background. */
export const waitSecondsMax = 110
export const waitSecondsDefault = 60
/** Between two looks at what waits here while it does. */
export const lookMillis = 250
/** Between the first two questions to the broker, by how much the next pause is longer, and the longest: 27 questions at most. */
export const askMillis = 1_000
export const askSlower = 1.5
export const askMillisMax = 5_000
/** How long one of these questions may take. */
export const askTimeoutMillis = 2_000
/** And the question which sessions are there. */
export const peersWaitMillis = 2_000

/** How long `set_status` may ask not to be disturbed. */
export const dndSecondsMax = 7 * 86_400

/** Characters of the instructions: hosts cut longer ones. And of these with all that the tools are described by. */
export const instructionsCharactersMax = 2_000
export const describedCharactersMax = 6_000
/** Of a title, which hosts ask their user with. */
export const titleCharactersMax = 29

/** Names that are offered for what a person has begun to write, and how long a mesh may take for it. */
export const completionsMax = 100
export const completionMillis = 1_500

/** Between two looks for what a host is told without asking. */
export const watchMillis = 2_000
/** Alarms that a host's log is told of: a client keeps fewer of each mesh. */
export const alarmsLoggedMax = 1_000

/** Between two looks at what the person said at a terminal. */
export const personLookMillis = 2_000

/** How often a session looks whether its folder is on another branch: two small files. */
export const workplaceLookMillis = 5_000
