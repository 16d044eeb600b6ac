/**
 * The blocks of the queue that no server takes, kept for people.
 *
 * Invariants: within {@link MAX_SET_ASIDE_BLOCKS} and {@link MAX_SET_ASIDE_BYTES}, the newest kept; what is on the shelf is
 * not in the queue, and the other way round (both change in one transaction).
 */
import type { AgentId, BlockHeader } from '@sluice/protocol/model';
import type { Environment, Transaction } from './environment.ts';
import { loadHeader, parseStoredAside, type StoredHeader } from './stored.ts';

/** Enough to see what is wrong, too little to fill a disk. */
const MAX_SET_ASIDE_BLOCKS = 1000;
export const MAX_SET_ASIDE_BYTES: number = 64 * 1024 * 1024;

/** A block that no server takes. */
export interface SetAsideBlock {
  readonly header: BlockHeader;
  readonly reason: string;
  readonly atMs: number;
}

export class SetAsideShelf {
  readonly #environment: Environment;
  readonly #agentId: AgentId;
  #blockCount = 0;
  #payloadBytes = 0;

  constructor(environment: Environment, agentId: AgentId) {
    this.#environment = environment;
    this.#agentId = agentId;
    for (const [, value] of environment.asideHeaders.entries())
      this.changed(1, parseStoredAside(value, environment.file).header.payloadBytes);
  }

  get blockCount(): number {
    return this.#blockCount;
  }

  get payloadBytes(): number {
    return this.#payloadBytes;
  }

  /** The oldest first. */
  blocks(): SetAsideBlock[] {
    const { asideHeaders, file, latch } = this.#environment;
    return latch
      .read(() => [...asideHeaders.entries()])
      .map(([key, value]) => {
        const { header, reason, atMs } = parseStoredAside(value, file);
        return { header: loadHeader(this.#agentId, key, header), reason, atMs };
      });
  }

  /** What is stored of a block; undefined when it is not here. */
  find(sequence: number): { readonly header: StoredHeader; readonly payload: Buffer } | undefined {
    const { asideHeaders, asidePayloads, file, latch } = this.#environment;
    const stored = latch.read(() => asideHeaders.get(sequence));
    const payload = latch.read(() => asidePayloads.get(sequence));
    if (stored === undefined || payload === undefined) return undefined;
    return { header: parseStoredAside(stored, file).header, payload };
  }

  /** The oldest blocks that must go so that one more of `bytes` fits. */
  toDrop(bytes: number): number[] {
    const { asideHeaders, file, latch } = this.#environment;
    const dropped: number[] = [];
    let count = this.blockCount + 1;
    let total = this.#payloadBytes + bytes;
    for (const [key, value] of latch.read(() => [...asideHeaders.entries()])) {
      if (count <= MAX_SET_ASIDE_BLOCKS && total <= MAX_SET_ASIDE_BYTES) break;
      dropped.push(key);
      count -= 1;
      total -= parseStoredAside(value, file).header.payloadBytes;
    }
    return dropped;
  }

  /** Writes a block in an open transaction. */
  put(
    write: Transaction,
    sequence: number,
    block: { header: StoredHeader; payload: Buffer; reason: string },
  ): void {
    const { header, payload, reason } = block;
    write.put(this.#environment.asidePayloads, sequence, payload);
    write.put(this.#environment.asideHeaders, sequence, { header, reason, atMs: Date.now() });
  }

  /** Removes blocks in an open transaction. */
  remove(write: Transaction, sequences: readonly number[]): void {
    for (const sequence of sequences) {
      write.remove(this.#environment.asideHeaders, sequence);
      write.remove(this.#environment.asidePayloads, sequence);
    }
  }

  /** The transaction is on disk: blocks and their payload bytes that came, less those that went. */
  changed(blocks: number, bytes: number): void {
    this.#blockCount += blocks;
    this.#payloadBytes += bytes;
  }

  /** Payload bytes of these blocks. */
  bytesOf(sequences: readonly number[]): number {
    return sequences.reduce((sum, sequence) => sum + (this.find(sequence)?.header.payloadBytes ?? 0), 0);
  }
}
