/** What a connection says, in the version of the protocol that its client speaks, and how it ends. */
import type { MemberId } from "@claudemesh/domain/Ids"
import { type BrokerFrame, encodeBrokerFrame } from "@claudemesh/domain/wire/BrokerFrame"
import type { CloseCode } from "@claudemesh/domain/wire/CloseCode"
import type { ErrorCode } from "@claudemesh/domain/wire/ErrorCode"
import { Data } from "effect"
import type { MeshActor } from "../mesh/MeshActor.ts"
import { type Metrics, uncounted } from "../metrics/Metrics.ts"
import { errorFrame } from "../state/ErrorReply.ts"
import type { ServerSocket } from "./ServerSocket.ts"

/** There is nothing more to say: the socket is closed over it. */
export class ConnectionEnds extends Data.TaggedError("ConnectionEnds")<{
  readonly reason: CloseCode
  /** For machines, where the reason alone does not say it. */
  readonly code?: string
}> {}

export class Outgoing {
  /** Of a client that has not said hello, v1 is expected: it understands least. */
  protocol: 1 | 2 = 1
  /** The id of the frame that is being handled. */
  handling: string | undefined
  /** Is told of each error, and whose it is, once either is known. */
  mesh: Pick<MeshActor, "refused"> | undefined
  memberId: MemberId | undefined
  /** What is sent is counted there. */
  metrics: Metrics = uncounted

  constructor(readonly socket: ServerSocket) {}

  send(frame: BrokerFrame): boolean {
    this.metrics.sent(frame)
    if (frame.type === "error") this.mesh?.refused(this.memberId, frame.code)
    return this.socket.send(encodeBrokerFrame(frame))
  }

  refuse(code: ErrorCode, message: string, id?: string): void {
    this.send(errorFrame(this.protocol, code, message, id))
  }
}
