/** What a person may start with a command of their host: each is a few words to the model, with the calls that do it. */
import { clamped } from "./Fit.ts"
import * as agentWords from "../words/agent.ts"

interface Prompt {
  readonly name: string
  readonly title: string
  readonly description: string
  readonly arguments: ReadonlyArray<{ readonly name: string; readonly description: string; readonly required: boolean }>
  readonly text: (values: Readonly<Record<string, string>>) => string
}

const argumentCharactersMax = 4_000

const all: ReadonlyArray<Prompt> = [
  {
    name: "inbox",
    title: agentWords.readWhatWaitsOnTheMesh,
    description: agentWords.readTheMessagesThatWaitAndPropose,
    arguments: [],
    text: () => agentWords.callCheckMessagesOfClaudemeshUntilNothing,
  },
  {
    name: "ask",
    title: agentWords.askSomebodyOnTheMesh,
    description: agentWords.askAPersonsAgentOrAChannel,
    arguments: [
      { name: "who", description: agentWords.aNameChannelOr, required: true },
      { name: "question", description: agentWords.whatToAskLeftOutWhatWe, required: false },
    ],
    text: ({ question = "", who = "" }) =>
      agentWords.askAndTellMe(
        JSON.stringify(who),
        question === "" ? agentWords.writeTheQuestionFromWhatWeAre : `The question: ${question}`,
      ),
  },
  {
    name: "who",
    title: agentWords.findWhomToAskOnTheMesh,
    description: agentWords.findOutWhoWorksOnSomething,
    arguments: [{ name: "topic", description: agentWords.whatItIsAbout, required: true }],
    text: ({ topic = "" }) => agentWords.findOutWithListPeersOfClaudemesh(JSON.stringify(topic)),
  },
]

export const prompts = all.map((prompt) => ({
  name: prompt.name,
  title: prompt.title,
  description: prompt.description,
  arguments: [...prompt.arguments],
}))

/** A text where it cannot be made, for whoever asked. */
export const promptMessage = (
  name: string,
  given: Readonly<Record<string, string>> = {},
): { readonly description: string; readonly text: string } | { readonly problem: string } => {
  const found = all.find((prompt) => prompt.name === name)
  if (found === undefined)
    return { problem: agentWords.thereIsNoPromptThereAre(name, all.map((one) => one.name).join(", ")) }
  const missing = found.arguments.find((one) => one.required && (given[one.name] ?? "").trim() === "")
  if (missing !== undefined) return { problem: `The prompt ${name} needs "${missing.name}".` }
  const values = Object.fromEntries(
    Object.entries(given).map(([key, value]) => [key, clamped(value, argumentCharactersMax)]),
  )
  return { description: found.description, text: found.text(values) }
}
