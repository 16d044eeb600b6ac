/**
 * The zstd frame around a block. Frames are written with their content size, and read only when they state the size
 * that the reader expects: nothing is decompressed on trust.
 */
import { promisify } from 'node:util';
import { constants, zstdCompress, zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import { messageOf, SluiceError } from '@sluice/base/error';
import { MAX_BLOCK_RAW_BYTES } from '@sluice/protocol/model';

/**
 * How much is done to make a block small. `quick`: the cheapest level, since compression happens on the monitored computer.
 * `small`: for slow links, where bytes are dearer than time. A block of 64 KiB takes a tenth less with level 9 than with level 1,
 * as much as small blocks cost; 20 ms for each MiB, of which a slow link takes few.
 */
export type CompressionEffort = 'quick' | 'small';
const COMPRESSION_LEVELS: Readonly<Record<CompressionEffort, number>> = { quick: 1, small: 9 };
/** Largest match window that is accepted (8 MiB): what an agent writes is below the largest block. */
const MAX_WINDOW_LOG = 23;
const MAGIC = 0xfd2fb528;
const CHECKSUM_BYTES = 4;
const BLOCK_HEADER_BYTES = 3;
/** Type of a zstd block that repeats one byte: its content takes 1 byte, whatever its size says. */
const RUN_LENGTH_BLOCK = 1;
const RESERVED_BLOCK = 3;

/** Log lines shrink to a sixth as a rule: then one step of the compressor takes a whole block and nothing is joined. */
const EXPECTED_RATIO = 4;

const compress = promisify(zstdCompress);

/** Compresses bytes as one zstd frame with content size, off the main thread. */
export async function compressFrameAsync(raw: Buffer, effort: CompressionEffort = 'quick'): Promise<Buffer> {
  return compress(raw, {
    params: compressionParameters(effort),
    pledgedSrcSize: raw.length,
    chunkSize: Math.max(constants.Z_DEFAULT_CHUNK, Math.ceil(raw.length / EXPECTED_RATIO)),
  });
}

/** The same at once; for small pieces. */
export function compressFrame(raw: Buffer): Buffer {
  return zstdCompressSync(raw, { params: compressionParameters('quick'), pledgedSrcSize: raw.length });
}

function compressionParameters(effort: CompressionEffort): Record<number, number> {
  return {
    [constants.ZSTD_c_compressionLevel]: COMPRESSION_LEVELS[effort],
    [constants.ZSTD_c_contentSizeFlag]: 1,
  };
}

/**
 * Decompresses exactly one frame.
 *
 * @param rawBytes the size that the content must have, at most MAX_BLOCK_RAW_BYTES; no more is ever allocated.
 * @throws SluiceError `block_malformed`
 */
export function decompressFrame(payload: Uint8Array, rawBytes: number): Buffer {
  if (!Number.isInteger(rawBytes) || rawBytes < 1 || rawBytes > MAX_BLOCK_RAW_BYTES) {
    throw malformed(`a content of ${rawBytes} bytes is not allowed`);
  }
  checkFrame(payload, rawBytes);
  let raw: Buffer;
  try {
    raw = zstdDecompressSync(payload, {
      maxOutputLength: rawBytes,
      // One more than needed: a chunk that is full makes the library allocate the next one.
      chunkSize: Math.max(constants.Z_MIN_CHUNK, rawBytes + 1),
      params: { [constants.ZSTD_d_windowLogMax]: MAX_WINDOW_LOG },
    });
  } catch (error) {
    throw malformed(`zstd: ${messageOf(error)}`);
  }
  if (raw.length !== rawBytes) throw malformed(`the frame holds ${raw.length} bytes, not ${rawBytes}`);
  return raw;
}

/** Walks over the frame (RFC 8878, 3.1.1): it states the expected size and ends where the payload ends. */
function checkFrame(payload: Uint8Array, rawBytes: number): void {
  const view = Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength);
  const need = (at: number): void => {
    if (at > view.length) throw malformed('the zstd frame is cut off');
  };
  need(5);
  if (view.readUInt32LE(0) !== MAGIC) throw malformed('not a zstd frame');
  const descriptor = view.readUInt8(4);
  const singleSegment = (descriptor & 0x20) !== 0;
  if ((descriptor & 0x08) !== 0) throw malformed('a reserved bit of the zstd frame is set');
  if ((descriptor & 0x03) !== 0) throw malformed('the zstd frame needs a dictionary');
  let at = singleSegment ? 5 : 6;
  const sizeCode = descriptor >>> 6;
  const sizeBytes = sizeCode === 0 ? (singleSegment ? 1 : 0) : 1 << sizeCode;
  need(at + sizeBytes);
  if (sizeBytes === 0) throw malformed('the zstd frame does not state its content size');
  let stated = 0;
  for (let byte = sizeBytes - 1; byte >= 0; byte -= 1) stated = stated * 256 + view.readUInt8(at + byte);
  if (sizeBytes === 2) stated += 256;
  if (stated !== rawBytes) throw malformed(`the zstd frame states ${stated} bytes, expected ${rawBytes}`);
  at += sizeBytes;
  for (let last = false; !last; ) {
    need(at + BLOCK_HEADER_BYTES);
    const head = view.readUIntLE(at, BLOCK_HEADER_BYTES);
    last = (head & 1) === 1;
    const type = (head >>> 1) & 3;
    if (type === RESERVED_BLOCK) throw malformed('a zstd block of a reserved type');
    at += BLOCK_HEADER_BYTES + (type === RUN_LENGTH_BLOCK ? 1 : head >>> 3);
    need(at);
  }
  if ((descriptor & 0x04) !== 0) at += CHECKSUM_BYTES;
  need(at);
  if (at !== view.length) throw malformed(`${view.length - at} bytes follow the zstd frame`);
}

/** The error for a payload that must not be taken. */
export function malformed(reason: string): SluiceError {
  return new SluiceError('block_malformed', `malformed block: ${reason}`, {
    hint: 'The block is set aside; compare the versions of agent and server.',
  });
}
