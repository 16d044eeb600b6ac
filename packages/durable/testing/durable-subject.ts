/** An owner of a durable file, as the tests of all of them see it (durable-contract.ts). Not part of any program. */
import type { FoundDamage } from '../lmdb/damage-latch.ts';
import type { Loss, LossTotals } from '../loss.ts';

/** A durable file that is open. */
export interface OpenSubject {
  /** Makes a block durable whose payload is `payload`; `number` names it. */
  add(number: number, payload: Buffer): Promise<void>;
  /** The numbers of all blocks, and their payloads as they are read now. */
  blocks(): readonly { readonly number: number; readonly payload: Buffer }[];
  readonly damage: FoundDamage | undefined;
  readonly losses: readonly Loss[];
  readonly lossTotals: LossTotals;
  acknowledgeLosses(): void;
  close(): Promise<void>;
}

/** An owner of a durable file. */
export interface DurableSubject {
  /** "the queue" */
  readonly what: string;
  readonly fileName: string;
  readonly ledgerName: string;
  readonly formerLedgerName: string;
  readonly format: number;
  /** The module that exports this as `subject`. */
  readonly moduleUrl: string;
  open(directory: string): Promise<OpenSubject>;
  /** Writes the file as a program of an older format did, with blocks of the numbers 1 to `count` ({@link payloadOf}). */
  writeOlder(directory: string, format: 1 | 2, count: number): Promise<void>;
}

const PAYLOAD_BYTES = 9000;

/** What block `number` holds. */
export function payloadOf(number: number): Buffer {
  return Buffer.alloc(PAYLOAD_BYTES, number);
}
