/**
 * The port to the audit's chains, for who signs them and who reads them. Blocks are written by a mesh's owner alone, with what they record
 * (`MessageStore.ts`): nothing here writes one, and none goes but by what was signed as removed.
 */
import type { AuditBlock } from "@claudemesh/domain/audit/AuditBlock"
import type { Checkpoint } from "@claudemesh/domain/audit/Checkpoint"
import type { KeyRotation } from "@claudemesh/domain/audit/KeyRotation"
import { Context, type Effect } from "effect"
import type { StoreError } from "./MessageStore.ts"

/** A block, as a checkpoint names it. */
export type ChainPlace = Pick<AuditBlock, "mesh" | "number" | "hash" | "total">

export interface StoredAuditKey {
  readonly publicKey: string
  readonly secretKey: string
}

export interface StoredBlock {
  /** To ask for what comes behind it. */
  readonly cursor: number
  readonly block: AuditBlock
}

export class AuditStore extends Context.Service<
  AuditStore,
  {
    /** The newest first. */
    readonly keys: Effect.Effect<ReadonlyArray<StoredAuditKey>, StoreError>
    readonly addKey: (key: StoredAuditKey, nowMillis: number) => Effect.Effect<void, StoreError>
    /** In their order: each key hands over to the next. */
    readonly rotations: Effect.Effect<ReadonlyArray<KeyRotation>, StoreError>
    /** The new key, with the old one's word for it, whose secret goes: all of it or nothing. */
    readonly rotateKey: (key: StoredAuditKey, rotation: KeyRotation) => Effect.Effect<void, StoreError>
    /** In the order of their ids. */
    readonly meshes: (after: string, limit: number) => Effect.Effect<ReadonlyArray<string>, StoreError>
    /** The last block of each of these meshes. */
    readonly lastBlocks: (meshes: ReadonlyArray<string>) => Effect.Effect<ReadonlyArray<ChainPlace>, StoreError>
    /** The same, where no checkpoint is of it. */
    readonly unsignedHeads: (meshes: ReadonlyArray<string>) => Effect.Effect<ReadonlyArray<ChainPlace>, StoreError>
    /** Of the oldest blocks, but for each mesh's last: up to where they may go, where that is not signed yet. */
    readonly removable: (beforeMillis: number, rowsMax: number) => Effect.Effect<ReadonlyArray<ChainPlace>, StoreError>
    /** One that is there already stays. With a word on what is removed go all checkpoints before it. */
    readonly addCheckpoints: (checkpoints: ReadonlyArray<Checkpoint>) => Effect.Effect<void, StoreError>
    /** In the order of their numbers. */
    readonly checkpoints: (mesh: string) => Effect.Effect<ReadonlyArray<Checkpoint>, StoreError>
    /** In their order; 0 is before all. */
    readonly blocks: (
      mesh: string,
      after: number,
      limit: number,
    ) => Effect.Effect<ReadonlyArray<StoredBlock>, StoreError>
  }
>()("@claudemesh/broker/store/AuditStore") {}
