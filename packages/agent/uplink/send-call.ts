/**
 * The Send call in Connect's streaming protocol, written by hand for one reason: a payload goes to the socket without
 * a copy. (The generated client copies each message three times, which cost more than all the rest of the uplink.)
 * Requests are envelopes around SendRequest; a block's envelope is a small head and then the payload itself, because
 * `payload` is the last field of Block and Block the only field of its SendRequest. Any Connect server reads it.
 *
 * Invariants: at most WRITE_AHEAD_BYTES and one message wait in the stream; the stream is closed when the iteration
 * ends, however it ends; errors of the peer arrive as ConnectError with the code that it named.
 */
import type { ClientHttp2Stream } from 'node:http2';
import { constants } from 'node:http2';
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { Code, ConnectError } from '@connectrpc/connect';
import { SluiceError } from '@sluice/base/error';
import type { BlockHeader, ServerId } from '@sluice/protocol/model';
import { writeBlock } from '@sluice/wire/convert/block';
import type { OpenChannel, SendResponse } from '@sluice/wire/gen/uplink_pb';
import {
  BlockSchema,
  SendRequestSchema,
  SendResponseSchema,
  UplinkService,
} from '@sluice/wire/gen/uplink_pb';
import type { Http2Link } from './http2-link.ts';
import { MAX_RECEIVED_MESSAGE_BYTES, MAX_SENT_MESSAGE_BYTES, WRITE_AHEAD_BYTES } from './limits.ts';

/** Flags byte and length of an envelope. */
const ENVELOPE_HEAD_BYTES = 5;
const FLAG_END_STREAM = 0b10;
/** Field numbers of uplink.proto with wire type 2 (length-delimited). */
const TAG_SEND_REQUEST_BLOCK = (SendRequestSchema.field.block.number << 3) | 2;
const TAG_BLOCK_PAYLOAD = (BlockSchema.field.payload.number << 3) | 2;
const EMPTY = new Uint8Array(0);
const PATH = `/${UplinkService.typeName}/${UplinkService.method.send.name}`;

/** Connect's names of the codes by which a server refuses a channel; any other is Unknown. */
const CODES: ReadonlyMap<string, Code> = new Map([
  ['invalid_argument', Code.InvalidArgument],
  ['failed_precondition', Code.FailedPrecondition],
  ['resource_exhausted', Code.ResourceExhausted],
  ['unauthenticated', Code.Unauthenticated],
  ['deadline_exceeded', Code.DeadlineExceeded],
  ['unavailable', Code.Unavailable],
  ['internal', Code.Internal],
]);

/** One message as the pieces to write. */
export type MessagePieces = readonly Uint8Array[];

/** The first message of the call. */
export function encodeOpenChannel(open: Omit<OpenChannel, '$typeName' | '$unknown'>): MessagePieces {
  const message = toBinary(
    SendRequestSchema,
    create(SendRequestSchema, { message: { case: 'openChannel', value: open } }),
  );
  const head = Buffer.allocUnsafe(ENVELOPE_HEAD_BYTES);
  head.writeUInt8(0, 0);
  head.writeUInt32BE(message.length, 1);
  return [head, message];
}

/**
 * A block's message; the payload is referred to.
 * @throws SluiceError('limit_exceeded') when it is larger than any server takes.
 */
export function encodeBlock(
  header: BlockHeader,
  payload: Uint8Array,
  inDoubtAt: ServerId | undefined,
): MessagePieces {
  const fields = toBinary(BlockSchema, writeBlock(header, EMPTY, inDoubtAt));
  const blockBytes = fields.length + 1 + varintBytes(payload.length) + payload.length;
  const messageBytes = 1 + varintBytes(blockBytes) + blockBytes;
  if (messageBytes > MAX_SENT_MESSAGE_BYTES) {
    throw new SluiceError(
      'limit_exceeded',
      `a block of ${payload.length} bytes is larger than a message may be`,
    );
  }
  const head = Buffer.allocUnsafe(ENVELOPE_HEAD_BYTES + messageBytes - payload.length);
  head.writeUInt8(0, 0);
  head.writeUInt32BE(messageBytes, 1);
  let at = head.writeUInt8(TAG_SEND_REQUEST_BLOCK, ENVELOPE_HEAD_BYTES);
  at = writeVarint(head, blockBytes, at);
  head.set(fields, at);
  at = head.writeUInt8(TAG_BLOCK_PAYLOAD, at + fields.length);
  writeVarint(head, payload.length, at);
  return [head, payload];
}

/**
 * Makes the call.
 * @param messages pulled one by one, as the stream takes them; their failure ends the call with that error.
 * @returns the server's answers; ends when the server ended the stream without an error.
 * @throws ConnectError as the server named it, SluiceError when the answer is no Connect stream or the link broke.
 */
export async function* callSend(
  link: Http2Link,
  token: string | undefined,
  messages: AsyncIterable<MessagePieces>,
  signal: AbortSignal,
): AsyncGenerator<SendResponse> {
  signal.throwIfAborted();
  const stream = await link.request('POST', PATH, {
    'content-type': 'application/connect+proto',
    'connect-protocol-version': '1',
    ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
  });
  const failure = new AbortController();
  const fail = (reason: unknown): void => {
    failure.abort(reason);
    stream.close(constants.NGHTTP2_CANCEL);
  };
  const onAbort = (): void => fail(signal.reason);
  signal.addEventListener('abort', onAbort, { once: true });
  if (signal.aborted) onAbort();
  // The reading below sees the stream's errors too; this keeps one after its end from being uncaught.
  stream.on('error', (error) => failure.abort(error));
  writeAll(stream, messages).catch(fail);
  try {
    yield* answers(stream);
    failure.signal.throwIfAborted();
  } catch (error) {
    throw failure.signal.aborted ? failure.signal.reason : error;
  } finally {
    signal.removeEventListener('abort', onAbort);
    if (!stream.closed) stream.close(constants.NGHTTP2_CANCEL);
  }
}

async function writeAll(stream: ClientHttp2Stream, messages: AsyncIterable<MessagePieces>): Promise<void> {
  for await (const pieces of messages) {
    if (stream.destroyed || stream.writableEnded) return;
    stream.cork();
    for (const piece of pieces) stream.write(piece);
    stream.uncork();
    if (stream.writableLength > WRITE_AHEAD_BYTES) await drained(stream);
  }
  if (!stream.destroyed) stream.end();
}

async function drained(stream: ClientHttp2Stream): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  stream.once('drain', resolve);
  stream.once('close', resolve);
  await promise;
  stream.off('drain', resolve);
  stream.off('close', resolve);
}

/** Splits the response into its messages. */
async function* answers(stream: ClientHttp2Stream): AsyncGenerator<SendResponse> {
  let status: number | undefined;
  stream.once('response', (headers) => {
    status = headers[':status'];
  });
  let rest: Buffer = Buffer.alloc(0);
  for await (const chunk of stream) {
    if (status !== 200)
      throw new SluiceError('protocol_violation', `the server answered with HTTP status ${status}`);
    if (!Buffer.isBuffer(chunk)) throw new SluiceError('internal', 'the stream is decoded as text');
    rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    while (rest.length >= ENVELOPE_HEAD_BYTES) {
      const length = rest.readUInt32BE(1);
      if (length > MAX_RECEIVED_MESSAGE_BYTES) {
        throw new SluiceError('limit_exceeded', `an answer of ${length} bytes is larger than any may be`);
      }
      const end = ENVELOPE_HEAD_BYTES + length;
      if (rest.length < end) break;
      const flags = rest.readUInt8(0);
      const message = rest.subarray(ENVELOPE_HEAD_BYTES, end);
      rest = rest.subarray(end);
      if (flags === FLAG_END_STREAM) {
        const error = endError(message);
        if (error !== undefined) throw error;
        return;
      }
      if (flags !== 0) throw new SluiceError('protocol_violation', `an answer has unknown flags ${flags}`);
      yield readAnswer(message);
    }
  }
  throw new SluiceError('not_reachable', 'the stream broke before the server ended it');
}

function readAnswer(message: Buffer): SendResponse {
  try {
    return fromBinary(SendResponseSchema, message);
  } catch (error) {
    throw new SluiceError('protocol_violation', 'an answer cannot be read', { cause: error });
  }
}

/** The error in the last message of a Connect stream: JSON with an optional `error` of `code` and `message`. */
function endError(message: Buffer): ConnectError | undefined {
  let end: unknown;
  try {
    end = JSON.parse(message.toString());
  } catch (error) {
    throw new SluiceError('protocol_violation', 'the end of a stream is no JSON', { cause: error });
  }
  if (typeof end !== 'object' || end === null || !('error' in end)) return undefined;
  const { error } = end;
  if (typeof error !== 'object' || error === null) return new ConnectError('the server named no error');
  const text =
    'message' in error && typeof error.message === 'string' ? error.message : 'the server said no more';
  const code = 'code' in error && typeof error.code === 'string' ? CODES.get(error.code) : undefined;
  return new ConnectError(text, code ?? Code.Unknown);
}

function varintBytes(value: number): number {
  let bytes = 1;
  for (let left = value; left > 0x7f; left = Math.floor(left / 0x80)) bytes += 1;
  return bytes;
}

function writeVarint(target: Buffer, value: number, start: number): number {
  let at = start;
  let left = value;
  while (left > 0x7f) {
    at = target.writeUInt8((left & 0x7f) | 0x80, at);
    left = Math.floor(left / 0x80);
  }
  return target.writeUInt8(left, at);
}
