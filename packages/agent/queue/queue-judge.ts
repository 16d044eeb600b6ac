/**
 * Judges the entries of the queue's file before LMDB opens it: each small value has its checksum and its form, a header has a
 * payload of its length, a payload has a header. Whether a payload says what was written tells its digest, when it is sent.
 */

import { SluiceError } from '@sluice/base/error';
import { decodeChecked } from '@sluice/durable/lmdb/checked-value';
import type { EntryJudge, SeenEntry } from '@sluice/durable/lmdb/entry-judge';
import { PayloadPairs } from '@sluice/durable/lmdb/payload-pairs';
import { storedKey } from '@sluice/durable/lmdb/stored-key';
import { DATABASE_NAMES } from './environment.ts';
import { asideSchema, headerSchema, QUEUE_FORMAT } from './stored.ts';

export class QueueJudge implements EntryJudge {
  readonly names: readonly string[] = DATABASE_NAMES;
  readonly #file: string;
  readonly #foundOlder: () => void;
  readonly #waiting = new PayloadPairs<number>();
  readonly #aside = new PayloadPairs<number>();
  #brokenCount = 0;
  #isOlder = false;

  /**
   * @param foundOlder is called when the file is of an older format, of which only the structure can be judged: it is to be
   *   upgraded, and judged again
   */
  constructor(file: string, foundOlder: () => void) {
    this.#file = file;
    this.#foundOlder = foundOlder;
  }

  readsValues(database: string): boolean {
    return database !== 'payloads' && database !== 'aside-payloads';
  }

  /** Throws SluiceError `state_newer`. */
  see(database: string, entry: SeenEntry): void {
    if (database === 'meta' && storedKey(entry.key) === 'format') this.#seeFormat(entry);
    if (this.#isOlder) return;
    const pair = this.#pairOf(database);
    const sequence = sequenceOf(entry);
    const bytes = this.#payloadBytes(database, entry);
    if (pair === undefined) this.#brokenCount += isSound(database, entry) ? 0 : 1;
    else if (sequence === undefined || bytes === undefined) this.#brokenCount += 1;
    else if (this.readsValues(database)) pair.header(sequence, bytes);
    else pair.payload(sequence, bytes);
  }

  problem(): string | undefined {
    // Names that come before the format's were judged by the present one.
    if (this.#isOlder) return undefined;
    const count = this.#brokenCount + this.#waiting.lonelyCount + this.#aside.lonelyCount;
    return count === 0 ? undefined : `${count} of its entries cannot be read`;
  }

  keeps(database: string, entry: SeenEntry): boolean {
    if (this.#isOlder) return true;
    const pair = this.#pairOf(database);
    if (pair === undefined) return isSound(database, entry);
    const sequence = sequenceOf(entry);
    const bytes = sequence === undefined ? undefined : pair.matched(sequence);
    return bytes !== undefined && bytes === this.#payloadBytes(database, entry);
  }

  #seeFormat({ key, value }: SeenEntry): void {
    const format = decodeChecked(key, value);
    if (typeof format === 'number' && format > QUEUE_FORMAT) throw newerQueue(this.#file, format);
    // Those had no checksums.
    this.#isOlder = format === undefined && /^[12]$/.test(value.toString('latin1'));
    if (this.#isOlder) this.#foundOlder();
  }

  #pairOf(database: string): PayloadPairs<number> | undefined {
    if (database === 'headers' || database === 'payloads') return this.#waiting;
    return database === 'aside-headers' || database === 'aside-payloads' ? this.#aside : undefined;
  }

  /** What the entry says of the payload's length. */
  #payloadBytes(database: string, { key, value, valueBytes }: SeenEntry): number | undefined {
    if (!this.readsValues(database)) return valueBytes;
    const stored = decodeChecked(key, value);
    if (database === 'headers') return headerSchema.safeParse(stored).data?.payloadBytes;
    return asideSchema.safeParse(stored).data?.header.payloadBytes;
  }
}

/** The error for a queue of a newer program. */
export function newerQueue(file: string, format: number): SluiceError {
  return new SluiceError(
    'state_newer',
    `the queue ${file} has format ${format}; this program knows ${QUEUE_FORMAT}`,
    {
      hint: 'Start the newer version of Sluice that wrote it, or give this one another data directory.',
    },
  );
}

function isSound(database: string, entry: SeenEntry): boolean {
  const value = decodeChecked(entry.key, entry.value);
  if (value === undefined) return false;
  if (database === 'in-doubt')
    return sequenceOf(entry) !== undefined && typeof value === 'string' && value !== '';
  return typeof storedKey(entry.key) === 'string';
}

function sequenceOf({ key }: SeenEntry): number | undefined {
  const sequence = storedKey(key);
  return typeof sequence === 'number' && Number.isSafeInteger(sequence) && sequence > 0
    ? sequence
    : undefined;
}
