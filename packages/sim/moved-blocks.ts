/**
 * What a server does about blocks that another one may have as well, as packages/server/loader does it: the gate holds the
 * own copy hidden before it may be inserted, and the reconciler finishes what was left and takes second copies out, by the
 * decisions of the real one.
 *
 * Invariant: a marked block passes the gate only some time after its copy was written as held.
 */
import type { ServerId } from '@sluice/protocol/model';
import { blockKey } from '@sluice/protocol/model';
import { DECISION_TIMES, decide } from '@sluice/server/loader/moved-decisions';
import type { Retrying } from './retrying.ts';
import type { JournaledBlock, ServerJournal } from './server-journal.ts';
import type { MovedRow, StoredBlocks, StoreModel } from './store-model.ts';
import type { CopyState } from './world.ts';

/** All times of the real programs are longer by this factor: runs are short. */
const TIMES_FASTER = 10;
/** From `held` to the insert of the copy (packages/server/store/moved-copies.ts: 2 s). */
const HOLD_SETTLE_MS: number = 2_000 / TIMES_FASTER;
/** Between two looks of the reconciler (moved-reconciler.ts: 5 s). */
const LOOK_INTERVAL_MS: number = 5_000 / TIMES_FASTER;
const TIMES: typeof DECISION_TIMES = {
  helpAfterMs: DECISION_TIMES.helpAfterMs / TIMES_FASTER,
  deleteAfterMs: DECISION_TIMES.deleteAfterMs / TIMES_FASTER,
  settleAfterMs: DECISION_TIMES.settleAfterMs / TIMES_FASTER,
};
/** A block that lay in the journal for longer may have been moved so long ago that nothing hides a second copy. */
export const OLD_AFTER_MS: number = TIMES.settleAfterMs / 2;

export class MovedBlocks {
  readonly #journal: ServerJournal;
  readonly #store: StoreModel;
  readonly #retrying: Retrying;
  /** Numbers of the marked blocks that have not passed. */
  readonly #waiting = new Set<number>();

  constructor(journal: ServerJournal, store: StoreModel, retrying: Retrying) {
    this.#journal = journal;
    this.#store = store;
    this.#retrying = retrying;
  }

  holds(block: JournaledBlock): boolean {
    return this.#waiting.has(block.number);
  }

  /** Lets a marked block pass when its own copy may be inserted; forgets it when another server's is there. */
  gate(block: JournaledBlock, onPassed: () => void): void {
    this.#waiting.add(block.number);
    this.hold([block], (judged) => {
      const isJudged = judged.has(block.key);
      this.#find([block], (stored) => {
        const servers = stored.get(block.key) ?? [];
        if (!isJudged && servers.length === 0) {
          this.#waiting.delete(block.number);
          onPassed();
          return;
        }
        const state = servers.includes(this.#serverId) ? 'kept' : 'settled';
        this.mark(isJudged ? [] : [block], state, () => this.#leave(block));
      });
    });
  }

  /** Has the store hide the own copies; goes on after a while with the keys of those that were judged before. */
  hold(blocks: readonly JournaledBlock[], next: (judged: ReadonlySet<string>) => void): void {
    this.#own(blocks, (before) => {
      const unknown = blocks.filter(({ key }) => !before.has(key));
      this.#forgotten(unknown, (forgotten) =>
        this.mark(
          unknown.filter(({ key }) => !forgotten.has(key)),
          'held',
          () =>
            this.#retrying.later(HOLD_SETTLE_MS, () =>
              this.#own(blocks, (after) =>
                next(new Set([...after].flatMap(([key, state]) => (state === 'held' ? [] : [key])))),
              ),
            ),
        ),
      );
    });
  }

  /** Keys of those that this server brought into the store before, and forgot: holding would hide what is shown. */
  #forgotten(blocks: readonly JournaledBlock[], next: (keys: ReadonlySet<string>) => void): void {
    const unsure = blocks.filter(({ isUnsure }) => isUnsure);
    if (unsure.length === 0) {
      next(new Set());
      return;
    }
    this.#find(unsure, (stored) =>
      next(new Set([...stored].flatMap(([key, servers]) => (servers.includes(this.#serverId) ? [key] : [])))),
    );
  }

  /** Goes on with the blocks of which no copy is hidden or shown by the table. */
  withoutRows(blocks: readonly JournaledBlock[], next: (blocks: readonly JournaledBlock[]) => void): void {
    this.#live((rows) => {
      const keys = new Set(rows.map(({ id }) => blockKey(id)));
      next(blocks.filter(({ key }) => !keys.has(key)));
    });
  }

  mark(blocks: readonly JournaledBlock[], state: CopyState, next: () => void): void {
    const ids = blocks.map(({ header }) => header.id);
    if (ids.length === 0) next();
    else
      this.#retrying.untilDone<true>(
        (done) =>
          this.#store.mark(this.#serverId, state, ids, (isConfirmed) => done(isConfirmed || undefined)),
        next,
      );
  }

  /** Looks through the table of moved blocks, again and again. */
  reconcile(): void {
    const again = (): void => this.#retrying.later(LOOK_INTERVAL_MS, () => this.reconcile());
    if (!this.#store.hasRows) {
      again();
      return;
    }
    this.#live((before) => {
      if (before.length === 0) {
        again();
        return;
      }
      const keys = [...new Set(before.map(({ id }) => blockKey(id)))];
      this.#retrying.untilDone<StoredBlocks>(
        (done) => this.#store.find(keys, done),
        (copies) =>
          this.#live((rows) => {
            const { keep, remove, settle } = decide(
              copies,
              rows.map((row) => this.#toCopy(row)),
              TIMES,
            );
            const steps = [
              ...keep.map((copy) => ({ ...copy, state: 'kept' as const })),
              ...settle.map((copy) => ({ ...copy, state: 'settled' as const })),
            ];
            // Names that came out of the model as names of servers.
            for (const { id, serverId, state } of steps)
              this.#store.mark(serverId as ServerId, state, [id], () => undefined);
            for (const { id, serverId } of remove)
              this.#store.deleteCopies(serverId as ServerId, [blockKey(id)], () => undefined);
            again();
          }),
      );
    });
  }

  get #serverId(): ServerId {
    return this.#journal.disk.serverId;
  }

  #toCopy({ id, serverId, state, changedMs }: MovedRow): Parameters<typeof decide>[1][number] {
    const ageMs = this.#store.nowMs - changedMs;
    return { id, serverId, state, ageMs, recordCount: 1, oldestObservedMs: 0 };
  }

  #live(next: (rows: readonly MovedRow[]) => void): void {
    this.#retrying.untilDone<readonly MovedRow[]>(
      (done) => this.#store.rows(done),
      (rows) => next(rows.filter(({ state }) => state !== 'settled')),
    );
  }

  #own(blocks: readonly JournaledBlock[], next: (states: ReadonlyMap<string, CopyState>) => void): void {
    const keys = new Set(blocks.map(({ key }) => key));
    this.#retrying.untilDone<readonly MovedRow[]>(
      (done) => this.#store.rows(done),
      (rows) =>
        next(
          new Map(
            rows
              .filter(({ id, serverId }) => serverId === this.#serverId && keys.has(blockKey(id)))
              .map(({ id, state }) => [blockKey(id), state]),
          ),
        ),
    );
  }

  #find(blocks: readonly JournaledBlock[], next: (stored: StoredBlocks) => void): void {
    this.#retrying.untilDone<StoredBlocks>(
      (done) =>
        this.#store.find(
          blocks.map(({ key }) => key),
          done,
        ),
      next,
    );
  }

  #leave(block: JournaledBlock): void {
    const { lane } = block;
    this.#retrying.untilDone<Parameters<ServerJournal['finishBatch']>[0]>(
      (done) => this.#journal.createBatch(lane, [block], done),
      (batch) =>
        this.#retrying.untilDone<true>(
          (done) => this.#journal.finishBatch(batch, (isWritten) => done(isWritten || undefined)),
          () => this.#waiting.delete(block.number),
        ),
    );
  }
}
