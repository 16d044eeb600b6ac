/** The plain stream that `uplink.ts` compares with: one HTTP/2 stream, blocks pushed as fast as flow control lets them. */
import * as http2 from 'node:http2';
import { WRITE_AHEAD_BYTES } from '@sluice/agent/uplink/limits';

/** Sequence and length of a block, 32 bits each. */
export const PLAIN_HEAD_BYTES = 8;
const SEQUENCE_BYTES = 4;

export interface PlainSender {
  /** Sends the block when those before it are out. */
  send(sequence: number, payload: Uint8Array): void;
  stop(): void;
}

/**
 * Connects.
 * @param sending is told when a block's bytes are handed to the stream
 * @param answered is told when the receiver has acknowledged it
 */
export async function startPlainSender(
  port: number,
  sending: (sequence: number) => void,
  answered: (sequence: number) => void,
): Promise<PlainSender> {
  const session = http2.connect(`http://127.0.0.1:${port}`);
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  session.once('connect', () => resolve());
  session.once('error', reject);
  await promise;
  const stream = session.request({ ':method': 'POST', ':path': '/' });
  const waiting: { readonly sequence: number; readonly payload: Uint8Array }[] = [];
  let isWriting = false;
  const write = async (): Promise<void> => {
    if (isWriting) return;
    isWriting = true;
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      sending(next.sequence);
      const head = Buffer.alloc(PLAIN_HEAD_BYTES);
      head.writeUInt32BE(next.sequence);
      head.writeUInt32BE(next.payload.length, SEQUENCE_BYTES);
      stream.cork();
      stream.write(head);
      stream.write(next.payload);
      stream.uncork();
      if (stream.writableLength > WRITE_AHEAD_BYTES) {
        await new Promise((drained) => stream.once('drain', drained));
      }
    }
    isWriting = false;
  };
  let rest: Buffer = Buffer.alloc(0);
  stream.on('data', (chunk: Buffer) => {
    rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    for (; rest.length >= SEQUENCE_BYTES; rest = rest.subarray(SEQUENCE_BYTES)) answered(rest.readUInt32BE());
  });
  return {
    send: (sequence, payload) => {
      waiting.push({ sequence, payload });
      void write();
    },
    stop: () => session.destroy(),
  };
}
