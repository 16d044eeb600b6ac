/**
 * Takes blocks into the journal.
 *
 * Invariant: a block that arrives while it is being written is not written again.
 */
import { defined } from '@sluice/base/defined';
import { type BlockHeader, blockKey, urgencyRank } from '@sluice/protocol/model';
import type { AcceptedBlock } from './accepted-block.ts';
import { costOf } from './held-blocks.ts';
import { checkAgentId, type JournaledBlock, LANES, type Lane, LOWEST_LANE } from './journal-records.ts';
import type { JournalRoom } from './journal-room.ts';
import type { JournalStore } from './journal-store.ts';
import type { JournalWriter } from './journal-writer.ts';
import type { KnownBlocks, Recognition } from './known-blocks.ts';

export interface JournalIntakeOptions {
  readonly store: JournalStore;
  readonly writer: JournalWriter;
  readonly known: KnownBlocks;
  readonly room: JournalRoom;
  /** Of the next block. */
  readonly firstNumber: number;
  /** A block is durable. */
  readonly onTaken: (block: JournaledBlock, recognition: Recognition) => void;
}

export class JournalIntake {
  readonly #options: JournalIntakeOptions;
  /** Appends whose commit is not yet synced, by block key. */
  readonly #writing = new Map<string, Promise<void>>();
  #nextNumber: number;

  constructor(options: JournalIntakeOptions) {
    this.#options = options;
    this.#nextNumber = options.firstNumber;
  }

  get writingCount(): number {
    return this.#writing.size;
  }

  /** The append of the block that is under way; undefined when there is none. */
  writing(key: string): Promise<void> | undefined {
    return this.#writing.get(key);
  }

  /** Takes a block that is neither known nor being written. Settles as `Journal.append` says. */
  append(block: AcceptedBlock): Promise<void> {
    const key = blockKey(block.header.id);
    const promise = this.#append(block, key);
    this.#writing.set(key, promise);
    return promise;
  }

  async #append(block: AcceptedBlock, key: string): Promise<void> {
    const { header, payload } = block;
    const { room, writer, known, store, onTaken } = this.#options;
    const costBytes = costOf(header);
    const lane = laneOf(header);
    try {
      checkAgentId(header.id.agentId);
      room.reserve(costBytes, payload.length);
    } catch (error) {
      // `append` has to note the promise before it may be taken out again.
      await Promise.resolve();
      this.#writing.delete(key);
      throw error;
    }
    const number = this.#nextNumber++;
    let recognition: Recognition = 'new';
    let journaled = journaledOf(block, lane, number, recognition);
    room.change(costBytes);
    try {
      await writer.submit({
        rank: lane,
        bytes: payload.length,
        apply: (write) => {
          recognition = writer.remember(header.id, block.receivedMs, block.sealedBefore ?? 0);
          journaled = journaledOf(block, lane, number, recognition);
          store.putBlock(write, journaled, payload);
        },
        revert: () => known.remove(header.id),
      });
    } catch (error) {
      this.#writing.delete(key);
      room.change(-costBytes);
      throw error;
    } finally {
      room.written(payload.length);
    }
    this.#writing.delete(key);
    onTaken(journaled, recognition);
  }
}

/** A block as it is journaled, by what is known of it. */
function journaledOf(
  { header, payload, priority, receivedMs, columnBytes, inDoubtAt }: AcceptedBlock,
  lane: Lane,
  number: number,
  recognition: Recognition,
): JournaledBlock {
  return {
    ...{ lane, number, header, priority, receivedMs, payloadBytes: payload.length },
    ...defined({ columnBytes, inDoubtAt }),
    ...(recognition === 'unsure' ? { isUnsure: true } : {}),
  };
}

function laneOf(header: BlockHeader): Lane {
  return LANES[urgencyRank(header.urgency)] ?? LOWEST_LANE;
}
