/**
 * A checksum for what has no other: a bit that flips in a small value, or in its key, leaves one that reads well and says
 * something else. (The content of a block has its digest.)
 *
 * A value stands as its bytes, and behind them the CRC-32 of key and bytes as zlib has it (ITU-T V.42), big endian. Each change
 * of up to three bits of such a value is found, of more all but one in four billion.
 */
import { crc32 } from 'node:zlib';

const SUM_BYTES = 4;

/** The bytes with the checksum of key and bytes behind them. */
export function withChecksum(key: Uint8Array, bytes: Uint8Array): Buffer {
  const stored = Buffer.allocUnsafe(bytes.length + SUM_BYTES);
  stored.set(bytes);
  stored.writeUInt32BE(crc32(bytes, crc32(key)), bytes.length);
  return stored;
}

/** What {@link withChecksum} was given, as a view; undefined when it is not that any more. */
export function withoutChecksum(key: Uint8Array, stored: Uint8Array): Uint8Array | undefined {
  if (stored.length < SUM_BYTES) return undefined;
  const bytes = stored.subarray(0, stored.length - SUM_BYTES);
  const sum = Buffer.from(stored.buffer, stored.byteOffset + bytes.length, SUM_BYTES).readUInt32BE();
  return sum === crc32(bytes, crc32(key)) ? bytes : undefined;
}

/** A value of JSON with its checksum. */
export function encodeChecked(key: Uint8Array, value: unknown): Buffer {
  return withChecksum(key, Buffer.from(JSON.stringify(value)));
}

/** What {@link encodeChecked} was given; undefined, which is no value of JSON, when it is not that any more. */
export function decodeChecked(key: Uint8Array, stored: Uint8Array): unknown {
  const bytes = withoutChecksum(key, stored);
  if (bytes === undefined) return undefined;
  try {
    return JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString());
  } catch {
    // No value of JSON: somebody else wrote it, with a checksum that fits.
    return undefined;
  }
}
