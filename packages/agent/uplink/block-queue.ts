/**
 * What the uplink needs of the agent's durable queue. The queue itself is packages/agent/queue.
 */

import type { BlockFormat } from '@sluice/block/formats';
import type { AgentId, BlockId, ServerId } from '@sluice/protocol/model';
import type { QueuedBlock } from '../queue/queued-block.ts';

/** Durable store of sealed blocks, asked by the uplink alone once the agent runs. */
export interface BlockQueue {
  readonly agentId: AgentId;
  /** Of this run of the agent. */
  readonly epoch: number;
  /**
   * Every block of this and earlier runs with a smaller sequence has been answered, and its removal is durable: servers forget
   * the digests of such blocks, and would have to look for one that came back in the store.
   */
  readonly settledBelowSequence: number;
  /**
   * The sequence that the next block gets. Servers see by it that an older copy of the queue came back, and which blocks were
   * sealed before they knew of this run.
   */
  readonly nextSequence?: number;
  /** What waits, oldest first. */
  blocks(): Iterable<QueuedBlock>;
  /** The block's compressed payload; undefined when the queue does not hold it. The bytes are not changed later. */
  readPayload(id: BlockId): Uint8Array | undefined | Promise<Uint8Array | undefined>;
  /**
   * Notes durably that the block may be at this server from now on; resolves when a crash cannot lose the note. The
   * first byte of the block leaves only after that. Calls made together may share one commit.
   */
  markSent?(id: BlockId, serverId: ServerId): void | Promise<void>;
  /** Durable elsewhere: forget them. */
  remove(ids: readonly BlockId[]): void | Promise<void>;
  /** New blocks are sealed in this format from now on: it is the latest that all servers take that the agent met. */
  sealIn?(format: BlockFormat): void | Promise<void>;
  /** Malformed by a server's word: keep it apart, never send it again. */
  setAside(id: BlockId, reason: string): void | Promise<void>;
}
