/**
 * Judges the entries of the journal's file before LMDB opens it: each small value has its checksum and its form, a header has a
 * payload of its length, a payload has a header, a batch has a block that is there, digests have their agent. Whether a payload
 * says what was written tells its digest, when it is loaded.
 */

import { SluiceError } from '@sluice/base/error';
import { bytesOf } from '@sluice/durable/lmdb/checked-database';
import { decodeChecked } from '@sluice/durable/lmdb/checked-value';
import type { EntryJudge, SeenEntry } from '@sluice/durable/lmdb/entry-judge';
import { PayloadPairs } from '@sluice/durable/lmdb/payload-pairs';
import { storedKey } from '@sluice/durable/lmdb/stored-key';
import { DATABASE_NAMES } from './journal-databases.ts';
import {
  corrupt,
  decodeAgentKey,
  decodeAgentRecord,
  decodeBatchRecord,
  decodeBlockRecord,
  decodeChunk,
  decodeNumberedKey,
  JOURNAL_FORMAT,
} from './journal-records.ts';

/** Databases of blocks. */
type BlockDatabase = 'headers' | 'set_aside' | 'payloads';

export class JournalJudge implements EntryJudge {
  readonly names: readonly string[] = DATABASE_NAMES;
  readonly #foundOlder: () => void;
  readonly #pairs = new PayloadPairs<string>();
  /** Blocks with a header among those that wait. */
  readonly #waiting = new Set<string>();
  readonly #agents = new Set<string>();
  #brokenCount = 0;
  #isOlder = false;

  /**
   * @param foundOlder is called when the file is of an older format, of which only the structure can be judged: it is to be
   *   upgraded, and judged again
   */
  constructor(foundOlder: () => void) {
    this.#foundOlder = foundOlder;
  }

  readsValues(database: string): boolean {
    return database !== 'payloads';
  }

  /** Throws SluiceError `state_newer`. */
  see(database: string, entry: SeenEntry): void {
    if (database === 'meta' && storedKey(entry.key) === 'format') this.#seeFormat(entry);
    if (this.#isOlder) return;
    if (!reads(() => this.#note(database, entry))) this.#brokenCount += 1;
  }

  problem(): string | undefined {
    // Names that come before the format's were judged by the present one.
    if (this.#isOlder) return undefined;
    const count = this.#brokenCount + this.#pairs.lonelyCount;
    return count === 0 ? undefined : `${count} of its entries cannot be read`;
  }

  keeps(database: string, entry: SeenEntry): boolean {
    if (this.#isOlder) return true;
    if (!isBlockDatabase(database)) return reads(() => this.#check(database, entry));
    const name = nameOf(entry.key);
    const bytes = this.#pairs.matched(name);
    if (database === 'set_aside' && this.#waiting.has(name)) return false;
    return bytes !== undefined && reads(() => check(payloadBytes(database, entry) === bytes));
  }

  #seeFormat({ key, value }: SeenEntry): void {
    const format = decodeChecked(key, value);
    if (typeof format === 'number' && format > JOURNAL_FORMAT) throw newerJournal(format);
    // Those had no checksums: a number as MessagePack has it.
    this.#isOlder = format === undefined && (value.equals(FORMAT_1) || value.equals(FORMAT_2));
    if (this.#isOlder) this.#foundOlder();
  }

  #note(database: string, entry: SeenEntry): void {
    if (!isBlockDatabase(database)) {
      this.#check(database, entry);
      return;
    }
    const bytes = payloadBytes(database, entry);
    const name = nameOf(entry.key);
    if (database === 'payloads') {
      this.#pairs.payload(name, bytes);
      return;
    }
    check(!this.#waiting.has(name));
    if (database === 'headers') this.#waiting.add(name);
    this.#pairs.header(name, bytes);
  }

  /** Throws when the entry says nothing that could be. */
  #check(database: string, { key, value }: SeenEntry): void {
    if (database === 'known') {
      const { agentId, epoch } = decodeChunk(key, value);
      check(this.#agents.has(`${epoch}/${agentId}`));
      return;
    }
    const stored = decodeChecked(key, value);
    if (database === 'batches') {
      this.#checkBatch(key, stored);
    } else if (database === 'agents') {
      decodeAgentRecord(stored);
      const { agentId, epoch } = decodeAgentKey(key);
      this.#agents.add(`${epoch}/${agentId}`);
    } else {
      check(stored !== undefined && typeof storedKey(key) === 'string');
    }
  }

  /** A batch that lost a part of its blocks keeps its token: if the store took it before, it takes nothing now. */
  #checkBatch(key: Buffer, stored: unknown): void {
    const { lane } = decodeNumberedKey(storedKey(key));
    const names = decodeBatchRecord(stored).blockNumbers.map((number) => nameOf(bytesOf([lane, number])));
    check(names.some((name) => this.#waiting.has(name) && this.#pairs.matched(name) !== undefined));
  }
}

/** The error for a journal of a newer program. */
export function newerJournal(format: number): SluiceError {
  return new SluiceError(
    'state_newer',
    `the journal has format ${format}, this program knows ${JOURNAL_FORMAT}`,
    { hint: 'Run the newer program that wrote it, or give this one a directory of its own.' },
  );
}

const FORMAT_1 = Buffer.from([1]);
const FORMAT_2 = Buffer.from([2]);

function isBlockDatabase(database: string): database is BlockDatabase {
  return database === 'headers' || database === 'set_aside' || database === 'payloads';
}

/** What the entry says of the payload's length. Throws when it says nothing that could be. */
function payloadBytes(database: BlockDatabase, { key, value, valueBytes }: SeenEntry): number {
  decodeNumberedKey(storedKey(key));
  return database === 'payloads' ? valueBytes : decodeBlockRecord(decodeChecked(key, value)).payloadBytes;
}

function nameOf(key: Buffer): string {
  return key.toString('latin1');
}

function check(isSound: boolean): void {
  if (!isSound) throw corrupt('an entry');
}

function reads(read: () => void): boolean {
  try {
    read();
    return true;
  } catch {
    // It is counted; what a damaged entry makes a decoder say helps nobody.
    return false;
  }
}
