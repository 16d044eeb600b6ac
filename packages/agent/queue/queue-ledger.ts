/**
 * What the ledger beside the queue's file says (packages/durable/ledger.ts): enough to go on under the same name, from the
 * right places, and to say what is missing, when the file is gone.
 *
 * Invariant: `positions` are those of a moment at which nothing waited in the queue; what was read behind them may be lost
 * with it, what was read before them is not.
 */
import { LEDGER_INTERVAL_MS } from '@sluice/durable/ledger-keeper';
import { MAX_ID_BYTES } from '@sluice/protocol/model';
import { z } from 'zod';

/** More files than an agent follows; each position is some 200 bytes. */
const MAX_NOTED_POSITIONS = 10_000;

export interface NotedPosition {
  readonly key: string;
  readonly value: unknown;
}

export interface QueueLedgerState {
  readonly agentId: string;
  readonly epoch: number;
  readonly nextSequence: number;
  /** Blocks that waited. */
  readonly blocks: number;
  /** Blocks that were set aside; earlier versions did not say. */
  readonly setAsideBlocks: number;
  /** When `positions` were taken, ms since 1970. */
  readonly positionsMs: number;
  readonly positions: readonly NotedPosition[];
  /** Blocks set aside that were dropped because too many were kept. */
  readonly droppedSetAside: number;
}

const stateSchema: z.ZodType<QueueLedgerState> = z.object({
  agentId: z.string().min(1).max(MAX_ID_BYTES),
  epoch: z.int().min(1),
  nextSequence: z.int().min(1),
  blocks: z.int().min(0),
  setAsideBlocks: z.int().min(0).default(0),
  positionsMs: z.number(),
  positions: z.array(z.object({ key: z.string(), value: z.unknown() })).max(MAX_NOTED_POSITIONS),
  droppedSetAside: z.int().min(0),
});

/** The state as it was written; undefined when it is none. */
export function parseQueueState(value: unknown): QueueLedgerState | undefined {
  return stateSchema.safeParse(value).data;
}

/** The read positions of the latest moment at which nothing waited in the queue, as far as the ledger has to know them. */
export class EmptyPositions {
  readonly #blockCount: () => number;
  readonly #read: () => Iterable<NotedPosition>;
  #positions: readonly NotedPosition[];
  #atMs: number;

  constructor(
    before: QueueLedgerState | undefined,
    blockCount: () => number,
    read: () => Iterable<NotedPosition>,
  ) {
    this.#blockCount = blockCount;
    this.#read = read;
    this.#positions = before?.positions ?? [];
    this.#atMs = before?.positionsMs ?? Date.now();
  }

  /** The queue has changed: a busy one may never be empty just when it is time to write. */
  changed(): void {
    if (this.#positions.length === 0 || Date.now() - this.#atMs >= LEDGER_INTERVAL_MS) this.#take();
  }

  /** For the ledger, which is written now. */
  latest(): Pick<QueueLedgerState, 'positions' | 'positionsMs'> {
    this.#take();
    return { positions: this.#positions, positionsMs: this.#atMs };
  }

  #take(): void {
    if (this.#blockCount() > 0) return;
    const positions: NotedPosition[] = [];
    try {
      for (const position of this.#read()) {
        if (positions.length === MAX_NOTED_POSITIONS) break;
        positions.push(position);
      }
    } catch {
      // A file that was damaged while it was open: the queue tells it apart, and older positions are good ones.
      return;
    }
    this.#positions = positions;
    this.#atMs = Date.now();
  }
}
