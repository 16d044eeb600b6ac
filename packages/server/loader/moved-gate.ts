/**
 * Where blocks wait that came marked: another server may have them too, and may bring them into the store at any moment,
 * before or after this one (U14). The gate has the store hide this server's copies first, and lets a block pass to its
 * lane only when no copy of it was in the store after that; one that is there already is forgotten.
 *
 * Invariants: a marked block passes only HOLD_SETTLE_MS after its copy was written as `held`; nothing here delays a block
 * that is not marked; what a crash interrupts is begun again by the next life, with the same outcome.
 */
import { SluiceError } from '@sluice/base/error';
import { blockKey } from '@sluice/protocol/model';
import type { Journal } from '../journal/journal.ts';
import type { JournaledBlock, Lane } from '../journal/journal-records.ts';
import {
  HOLD_SETTLE_MS,
  MAX_COPIES_PER_STATEMENT,
  MAX_MOVED_COPIES,
  type MovedCopies,
  type NewCopy,
} from '../store/moved-copies.ts';
import type { FindStoredBlocks } from './batch-store.ts';
import type { Retrying } from './retrying.ts';

/** How long others may join a round: blocks move in bundles, and a round costs the store four statements. */
const GATHER_MS = 20;
/** Rounds of a lane at once: each takes little more than HOLD_SETTLE_MS, during which the next bundle may come. */
const MAX_ROUNDS = 16;

/** What a loader knows of other servers that share its store. */
export interface OtherServers {
  readonly findStored: FindStoredBlocks;
  readonly moved: MovedCopies;
  /** Default HOLD_SETTLE_MS; less only in tests whose searches take no time. */
  readonly settleMs?: number;
}

export interface MovedGateOptions {
  readonly journal: Journal;
  readonly others: OtherServers;
  readonly serverId: string;
  readonly lane: Lane;
  readonly retrying: Retrying;
  /** The block may be loaded. */
  onPassed(block: JournaledBlock): void;
}

export class MovedGate {
  readonly #options: MovedGateOptions;
  /** Numbers of the blocks that have not passed. */
  readonly #waiting = new Set<number>();
  readonly #rounds = new Set<Promise<void>>();
  #arrived: JournaledBlock[] = [];
  #timer: NodeJS.Timeout | undefined;

  constructor(options: MovedGateOptions) {
    this.#options = options;
  }

  holds(block: JournaledBlock): boolean {
    return this.#waiting.has(block.number);
  }

  /** A marked block that waits in the journal. */
  add(block: JournaledBlock): void {
    this.#waiting.add(block.number);
    this.#arrived.push(block);
    this.#timer ??= setTimeout(() => this.#begin(), GATHER_MS);
  }

  /** Resolves when no round is running any more; the signal of `retrying` must be aborted. */
  async stop(): Promise<void> {
    clearTimeout(this.#timer);
    this.#arrived = [];
    await Promise.all(this.#rounds);
  }

  /**
   * Makes sure that the copies of `blocks` by `serverId` are hidden, or were judged before. Resolves after the time to
   * settle with the keys of those that were judged: they are in the store, or never need to be.
   */
  async hold(blocks: readonly JournaledBlock[], serverId: string): Promise<ReadonlySet<string>> {
    const { others, retrying } = this.#options;
    const { moved, settleMs = HOLD_SETTLE_MS } = others;
    const ids = blocks.map((block) => block.header.id);
    const before = await retrying.untilDone(() => moved.readOwn(serverId, ids));
    const known = new Set(before.map(({ id }) => blockKey(id)));
    const forgotten = await this.#forgotten(
      blocks.filter((block) => !known.has(blockKey(block.header.id))),
      serverId,
    );
    const unknown = blocks.filter(
      ({ header: { id } }) => !known.has(blockKey(id)) && !forgotten.has(blockKey(id)),
    );
    if (unknown.length > 0) {
      await retrying.untilDone(async () => {
        const live = await moved.read();
        if (live.length + unknown.length > MAX_MOVED_COPIES) throw tooMany(live.length);
        await moved.write(copiesOf(unknown, serverId), 'held');
      });
    }
    await retrying.sleep(settleMs);
    const after = await retrying.untilDone(() => moved.readOwn(serverId, ids));
    return new Set(after.flatMap(({ id, state }) => (state === 'held' ? [] : [blockKey(id)])));
  }

  /** Keys of those that this server brought into the store before, and forgot: holding would hide what is shown. */
  async #forgotten(blocks: readonly JournaledBlock[], serverId: string): Promise<ReadonlySet<string>> {
    const { others, retrying } = this.#options;
    const unsure = blocks.filter(({ isUnsure }) => isUnsure === true).map(({ header }) => header);
    if (unsure.length === 0) return new Set();
    const stored = await retrying.untilDone(() => others.findStored(unsure));
    return new Set([...stored].flatMap(([key, servers]) => (servers.includes(serverId) ? [key] : [])));
  }

  #begin(): void {
    this.#timer = undefined;
    while (this.#arrived.length > 0 && this.#rounds.size < MAX_ROUNDS) {
      const blocks = this.#arrived.splice(0, MAX_COPIES_PER_STATEMENT);
      const round = this.#round(blocks)
        .catch((error: unknown) => {
          if (!SluiceError.is(error, 'stopping')) throw error;
        })
        .finally(() => {
          this.#rounds.delete(round);
          if (this.#arrived.length > 0) this.#timer ??= setTimeout(() => this.#begin(), GATHER_MS);
        });
      this.#rounds.add(round);
    }
  }

  async #round(blocks: readonly JournaledBlock[]): Promise<void> {
    const { journal, others, serverId, lane, retrying, onPassed } = this.#options;
    const judged = await this.hold(blocks, serverId);
    const stored = await retrying.untilDone(() => others.findStored(blocks.map((block) => block.header)));
    const keyOf = (block: JournaledBlock): string => blockKey(block.header.id);
    const found = blocks.filter((block) => !judged.has(keyOf(block)) && stored.has(keyOf(block)));
    // An own copy is there only when this server took the block in an earlier life and has lost its journal since.
    const isOwn = (block: JournaledBlock): boolean => stored.get(keyOf(block))?.includes(serverId) ?? false;
    const own = found.filter(isOwn);
    const foreign = found.filter((block) => !isOwn(block));
    await retrying.untilDone(() => others.moved.write(copiesOf(own, serverId), 'kept'));
    await retrying.untilDone(() => others.moved.write(copiesOf(foreign, serverId), 'settled'));
    const left = blocks.filter((block) => judged.has(keyOf(block)) || stored.has(keyOf(block)));
    if (left.length > 0) {
      const batch = await retrying.untilDone(() => journal.createBatch(lane, serverId, left));
      await retrying.untilDone(() => journal.finishBatch(batch));
      for (const block of left) if (block.isUnsure === true) journal.cameAgain(block);
    }
    const isLeft = new Set(left);
    for (const block of blocks) {
      this.#waiting.delete(block.number);
      if (!isLeft.has(block)) onPassed(block);
    }
  }
}

/** The server's copies of the blocks, as the table of moved blocks wants them. */
export function copiesOf(blocks: readonly JournaledBlock[], serverId: string): NewCopy[] {
  return blocks.map(({ header: { id, recordCount, oldestObservedMs } }) => {
    return { id, serverId, recordCount, oldestObservedMs };
  });
}

function tooMany(count: number): SluiceError {
  return new SluiceError('limit_exceeded', `${count} copies of moved blocks are not settled yet`, {
    hint: 'They settle by themselves; the blocks wait in the journal meanwhile.',
  });
}
