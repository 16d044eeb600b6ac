/**
 * What the mark beside the queue's file says (packages/durable/durable-mark.ts): enough to go on under the same name, from the
 * right places, and to say what is missing, when the file is gone.
 *
 * Invariant: `positions` are those of a moment at which nothing waited in the queue; what was read behind them may be lost
 * with it, what was read before them is not.
 */
import path from 'node:path';
import { DurableMark } from '@sluice/durable/durable-mark';
import { MAX_ID_BYTES } from '@sluice/protocol/model';
import { z } from 'zod';

export const MARK_FILE_NAME = 'queue.mark';
/** How often it is written while the queue changes: what happened since then is not in the numbers of a loss. */
export const MARK_INTERVAL_MS = 10_000;
/** More files than an agent follows; each position is some 200 bytes. */
export const MAX_MARKED_POSITIONS = 10_000;

export interface MarkedPosition {
  readonly key: string;
  readonly value: unknown;
}

export interface QueueMarkState {
  readonly agentId: string;
  readonly epoch: number;
  readonly nextSequence: number;
  /** Blocks that waited. */
  readonly blocks: number;
  /** Blocks that were set aside; earlier versions did not say. */
  readonly setAsideBlocks: number;
  /** When `positions` were taken, ms since 1970. */
  readonly positionsMs: number;
  readonly positions: readonly MarkedPosition[];
  /** Blocks set aside that were dropped because too many were kept. */
  readonly droppedSetAside: number;
}

const stateSchema: z.ZodType<QueueMarkState> = z.object({
  agentId: z.string().min(1).max(MAX_ID_BYTES),
  epoch: z.int().min(1),
  nextSequence: z.int().min(1),
  blocks: z.int().min(0),
  setAsideBlocks: z.int().min(0).default(0),
  positionsMs: z.number(),
  positions: z.array(z.object({ key: z.string(), value: z.unknown() })).max(MAX_MARKED_POSITIONS),
  droppedSetAside: z.int().min(0),
});

export type QueueMark = DurableMark<QueueMarkState>;

/** @throws SluiceError `config_invalid` */
export function openQueueMark(directory: string): QueueMark {
  return new DurableMark({
    file: path.join(directory, MARK_FILE_NAME),
    what: 'the mark of the queue',
    parse: (value) => {
      const parsed = stateSchema.safeParse(value);
      return parsed.success ? parsed.data : undefined;
    },
  });
}
