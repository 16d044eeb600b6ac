/**
 * Which blocks one server takes (SPEC U20), by what its latest Welcome named, and the block that it was about to be sent and
 * does not take. While that block waits, the server is sent nothing: another one may take it, or this one after an update.
 *
 * Invariant: a block goes only to a server that takes its format and its epoch. One that does not would call it malformed.
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
    const problem = this.#problem(header.id, formatNumber);
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
    const { blockFormats, digestKinds } = this.#shared ?? FIRST_CAPABILITIES;
    let taken: string;
    if (!blockFormats.includes(formatNumber)) taken = `block formats ${blockFormats.join(', ')}`;
    // Servers of 1.0 end a channel on which a block of another epoch comes than Hello named.
    else if (digestKinds.length === 0 && id.epoch !== this.#queue.epoch) taken = 'blocks of one epoch';
    else return undefined;
    return `it takes ${taken}, and block ${blockKey(id)} is of format ${formatNumber}: it gets nothing until it is updated or another server has the block`;
  }
}
