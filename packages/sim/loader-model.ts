/**
 * Loads one lane of a journal into the store, in the steps of packages/server/loader/lane-loader.ts: resume what an
 * earlier life left, gather, ask the store about old blocks, make a batch durable, insert until confirmed, forget. Marked
 * blocks pass a gate first (moved-blocks.ts).
 *
 * Invariants: one insert of a lane at a time; no insert before its batch is durable; what is left of a batch goes under
 * the batch's token.
 */
import { MovedBlocks, OLD_AFTER_MS } from './moved-blocks.ts';
import type { Retrying } from './retrying.ts';
import type { JournalBatch, JournaledBlock, ServerJournal } from './server-journal.ts';
import type { StoredBlocks, StoreModel } from './store-model.ts';
import type { World } from './world.ts';

/** As many blocks as one batch takes here: small, so that there are many batches. */
const MAX_BATCH_BLOCKS = 16;

export class LoaderLane {
  readonly #world: World;
  readonly #journal: ServerJournal;
  readonly #store: StoreModel;
  readonly #lane: number;
  readonly #gatherMs: number;
  readonly #retrying: Retrying;
  readonly #moved: MovedBlocks;
  #isBusy = true;

  constructor(
    world: World,
    journal: ServerJournal,
    store: StoreModel,
    lane: number,
    gatherMs: number,
    retrying: Retrying,
  ) {
    this.#world = world;
    this.#journal = journal;
    this.#store = store;
    this.#lane = lane;
    this.#gatherMs = gatherMs;
    this.#retrying = retrying;
    this.#moved = new MovedBlocks(journal, store, retrying);
    for (const block of journal.waiting(lane)) if (isMarked(block)) this.#gate(block);
    this.#resumeAll(journal.openBatches(lane), () => this.#rest());
  }

  /** A block of this lane became durable. */
  blockAppended(block: JournaledBlock): void {
    if (isMarked(block)) this.#gate(block);
    else this.#wake();
  }

  #gate(block: JournaledBlock): void {
    this.#moved.gate(block, () => this.#wake());
  }

  #wake(): void {
    if (this.#retrying.isDead || this.#isBusy) return;
    this.#isBusy = true;
    this.#retrying.later(this.#gatherMs, () => this.#select());
  }

  #rest(): void {
    this.#isBusy = false;
    if (this.#waiting().length > 0) this.#wake();
  }

  #waiting(): JournaledBlock[] {
    return this.#journal.waiting(this.#lane).filter((block) => !this.#moved.holds(block));
  }

  #select(): void {
    const blocks = this.#waiting().slice(0, MAX_BATCH_BLOCKS);
    this.#find(
      blocks.filter((block) => this.#isOld(block)),
      (stored) => {
        const there = blocks.filter(({ key }) => stored.has(key));
        const missing = blocks.filter(({ key }) => !stored.has(key));
        this.#forgetStored(there, () => {
          if (missing.length === 0) this.#rest();
          else this.#create(missing, (batch) => this.#load(batch, batch.blocks, () => this.#rest()));
        });
      },
    );
  }

  /** It may have been loaded so long ago that nothing would hide a second copy: elsewhere, or here and forgotten. */
  #isOld(block: JournaledBlock): boolean {
    if (isMarked(block)) return false;
    if (block.isUnsure) return true;
    return this.#journal.isOfEarlierLife(block) || this.#world.nowMs - block.receivedMs >= OLD_AFTER_MS;
  }

  #forgetStored(blocks: readonly JournaledBlock[], next: () => void): void {
    if (blocks.length === 0) next();
    else this.#create(blocks, (batch) => this.#forget(batch, next));
  }

  #resumeAll(batches: readonly JournalBatch[], next: () => void): void {
    const [batch, ...rest] = batches;
    if (batch === undefined) this.#retrying.later(0, next);
    else this.#resume(batch, () => this.#resumeAll(rest, next));
  }

  /** A batch of an earlier life, of which nobody knows whether it was applied. */
  #resume(batch: JournalBatch, next: () => void): void {
    const marked = batch.blocks.filter(isMarked);
    const judge = (judged: ReadonlySet<string>): void =>
      this.#find(batch.blocks, (stored) => {
        const { serverId } = this.#journal.disk;
        const isOwn = ({ key }: JournaledBlock): boolean => stored.get(key)?.includes(serverId) ?? false;
        const isMissing = (block: JournaledBlock): boolean =>
          !isOwn(block) && (isMarked(block) ? !judged.has(block.key) : !stored.has(block.key));
        if (batch.blocks.some(isMissing)) {
          const left = batch.blocks.filter((block) => isOwn(block) || isMissing(block));
          this.#load(batch, left, next);
        } else this.#finish(batch, next);
      });
    if (marked.length === 0) judge(new Set());
    else this.#moved.hold(marked, judge);
  }

  #find(blocks: readonly JournaledBlock[], next: (stored: StoredBlocks) => void): void {
    const keys = blocks.map(({ key }) => key);
    if (keys.length === 0) next(new Map());
    else this.#retrying.untilDone<StoredBlocks>((done) => this.#store.find(keys, done), next);
  }

  #create(blocks: readonly JournaledBlock[], next: (batch: JournalBatch) => void): void {
    this.#retrying.untilDone<JournalBatch>(
      (done) => this.#journal.createBatch(this.#lane, blocks, done),
      next,
    );
  }

  #load(batch: JournalBatch, left: readonly JournaledBlock[], next: () => void): void {
    const keys = left.map(({ key }) => key);
    const { serverId } = this.#journal.disk;
    this.#retrying.untilDone<true>(
      (done) =>
        this.#store.insert(serverId, batch.token, keys, (isConfirmed) => done(isConfirmed || undefined)),
      () => {
        if (left.length === batch.blocks.length) this.#finish(batch, next);
        else this.#removeSecondCopies(batch, () => this.#finish(batch, next));
      },
    );
  }

  /** An earlier attempt may have brought in unmarked blocks that another server had brought in too: ours go. */
  #removeSecondCopies(batch: JournalBatch, next: () => void): void {
    const { serverId } = this.#journal.disk;
    const unmarked = batch.blocks.filter((block) => !isMarked(block));
    this.#find(unmarked, (stored) => {
      const second = unmarked.filter(({ key }) => {
        const servers = stored.get(key) ?? [];
        return servers.length > 1 && servers.includes(serverId);
      });
      if (second.length === 0) {
        next();
        return;
      }
      // The other copy may still be hidden; then the reconciler sees to it.
      this.#moved.withoutRows(second, (unhidden) => {
        const keys = unhidden.map(({ key }) => key);
        this.#retrying.untilDone<true>(
          (done) => this.#store.deleteCopies(serverId, keys, (isConfirmed) => done(isConfirmed || undefined)),
          next,
        );
      });
    });
  }

  /** The store has all of the batch: what was hidden is shown before the journal forgets it. */
  #finish(batch: JournalBatch, next: () => void): void {
    this.#moved.mark(batch.blocks.filter(isMarked), 'kept', () => this.#forget(batch, next));
  }

  #forget(batch: JournalBatch, next: () => void): void {
    this.#retrying.untilDone<true>(
      (done) => this.#journal.finishBatch(batch, (isWritten) => done(isWritten || undefined)),
      next,
    );
  }
}

/** Another server may have it as well. */
function isMarked({ inDoubtAt }: JournaledBlock): boolean {
  return inDoubtAt !== undefined;
}
