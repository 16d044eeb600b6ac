/**
 * Tells the entries of an LMDB database that can be read from those that cannot: a bit that flipped in a key or a value
 * leaves a file that the library reads without complaint.
 *
 * Invariant: each key is in one of the two lists; of those that can be read, the same key leads to the entry.
 */
import type { Database } from 'lmdb';
import { fromBufferKey, toBufferKey } from 'ordered-binary';

/** A key, decoded. */
export type StoredKey = NonNullable<ReturnType<typeof fromBufferKey>>;

export interface SoundKeys {
  readonly sound: readonly StoredKey[];
  /** As they stand in the file. */
  readonly broken: readonly Buffer[];
}

/**
 * @param raw the database with keys and values as bytes
 * @param read reads the entry of a key, and throws when it says nothing that could be
 */
export function soundKeys(raw: Database<Buffer, Buffer>, read: (key: StoredKey) => void): SoundKeys {
  const sound: StoredKey[] = [];
  const broken: Buffer[] = [];
  for (const bytes of raw.getKeys()) {
    const stored = Buffer.from(bytes);
    const key = keyOf(stored);
    if (key !== undefined && reads(read, key)) sound.push(key);
    else broken.push(stored);
  }
  return { sound, broken };
}

/** A key as it stands in the file. */
export function keyBytes(key: StoredKey): Buffer {
  return toBufferKey(key);
}

function keyOf(bytes: Buffer): StoredKey | undefined {
  try {
    const key = fromBufferKey(bytes);
    return key !== null && keyBytes(key).equals(bytes) ? key : undefined;
  } catch {
    // No key of ours, whatever the decoder says of it.
    return undefined;
  }
}

function reads(read: (key: StoredKey) => void, key: StoredKey): boolean {
  try {
    read(key);
    return true;
  } catch {
    // The caller counts it; what a damaged entry makes a decoder say helps nobody.
    return false;
  }
}
