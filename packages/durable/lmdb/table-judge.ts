/**
 * Judges the entries of a file by a table of its databases, before LMDB opens it: each small value has its checksum and its form,
 * a header has a payload of its length, a payload has a header, and what an entry refers to is there. Whether a payload says what
 * was written tells its digest, when it is read.
 *
 * A database stands in the table behind what its entries refer to, `meta`, which tells the format, first.
 */
import { corruptState, newerState, type StateName } from '../corrupt-state.ts';
import { decodeChecked } from './checked-value.ts';
import type { EntryJudge, SeenEntry } from './entry-judge.ts';
import { PayloadPairs } from './payload-pairs.ts';
import { storedKey } from './stored-key.ts';

/** What is known of the entries of databases before. Keys are as they stand in the file. */
export interface SeenBefore {
  /** An entry of a database whose rule says that it `isReferredTo`. */
  has(database: string, key: Buffer): boolean;
  /** A header with its payload. */
  hasBlock(headers: string, key: Buffer): boolean;
}

/** One database of a file, and what its entries may be. A rule throws whatever it likes for an entry that says nothing. */
export type DatabaseRule =
  /** Small values, each with a checksum of its own. */
  | {
      readonly kind: 'values';
      readonly name: string;
      readonly isReferredTo?: boolean;
      check(entry: SeenEntry, seen: SeenBefore): void;
    }
  /** Small values that each have a payload under the same key. Of two with one key, the first database of the table has it. */
  | {
      readonly kind: 'headers';
      readonly name: string;
      readonly payloads: string;
      /** What the header says of its payload's length. */
      payloadBytes(entry: SeenEntry): number;
    }
  /** Bytes that are not read: they have digests. */
  | { readonly kind: 'payloads'; readonly name: string; check(entry: SeenEntry): void };

/** The format that a program writes, and those before it, in which values had no checksums. */
export interface FormatRule {
  readonly present: number;
  /** Older ones, by how their number stands in the file. */
  readonly older: readonly { readonly from: number; readonly stored: Buffer }[];
}

/** Blocks: headers of several databases, and the payloads of one. */
interface Blocks {
  readonly pairs: PayloadPairs<string>;
  /** The database of the header, by key. */
  readonly owners: Map<string, string>;
}

export class TableJudge implements EntryJudge {
  readonly names: readonly string[];
  readonly #rules: ReadonlyMap<string, DatabaseRule>;
  readonly #format: FormatRule;
  readonly #name: StateName;
  readonly #blocks = new Map<string, Blocks>();
  readonly #referredTo = new Map<string, Set<string>>();
  #brokenCount = 0;
  #olderFormat: number | undefined;

  constructor(rules: readonly DatabaseRule[], format: FormatRule, name: StateName) {
    this.names = rules.map((rule) => rule.name);
    this.#rules = new Map(rules.map((rule) => [rule.name, rule]));
    this.#format = format;
    this.#name = name;
    for (const rule of rules) {
      if (rule.kind === 'payloads')
        this.#blocks.set(rule.name, { pairs: new PayloadPairs(), owners: new Map() });
      if (rule.kind === 'values' && rule.isReferredTo === true) this.#referredTo.set(rule.name, new Set());
    }
  }

  /** Of a file of an older format, of which only the structure can be judged: it is to be upgraded, and judged again. */
  get olderFormat(): number | undefined {
    return this.#olderFormat;
  }

  readsValues(database: string): boolean {
    return this.#rules.get(database)?.kind !== 'payloads';
  }

  /** Throws SluiceError `state_newer`. */
  see(database: string, entry: SeenEntry): void {
    if (database === 'meta' && storedKey(entry.key) === 'format') this.#seeFormat(entry);
    if (this.#olderFormat === undefined && !reads(() => this.#note(database, entry))) this.#brokenCount += 1;
  }

  problem(): string | undefined {
    // Names that come before the format's were judged by the present one.
    if (this.#olderFormat !== undefined) return undefined;
    let count = this.#brokenCount;
    for (const { pairs } of this.#blocks.values()) count += pairs.lonelyCount;
    return count === 0 ? undefined : `${count} of its entries cannot be read`;
  }

  keeps(database: string, entry: SeenEntry): boolean {
    if (this.#olderFormat !== undefined) return true;
    const rule = this.#rules.get(database);
    if (rule === undefined) return false;
    return reads(() => {
      if (rule.kind === 'values') {
        rule.check(entry, this.#seen);
        return;
      }
      const bytes = rule.kind === 'payloads' ? entry.valueBytes : rule.payloadBytes(entry);
      const { pairs, owners } = this.#blocksOf(rule);
      const key = nameOf(entry.key);
      if (pairs.matched(key) !== bytes) throw this.#broken('has no other half');
      if (rule.kind === 'headers' && owners.get(key) !== database) throw this.#broken('stands there twice');
    });
  }

  #seeFormat({ key, value }: SeenEntry): void {
    const format = decodeChecked(key, value);
    const { present, older } = this.#format;
    if (typeof format === 'number' && format > present) throw newerState(this.#name, format, present);
    if (format !== undefined) return;
    this.#olderFormat = older.find(({ stored }) => stored.equals(value))?.from;
  }

  #note(database: string, entry: SeenEntry): void {
    const rule = this.#rules.get(database);
    if (rule === undefined) throw this.#broken('is in a database that is not ours');
    const key = nameOf(entry.key);
    if (rule.kind === 'values') {
      rule.check(entry, this.#seen);
      this.#referredTo.get(database)?.add(key);
      return;
    }
    const { pairs, owners } = this.#blocksOf(rule);
    if (rule.kind === 'payloads') {
      rule.check(entry);
      pairs.payload(key, entry.valueBytes);
      return;
    }
    const bytes = rule.payloadBytes(entry);
    if (owners.has(key)) throw this.#broken('stands there twice');
    owners.set(key, database);
    pairs.header(key, bytes);
  }

  #blocksOf(rule: Exclude<DatabaseRule, { readonly kind: 'values' }>): Blocks {
    const blocks = this.#blocks.get(rule.kind === 'headers' ? rule.payloads : rule.name);
    if (blocks === undefined) throw this.#broken('has no payloads in the table');
    return blocks;
  }

  readonly #seen: SeenBefore = {
    has: (database, key) => this.#referredTo.get(database)?.has(nameOf(key)) === true,
    hasBlock: (headers, key) => {
      const rule = this.#rules.get(headers);
      if (rule?.kind !== 'headers') return false;
      const { pairs, owners } = this.#blocksOf(rule);
      return owners.get(nameOf(key)) === headers && pairs.matched(nameOf(key)) !== undefined;
    },
  };

  #broken(how: string): Error {
    return corruptState(this.#name, `an entry ${how}`);
  }
}

/** The value of an entry. Throws when it is not what was written. */
export function checkedValue({ key, value }: SeenEntry): unknown {
  const stored = decodeChecked(key, value);
  if (stored === undefined) throw new Error('the value is not the one that its checksum was made of');
  return stored;
}

/** Throws when an entry is no value under a name. */
export function checkNamed(entry: SeenEntry): void {
  checkedValue(entry);
  if (typeof storedKey(entry.key) !== 'string') throw new Error('a key is a name');
}

function nameOf(key: Buffer): string {
  return key.toString('latin1');
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
