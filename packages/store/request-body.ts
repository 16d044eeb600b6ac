/** Bodies of requests: a query's text in memory, an insert's data in a file for the engine to read. */
import { randomUUID } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { rm, unlink } from 'node:fs/promises';
import type { IncomingMessage } from 'node:http';
import path from 'node:path';
import { Transform, type TransformCallback } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { brotliDecompressSync, gunzipSync, inflateSync, zstdDecompressSync } from 'node:zlib';
import { EngineError, EXCEPTION_CODES } from './engine-error.ts';
import { MAX_INSERT_BODY_BYTES, MAX_QUERY_BYTES } from './limits.ts';
import { ZstdFrames } from './zstd-frames.ts';

export interface SpooledBody {
  readonly path: string;
  readonly compression: string;
  /** Removes the file. */
  remove(): Promise<void>;
}

/** @returns the body as text, decompressed. @throws EngineError 307 when it is too large, 117 when it cannot be read */
export async function readText(request: IncomingMessage, compression: string): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request) {
    const buffer: Buffer = chunk;
    bytes += buffer.length;
    if (bytes > MAX_QUERY_BYTES) throw tooLarge(MAX_QUERY_BYTES);
    chunks.push(buffer);
  }
  return decompress(Buffer.concat(chunks), compression).toString('utf8');
}

/** A disk without room, and a quota that is used up. */
const NO_SPACE_CODES: ReadonlySet<unknown> = new Set(['ENOSPC', 'EDQUOT']);

/**
 * Writes the body into a new file. The file needs no sync: it is only ever read by the request that wrote it.
 *
 * @throws EngineError 243 when the disk is full, 210 when the client went away, 307 and 117 for a body that cannot be taken,
 *   1001 when the file cannot be written for another reason
 */
export async function spool(
  request: IncomingMessage,
  directory: string,
  compression: string,
): Promise<SpooledBody> {
  const file = path.join(directory, `${randomUUID()}.body`);
  const remove = async (): Promise<void> => {
    await unlink(file);
  };
  const writer = createWriteStream(file, { flags: 'wx', mode: 0o600, highWaterMark: 1024 * 1024 });
  try {
    await pipeline(request, new BodyCheck(compression), writer);
  } catch (error) {
    await rm(file, { force: true });
    throw error instanceof EngineError ? error : spoolError(error, directory, writer.errored === error);
  }
  return { path: file, compression, remove };
}

/** What went wrong while a body came in: a full disk once looked like a client that went away. */
function spoolError(error: unknown, directory: string, ofWriter: boolean): EngineError {
  const cause = { cause: error };
  if (!ofWriter)
    return new EngineError(
      EXCEPTION_CODES.networkError,
      'The body of the insert broke off. (NETWORK_ERROR)',
      cause,
    );
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  const reason = error instanceof Error ? error.message : String(error);
  return NO_SPACE_CODES.has(code)
    ? new EngineError(
        EXCEPTION_CODES.notEnoughSpace,
        `No space is left for inserts in ${directory}: ${reason}. (NOT_ENOUGH_SPACE)`,
        cause,
      )
    : new EngineError(
        EXCEPTION_CODES.stdException,
        `An insert cannot be written to ${directory}: ${reason}. (STD_EXCEPTION)`,
        cause,
      );
}

/** Passes the body on, as long as it is not too large and, of zstd, only when it ends with a frame. */
class BodyCheck extends Transform {
  private bytes = 0;
  private readonly frames: ZstdFrames | undefined;

  constructor(compression: string) {
    super();
    this.frames = compression === 'zstd' ? new ZstdFrames() : undefined;
  }

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    this.bytes += chunk.length;
    if (this.bytes > MAX_INSERT_BODY_BYTES) done(tooLarge(MAX_INSERT_BODY_BYTES));
    else if (this.frames?.push(chunk) === false) done(notZstd());
    else done(null, chunk);
  }

  override _flush(done: TransformCallback): void {
    done(this.frames?.isWhole === false ? notZstd() : null);
  }
}

function notZstd(): EngineError {
  return new EngineError(
    EXCEPTION_CODES.incorrectData,
    'The body is not a sequence of whole zstd frames. (INCORRECT_DATA)',
  );
}

function decompress(bytes: Buffer, compression: string): Buffer {
  const options = { maxOutputLength: MAX_QUERY_BYTES };
  if (bytes.length === 0) return bytes;
  try {
    switch (compression) {
      case 'none':
        return bytes;
      case 'gzip':
        return gunzipSync(bytes, options);
      case 'zstd':
        return zstdDecompressSync(bytes, options);
      case 'br':
        return brotliDecompressSync(bytes, options);
      case 'deflate':
        return inflateSync(bytes, options);
      default:
        throw new EngineError(
          EXCEPTION_CODES.notImplemented,
          `A query's text cannot be compressed with ${compression} here. (NOT_IMPLEMENTED)`,
        );
    }
  } catch (error) {
    if (error instanceof EngineError) throw error;
    if (error instanceof Error && 'code' in error && error.code === 'ERR_BUFFER_TOO_LARGE')
      throw tooLarge(MAX_QUERY_BYTES);
    throw new EngineError(EXCEPTION_CODES.incorrectData, `The body is not ${compression}. (INCORRECT_DATA)`, {
      cause: error,
    });
  }
}

function tooLarge(limitBytes: number): EngineError {
  return new EngineError(
    EXCEPTION_CODES.queryIsTooLarge,
    `The body is larger than ${limitBytes} bytes. (QUERY_IS_TOO_LARGE)`,
  );
}
