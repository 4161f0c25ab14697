/**
 * A Messages API on loopback that does what a test says, and keeps every request: what reached the model is what was shown.
 * Nothing is asked of it that leaves this machine.
 */
export interface Step {
  readonly text?: string
  readonly tool?: string
  readonly input?: Readonly<Record<string, unknown>>
  /** How long the model thinks. */
  readonly millis?: number
  /** An error of the API instead of an answer. */
  readonly status?: number
}

export interface ModelRequest {
  /** By the wall clock, as the broker's own times are. */
  readonly atMillis: number
  /** The blocks, each with its role and its text as the model reads it. */
  readonly blocks: ReadonlyArray<{ readonly role: string; readonly text: string }>
  readonly tools: ReadonlyArray<string>
}

interface Block {
  readonly type: string
  readonly text?: string
  readonly content?: unknown
  readonly input?: unknown
}

interface Asked {
  readonly stream?: boolean
  readonly tools?: ReadonlyArray<{ readonly name: string }>
  readonly messages: ReadonlyArray<{ readonly role: string; readonly content: string | ReadonlyArray<Block> }>
}

const wordsOf = (content: unknown): string =>
  typeof content === "string"
    ? content
    : Array.isArray(content)
      ? content.map((part: Block) => part.text ?? wordsOf(part.content) ?? JSON.stringify(part.input)).join("\n")
      : ""

export class ScriptedModel {
  readonly requests: Array<ModelRequest> = []
  script: Array<Step> = []
  readonly #server: Bun.Server<undefined>
  #ids = 0

  constructor() {
    this.#server = Bun.serve({
      port: 0,
      hostname: "127.0.0.1",
      idleTimeout: 0,
      fetch: (request) => this.#answer(request),
    })
  }

  get url(): string {
    return `http://127.0.0.1:${this.#server.port}`
  }

  stop(): void {
    void this.#server.stop(true)
  }

  async #answer(request: Request): Promise<Response> {
    const { pathname } = new URL(request.url)
    if (pathname !== "/v1/messages") return Response.json({ input_tokens: 1 })
    const asked = (await request.json()) as Asked
    // Titles and topics: no turn of the agent.
    if ((asked.tools ?? []).length === 0) return this.#say({ text: "ok" })
    this.requests.push({
      atMillis: performance.timeOrigin + performance.now(),
      blocks: asked.messages.flatMap(({ content, role }) =>
        typeof content === "string"
          ? [{ role, text: content }]
          : content.map((block) => ({ role, text: block.text ?? wordsOf(block.content) })),
      ),
      tools: (asked.tools ?? []).map(({ name }) => name),
    })
    const step = this.script.shift() ?? { text: "done" }
    if (step.millis !== undefined) await Bun.sleep(step.millis)
    return this.#say(step)
  }

  #say({ input = {}, status, text = "done", tool }: Step): Response {
    if (status !== undefined) {
      return Response.json(
        { type: "error", error: { type: "invalid_request_error", message: "as the test said" } },
        { status },
      )
    }
    this.#ids += 1
    const block =
      tool === undefined
        ? { type: "text", text: "" }
        : { type: "tool_use", id: `toolu_${this.#ids}_${Math.trunc(performance.now())}`, name: tool, input: {} }
    const delta =
      tool === undefined
        ? { type: "text_delta", text }
        : { type: "input_json_delta", partial_json: JSON.stringify(input) }
    const events = [
      { type: "message_start", message: { ...empty, id: `msg_${this.#ids}` } },
      { type: "content_block_start", index: 0, content_block: block },
      { type: "content_block_delta", index: 0, delta },
      { type: "content_block_stop", index: 0 },
      {
        type: "message_delta",
        delta: { stop_reason: tool === undefined ? "end_turn" : "tool_use", stop_sequence: null },
        usage: { output_tokens: 1 },
      },
      { type: "message_stop" },
    ]
    const body = events.map((event) => `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`).join("")
    return new Response(body, { headers: { "content-type": "text/event-stream" } })
  }
}

const empty = {
  type: "message",
  role: "assistant",
  model: "claude-scripted",
  content: [],
  stop_reason: null,
  stop_sequence: null,
  usage: { input_tokens: 1, output_tokens: 1 },
}
