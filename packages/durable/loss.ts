/** What was accepted and is not there any more: counts and words. */
import { isoTime } from '@sluice/host/iso-time';
import { expectedCount } from './lmdb/expected-count.ts';
import type { Salvage } from './lmdb/salvage.ts';

/** Something accepted that is not there any more. */
export interface Loss {
  readonly atMs: number;
  /** `lost`: all of it was gone. `damaged`: a part could not be read. */
  readonly kind: 'lost' | 'damaged';
  /** Blocks that are missing, as far as that can be known. */
  readonly blocks: number;
  /** One or two sentences: what was found, what is missing, what was kept. */
  readonly message: string;
}

/** Of all losses that nobody has acknowledged. */
export interface LossTotals {
  readonly losses: number;
  readonly blocks: number;
}

/** What befell a file that was used before. */
export type Fault =
  /** All that it held is gone. */
  | { readonly kind: 'lost' }
  | { readonly kind: 'damaged'; readonly reason: string; readonly salvage: Salvage };

/** What its owner says of a fault. */
export interface Consequences {
  /** Blocks that are missing, as far as that can be known. */
  readonly blocks: number;
  /** Blocks that were saved. */
  readonly saved: number;
  /** What else a person should know, in parts of a sentence. */
  readonly further: readonly string[];
}

export interface LossOptions {
  /** "the queue /var/lib/sluice/queue.mdb" */
  readonly what: string;
  /** Of a block: "that no server had acknowledged". */
  readonly promised: string;
  /** When the ledger was written last; undefined when it says nothing of what the file held. */
  readonly notedMs: number | undefined;
  /** Where the damaged file is from now on. */
  readonly keptAs: string | undefined;
}

/** The loss, in words. */
export function lossOf(fault: Fault, consequences: Consequences, options: LossOptions): Loss {
  const { what, promised, notedMs, keptAs } = options;
  const { blocks, saved, further } = consequences;
  const parts =
    fault.kind === 'lost'
      ? [
          `${what} was used before and is gone`,
          notedMs === undefined
            ? 'what it held is not known'
            : `at ${isoTime(notedMs)} it held ${blocks} blocks ${promised}`,
        ]
      : [
          `${what} was damaged (${fault.reason})`,
          `${blocks} blocks ${promised} cannot be read, ${saved} were saved`,
        ];
  const kept = keptAs === undefined ? [] : [`the damaged file is kept as ${keptAs}`];
  const message = [...parts, ...further, ...kept].join('; ');
  return { atMs: Date.now(), kind: fault.kind, blocks, message };
}

/** How many entries a database said that it had; undefined when that cannot be read. */
export function claimOf({ entries }: Salvage, database: string): number | undefined {
  return entries.get(database)?.expected;
}

/** How many are missing of what several say that there were (expected-count.ts). */
export function missing(found: number, claims: readonly (number | undefined)[]): number {
  return Math.max(0, expectedCount(claims) - found);
}
