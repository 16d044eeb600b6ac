/**
 * Keeps the mark beside the queue's file true: writes it at the start, now and then while the queue changes, and at the end.
 *
 * Invariants: at most one write in {@link MARK_INTERVAL_MS}; positions are taken only while nothing waits in the queue; a
 * mark that cannot be written (a full disk) stops nothing, and is written later.
 */
import type { Loss, LossTotals } from '@sluice/durable/durable-mark';
import {
  MARK_INTERVAL_MS,
  MAX_MARKED_POSITIONS,
  type MarkedPosition,
  type QueueMark,
  type QueueMarkState,
} from './queue-mark.ts';

/** What the mark says of the queue. */
export interface MarkedQueue {
  readonly agentId: string;
  readonly epoch: number;
  nextSequence(): number;
  blockCount(): number;
  setAsideCount(): number;
  positions(): Iterable<MarkedPosition>;
}

export class QueueMarkKeeper {
  /** Blocks that were dropped from the shelf, ever. */
  droppedSetAside: number;
  readonly #mark: QueueMark;
  readonly #queue: MarkedQueue;
  #positions: readonly MarkedPosition[];
  #positionsMs: number;
  /** While it runs nothing is written. */
  #timer: NodeJS.Timeout | undefined;
  #hasChanged = false;
  #closed = false;

  constructor(mark: QueueMark, queue: MarkedQueue) {
    this.#mark = mark;
    this.#queue = queue;
    const before = mark.found.kind === 'read' ? mark.found.state : undefined;
    this.#positions = before?.positions ?? [];
    this.#positionsMs = before?.positionsMs ?? Date.now();
    this.droppedSetAside = before?.droppedSetAside ?? 0;
    this.#write((mark.found.kind === 'read' ? mark.found.failedStarts : 0) + 1);
  }

  get losses(): readonly Loss[] {
    return this.#mark.losses;
  }

  get lossTotals(): LossTotals {
    return this.#mark.totals;
  }

  /** The queue has changed. */
  changed(): void {
    this.#hasChanged = true;
    // A busy queue may never be empty just when it is time to write.
    const isDue = this.#positions.length === 0 || Date.now() - this.#positionsMs >= MARK_INTERVAL_MS;
    if (isDue) this.#takePositions();
    if (this.#timer === undefined) this.#write();
  }

  /** Something of the queue is gone: noted at once. */
  lost(loss: Loss): void {
    this.#mark.addLoss(loss);
    this.#write();
  }

  /** @throws SluiceError `disk_full`, `config_invalid` */
  acknowledgeLosses(): void {
    this.#mark.acknowledge();
    this.#mark.note(this.#state());
  }

  /** The large file will be closed: it is looked into for the last time. */
  stop(): void {
    clearTimeout(this.#timer);
    this.#takePositions();
    this.#closed = true;
  }

  /** The large file is closed. */
  ended(): void {
    this.#write();
  }

  #write(failedStarts = 0): void {
    this.#hasChanged = false;
    try {
      this.#mark.note(this.#state(), failedStarts);
    } catch {
      // Blocks are on disk without it; what it would say better, the next one says. The disk itself is told elsewhere.
      this.#hasChanged = true;
    }
    if (this.#closed) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      if (this.#hasChanged || failedStarts > 0) this.#write();
    }, MARK_INTERVAL_MS);
    this.#timer.unref();
  }

  #state(): QueueMarkState {
    const { agentId, epoch } = this.#queue;
    this.#takePositions();
    return {
      ...{ agentId, epoch, nextSequence: this.#queue.nextSequence() },
      ...{ blocks: this.#queue.blockCount(), setAsideBlocks: this.#queue.setAsideCount() },
      ...{ positions: this.#positions, positionsMs: this.#positionsMs },
      droppedSetAside: this.droppedSetAside,
    };
  }

  #takePositions(): void {
    if (this.#closed || this.#queue.blockCount() > 0) return;
    const positions: MarkedPosition[] = [];
    try {
      for (const position of this.#queue.positions()) {
        if (positions.length === MAX_MARKED_POSITIONS) break;
        positions.push(position);
      }
    } catch {
      // A file that was damaged while it was open: the queue tells it apart, and older positions are good ones.
      return;
    }
    this.#positions = positions;
    this.#positionsMs = Date.now();
  }
}
