/**
 * Which blocks one server takes (SPEC U20), by what its latest Welcome named, and the block that it was about to be sent and
 * does not take. While that block waits, the server is sent nothing: another one may take it, or this one after an update.
 *
 * Invariant: a block goes only to a server that takes its format. One that does not would call it malformed.
 */
import type { BlockHeader, BlockId } from '@sluice/protocol/model';
import { blockKey } from '@sluice/protocol/model';
import { splitPayload } from '@sluice/wire/block-formats';
import { type Capabilities, FIRST_CAPABILITIES } from '@sluice/wire/capabilities';
import type { BlockQueue } from './block-queue.ts';

export class ServerIntake {
  readonly #queue: BlockQueue;
  #shared: Capabilities | undefined;
  #untaken: { readonly id: BlockId; readonly formatNumber: number } | undefined;

  constructor(queue: BlockQueue) {
    this.#queue = queue;
  }

  /** What the server and this agent both know; undefined before its first Welcome. */
  get shared(): Capabilities | undefined {
    return this.#shared;
  }

  welcomed(shared: Capabilities): void {
    this.#shared = shared;
  }

  /** Why a block must not be sent to the server, which is remembered; undefined when it may. */
  problemOf(header: BlockHeader, payload: Uint8Array): string | undefined {
    const { formatNumber } = splitPayload(payload);
    if (this.#takes(formatNumber)) return undefined;
    this.#untaken = { id: header.id, formatNumber };
    return this.#describe(header.id, formatNumber);
  }

  /** Why nothing may be sent to the server now: the block that it does not take still waits. */
  async heldProblem(): Promise<string | undefined> {
    if (this.#untaken === undefined) return undefined;
    const { id, formatNumber } = this.#untaken;
    if (!this.#takes(formatNumber) && (await this.#queue.readPayload(id)) !== undefined)
      return this.#describe(id, formatNumber);
    this.#untaken = undefined;
    return undefined;
  }

  #takes(formatNumber: number): boolean {
    return (this.#shared ?? FIRST_CAPABILITIES).blockFormats.includes(formatNumber);
  }

  #describe(id: BlockId, formatNumber: number): string {
    const taken = (this.#shared ?? FIRST_CAPABILITIES).blockFormats.join(', ');
    return `it takes block formats ${taken}, and block ${blockKey(id)} is of format ${formatNumber}: it gets nothing until it is updated or another server has the block`;
  }
}
