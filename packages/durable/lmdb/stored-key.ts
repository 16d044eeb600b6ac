/** Keys of our own as they stand in an LMDB file, read without the library. */
import { fromBufferKey, toBufferKey } from 'ordered-binary';

/** A key, decoded. */
export type StoredKey = NonNullable<ReturnType<typeof fromBufferKey>>;

/** The key that these bytes are; undefined when they are none that the library writes. */
export function storedKey(bytes: Buffer): StoredKey | undefined {
  try {
    const key = fromBufferKey(bytes);
    return key !== null && toBufferKey(key).equals(bytes) ? key : undefined;
  } catch {
    // No key of ours, whatever the decoder says of it.
    return undefined;
  }
}
