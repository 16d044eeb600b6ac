/**
 * The server's intake of blocks: each block that arrives is acknowledged (it is known), journaled, or refused. Copies of a
 * block that is being written are answered when that is over (U4, U12).
 *
 * Invariants: a block within a live grant is always taken; a block is acknowledged only when durable; one block is journaled
 * once at a time, and at most {@link MAX_ANSWERS_PER_BLOCK} wait for it.
 */
import type { Admission } from './admission.ts';
import type { GrantBook } from './grant-book.ts';
import { MAX_ANSWERS_PER_BLOCK } from './limits.ts';
import type { AgentId, BlockHeader, BlockId, ChannelNumber, GrantId } from './model.ts';
import { blockKey } from './model.ts';
import type { ServerEffect, ServerEvent } from './server-events.ts';
import type { Agent } from './server-state.ts';
import type { StepEffects } from './step-effects.ts';

/** The channel that a block came on, where it is answered. */
interface Place {
  readonly agentId: AgentId;
  readonly grantId: GrantId;
  readonly channel: ChannelNumber;
}

/** A block between its journaling and the end of that. */
interface Writing {
  readonly header: BlockHeader;
  readonly places: Place[];
}

export class BlockIntake {
  readonly #admission: Admission;
  readonly #grants: GrantBook;
  readonly #effects: StepEffects<ServerEffect>;
  readonly #writing = new Map<string, Writing>();
  #writingBytes = 0;

  constructor(admission: Admission, grants: GrantBook, effects: StepEffects<ServerEffect>) {
    this.#admission = admission;
    this.#grants = grants;
    this.#effects = effects;
  }

  /** Taken and not durable yet, in raw bytes. */
  get writingBytes(): number {
    return this.#writingBytes;
  }

  /** @param agent who sent the block; undefined when it is not connected any more. */
  arrived(
    agent: Agent | undefined,
    event: Extract<ServerEvent, { type: 'block_arrived' }>,
    nowMs: number,
  ): void {
    const { agentId, block, known } = event;
    const place: Place = { agentId, grantId: event.grantId, channel: event.channel };
    const grant = agent?.grants.get(event.grantId);
    const channel = grant?.channels.find(({ granted }) => granted.channel === event.channel);
    const isWithin = channel !== undefined && channel.quotaBytes - channel.usedBytes >= block.rawBytes;
    const writing = this.#writing.get(blockKey(block.id));
    if (agent !== undefined && grant !== undefined && isWithin) {
      this.#grants.use(agent, grant, channel, block.rawBytes, nowMs);
    }
    // What is known or being written needs no room, whatever its grant.
    if (known) this.#effects.push({ type: 'acknowledge_block', blockId: block.id, ...place });
    else if (writing !== undefined) this.#join(writing, place);
    else if (channel === undefined) this.#refuse(block.id, place, 'the grant is not live here');
    else if (!isWithin) this.#refuse(block.id, place, 'past the quota of the channel');
    else {
      this.#writing.set(blockKey(block.id), { header: block, places: [place] });
      this.#writingBytes += block.rawBytes;
      const { priority } = channel.granted;
      this.#effects.push({ type: 'journal_block', agentId, blockId: block.id, priority });
    }
  }

  /** The journal took the block, or did not. @param failure why not; undefined when it is durable. */
  written(blockId: BlockId, failure: string | undefined): void {
    const writing = this.#writing.get(blockKey(blockId));
    if (writing === undefined) return;
    this.#writing.delete(blockKey(blockId));
    this.#writingBytes -= writing.header.rawBytes;
    if (failure === undefined) this.#admission.becameDurable(writing.header.rawBytes);
    for (const place of writing.places) {
      if (failure === undefined) this.#effects.push({ type: 'acknowledge_block', blockId, ...place });
      else this.#refuse(blockId, place, failure);
    }
  }

  /** The block came a second time, and is answered once it is written. */
  #join({ header, places }: Writing, place: Place): void {
    if (places.length < MAX_ANSWERS_PER_BLOCK) places.push(place);
    else this.#refuse(header.id, place, 'it is being written, and many wait for that already');
  }

  #refuse(blockId: BlockId, place: Place, reason: string): void {
    this.#effects.push({ type: 'refuse_block', blockId, ...place, refusal: { kind: 'retryable', reason } });
  }
}
