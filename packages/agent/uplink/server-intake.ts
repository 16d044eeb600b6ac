/**
 * Which blocks one server takes (SPEC U20), by what its latest Welcome named, and the block that it was about to be sent and
 * does not take. While that block waits, the server is sent nothing: another one may take it, or this one after an update.
 *
 * Invariants: a block goes only to a server that takes its format. One that does not would call it malformed. A server of 1.0
 * gets in one connection the blocks of one run of the agent only, of the epoch that Hello named: with another it would end the
 * channel. So that the blocks of all runs come, the oldest first, the next Hello names the epoch of the oldest one.
 */

import { splitPayload } from '@sluice/block/formats';
import type { BlockHeader, BlockId } from '@sluice/protocol/model';
import { blockKey } from '@sluice/protocol/model';
import { type Capabilities, FIRST_CAPABILITIES } from '@sluice/wire/capabilities';
import type { BlockQueue } from './block-queue.ts';

export class ServerIntake {
  readonly #queue: BlockQueue;
  #shared: Capabilities | undefined;
  #olderEpoch: number | undefined;
  #untaken: { readonly id: BlockId; readonly formatNumber: number } | undefined;

  constructor(queue: BlockQueue) {
    this.#queue = queue;
  }

  /** What the server and this agent both know; undefined before its first Welcome. */
  get shared(): Capabilities | undefined {
    return this.#shared;
  }

  /** The epoch that Hello names. */
  get epoch(): number {
    return this.#olderEpoch ?? this.#queue.epoch;
  }

  /** Whether the server knows digests: then it names that of each block that it answers. */
  get namesDigests(): boolean {
    return (this.#shared ?? FIRST_CAPABILITIES).digestKinds.length > 0;
  }

  welcomed(shared: Capabilities): void {
    this.#shared = shared;
    if (shared.digestKinds.length > 0) this.#olderEpoch = undefined;
  }

  /**
   * Whether nothing more may be sent in this connection; then the next Hello names the run of the oldest block. A block of
   * another run is no reason while one of the run that Hello named is still there: it would be torn off on its way.
   */
  decidesToEnd(): boolean {
    if (this.#untaken !== undefined) return true;
    const [oldest] = this.#queue.blocks();
    if (oldest === undefined || oldest.header.id.epoch === this.epoch) return false;
    this.#olderEpoch = oldest.header.id.epoch;
    return true;
  }

  /** Why a block must not be sent to the server, which is remembered when no other connection helps; undefined when it may. */
  problemOf(header: BlockHeader, payload: Uint8Array): string | undefined {
    const { formatNumber } = splitPayload(payload);
    const problem = this.#problem(header.id, formatNumber);
    const { epoch } = header.id;
    if (problem === undefined && !this.namesDigests && epoch !== this.epoch) {
      return `block ${blockKey(header.id)} is of another run of this agent, which needs a connection of its own`;
    }
    if (problem !== undefined) this.#untaken = { id: header.id, formatNumber };
    return problem;
  }

  /** Why nothing may be sent to the server now: the block that it does not take still waits. */
  async heldProblem(): Promise<string | undefined> {
    if (this.#untaken === undefined) return undefined;
    const { id, formatNumber } = this.#untaken;
    const problem = this.#problem(id, formatNumber);
    if (problem !== undefined && (await this.#queue.readPayload(id)) !== undefined) return problem;
    this.#untaken = undefined;
    return undefined;
  }

  #problem(id: BlockId, formatNumber: number): string | undefined {
    const { blockFormats } = this.#shared ?? FIRST_CAPABILITIES;
    if (blockFormats.includes(formatNumber)) return undefined;
    return `it takes block formats ${blockFormats.join(', ')}, and block ${blockKey(id)} is of format ${formatNumber}: it gets nothing until it is updated or another server has the block`;
  }
}
