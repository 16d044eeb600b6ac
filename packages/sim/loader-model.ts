/**
 * Loads one lane of a journal into the store, in the steps of packages/server/loader/lane-loader.ts: resume what an
 * earlier life left, gather, ask the store about blocks in doubt, make a batch durable, insert until confirmed, forget.
 *
 * Invariants: one insert of a lane at a time; no insert before its batch is durable; a batch is taken apart only when
 * some of its blocks are in the store by another server's hand.
 */
import type { JournalBatch, JournaledBlock, ServerJournal } from './server-journal.ts';
import type { StoredBlocks, StoreModel } from './store-model.ts';
import type { CopyState, World } from './world.ts';

/** Pause before a step that failed is tried again. */
const RETRY_MS = 100;
/** From `held` to the insert of the copy (packages/server/store/moved-copies.ts). */
const HOLD_SETTLE_MS = 2_000;
/** As many blocks as one batch takes here: small, so that there are many batches. */
const MAX_BATCH_BLOCKS = 16;

export class LoaderLane {
  readonly #world: World;
  readonly #journal: ServerJournal;
  readonly #store: StoreModel;
  readonly #lane: number;
  readonly #gatherMs: number;
  #isDead = false;
  #isBusy = true;

  constructor(world: World, journal: ServerJournal, store: StoreModel, lane: number, gatherMs: number) {
    this.#world = world;
    this.#journal = journal;
    this.#store = store;
    this.#lane = lane;
    this.#gatherMs = gatherMs;
    this.#resumeAll(journal.openBatches(lane), () => this.#rest());
  }

  kill(): void {
    this.#isDead = true;
  }

  /** A block of this lane became durable. */
  blockAppended(): void {
    if (this.#isDead || this.#isBusy) return;
    this.#isBusy = true;
    this.#later(this.#gatherMs, () => this.#select());
  }

  #rest(): void {
    this.#isBusy = false;
    if (this.#journal.waiting(this.#lane).length > 0) this.blockAppended();
  }

  #select(): void {
    const blocks = this.#journal.waiting(this.#lane).slice(0, MAX_BATCH_BLOCKS);
    const doubtful = blocks.filter((block) => this.#journal.isDoubtful(block));
    this.#find(doubtful, (stored) => {
      const there = blocks.filter(({ key }) => stored.has(key));
      const missing = blocks.filter(({ key }) => !stored.has(key));
      this.#forgetStored(there, () => {
        if (missing.length === 0) this.#rest();
        else this.#create(missing, (batch) => this.#load(batch, () => this.#rest()));
      });
    });
  }

  #forgetStored(blocks: readonly JournaledBlock[], next: () => void): void {
    if (blocks.length === 0) next();
    else this.#create(blocks, (batch) => this.#finish(batch, next));
  }

  #resumeAll(batches: readonly JournalBatch[], next: () => void): void {
    const [batch, ...rest] = batches;
    if (batch === undefined) this.#later(0, next);
    else this.#resume(batch, () => this.#resumeAll(rest, next));
  }

  /** A batch of which nobody knows whether it was applied: as a whole, or not at all. */
  #resume(batch: JournalBatch, next: () => void): void {
    const { serverId } = this.#journal.disk;
    this.#find(batch.blocks, (stored) => {
      const isOurs = batch.blocks.every(({ key }) => stored.get(key)?.has(serverId) === true);
      if (isOurs) this.#mark('kept', movedOf(batch), () => this.#finish(batch, next));
      else if (stored.size === 0) this.#load(batch, next);
      else if (stored.size === batch.blocks.length) this.#finish(batch, next);
      else {
        this.#untilDone<readonly JournalBatch[]>(
          (done) => this.#journal.splitBatch(batch, done),
          (parts) => this.#resumeAll(parts, next),
        );
      }
    });
  }

  #find(blocks: readonly JournaledBlock[], next: (stored: StoredBlocks) => void): void {
    const keys = blocks.map(({ key }) => key);
    if (keys.length === 0) next(new Map());
    else this.#untilDone<StoredBlocks>((done) => this.#store.find(keys, done), next);
  }

  #create(blocks: readonly JournaledBlock[], next: (batch: JournalBatch) => void): void {
    this.#untilDone<JournalBatch>((done) => this.#journal.createBatch(this.#lane, blocks, done), next);
  }

  #load(batch: JournalBatch, next: () => void): void {
    const keys = batch.blocks.map(({ key }) => key);
    const { serverId } = this.#journal.disk;
    const moved = movedOf(batch);
    const insert = (): void =>
      this.#untilDone<true>(
        (done) =>
          this.#store.insert(serverId, batch.token, keys, (isConfirmed) => done(isConfirmed || undefined)),
        () => this.#mark('kept', moved, () => this.#finish(batch, next)),
      );
    this.#mark('held', moved, moved.length === 0 ? insert : () => this.#later(HOLD_SETTLE_MS, insert));
  }

  #mark(state: CopyState, keys: readonly string[], next: () => void): void {
    if (keys.length === 0) next();
    else
      this.#untilDone<true>(
        (done) =>
          this.#store.mark(this.#journal.disk.serverId, state, keys, (isConfirmed) =>
            done(isConfirmed || undefined),
          ),
        next,
      );
  }

  #finish(batch: JournalBatch, next: () => void): void {
    this.#untilDone<true>(
      (done) => this.#journal.finishBatch(batch, (isWritten) => done(isWritten || undefined)),
      next,
    );
  }

  /** Tries until there is a result, unless the process dies. */
  #untilDone<T>(attempt: (done: (result: T | undefined) => void) => void, next: (result: T) => void): void {
    if (this.#isDead) return;
    attempt((result) => {
      if (this.#isDead) return;
      if (result === undefined) this.#later(RETRY_MS, () => this.#untilDone(attempt, next));
      else next(result);
    });
  }

  #later(ms: number, action: () => void): void {
    this.#world.after(ms, () => {
      if (!this.#isDead) action();
    });
  }
}

/** Blocks that another server may have as well. */
function movedOf(batch: JournalBatch): string[] {
  return batch.blocks.filter(({ inDoubtAt }) => inDoubtAt !== undefined).map(({ key }) => key);
}
