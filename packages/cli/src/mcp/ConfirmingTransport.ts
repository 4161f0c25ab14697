/**
 * MCP's stdio transport, which also tells when a response has left the process. Messages are acked only then:
 * a process that dies between handing over and writing would otherwise lose them (I8).
 */
import type { JSONRPCMessage, RequestId } from "@modelcontextprotocol/sdk/types.js"
import { StdioServerTransport } from "@modelcontextprotocol/sdk/server/stdio.js"
import { serializeMessage } from "@modelcontextprotocol/sdk/shared/stdio.js"

export class ConfirmingTransport extends StdioServerTransport {
  readonly #pending = new Map<RequestId, () => void>()

  /** Calls back once the response to this request was written. */
  whenSent(id: RequestId, confirm: () => void): void {
    this.#pending.set(id, confirm)
  }

  /** The request was cancelled: there will be no response. */
  forget(id: RequestId): void {
    this.#pending.delete(id)
  }

  override async send(message: JSONRPCMessage): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      process.stdout.write(serializeMessage(message), (error) => (error ? reject(error) : resolve()))
    })
    if (!("id" in message) || "method" in message || message.id === undefined) return
    const confirm = this.#pending.get(message.id)
    this.#pending.delete(message.id)
    confirm?.()
  }
}
