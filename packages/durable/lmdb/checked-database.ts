/**
 * A database of small values with checksums (checked-value.ts). LMDB's own part ends with the bytes: a value that cannot be read
 * makes our decoder throw, never one in the middle of a walk of the library, which would keep its place in the file for ever.
 */
import type { Database, Key, RootDatabase } from 'lmdb';
import { toBufferKey } from 'ordered-binary';
import { decodeChecked, encodeChecked } from './checked-value.ts';

export interface CheckedOptions {
  /** The error for an entry that is not what was written, by its name for people. */
  readonly corrupt: (what: string) => Error;
  /** Keys are bytes already. */
  readonly hasByteKeys?: boolean;
}

export class CheckedDatabase<K extends Key> {
  readonly #name: string;
  readonly #bytes: Database<Buffer, K>;
  readonly #corrupt: (what: string) => Error;

  constructor(root: Pick<RootDatabase, 'openDB'>, name: string, options: CheckedOptions) {
    this.#name = name;
    this.#corrupt = options.corrupt;
    const keys = options.hasByteKeys === true ? ({ keyEncoding: 'binary' } as const) : {};
    this.#bytes = root.openDB<Buffer, K>({ name, encoding: 'binary', ...keys });
  }

  get count(): number {
    return this.#bytes.getKeysCount();
  }

  /** Writes a value of JSON. The promise is that of its transaction. */
  put(key: K, value: unknown): Promise<boolean> {
    return this.#bytes.put(key, encodeChecked(bytesOf(key), value));
  }

  /** The promise is that of its transaction. */
  remove(key: K): Promise<boolean> {
    return this.#bytes.remove(key);
  }

  /** Undefined when there is none. Throws what `corrupt` makes. */
  get(key: K): unknown {
    const stored = this.#bytes.get(key);
    return stored === undefined ? undefined : this.#decode(key, stored);
  }

  /** All entries in the order of their keys. Throws what `corrupt` makes. */
  *entries(): Generator<readonly [K, unknown], void, undefined> {
    for (const { key, value } of this.#bytes.getRange()) yield [key, this.#decode(key, value)];
  }

  /** All keys in their order. */
  keys(): Iterable<K> {
    return this.#bytes.getKeys();
  }

  /** The highest key; undefined when there is none. */
  get lastKey(): K | undefined {
    for (const key of this.#bytes.getKeys({ reverse: true, limit: 1 })) return key;
    return undefined;
  }

  #decode(key: K, stored: Buffer): unknown {
    const value = decodeChecked(bytesOf(key), stored);
    if (value === undefined) throw this.#corrupt(`an entry of "${this.#name}"`);
    return value;
  }
}

/** A key as it stands in the file. */
export function bytesOf(key: Key): Buffer {
  return Buffer.isBuffer(key) ? key : key instanceof Uint8Array ? Buffer.from(key) : toBufferKey(key);
}
