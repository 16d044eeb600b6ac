/**
 * A process that takes blocks and acknowledges them at once, for `uplink.ts`: the server's real intake with a journal that
 * keeps nothing, or a plain HTTP/2 stream with the same windows.
 *
 * Invariants: nothing is validated or written; answers every 'cpu' message with the CPU seconds that it has used; ends with
 * its parent.
 */
import * as http2 from 'node:http2';
import type { ServerId } from '@sluice/protocol/model';
import type { BlockJournal } from '@sluice/server/ingest/block-journal';
import { startIngest } from '@sluice/server/ingest/ingest';
import { CONNECTION_WINDOW_BYTES, MAX_FRAME_BYTES, STREAM_WINDOW_BYTES } from '@sluice/server/ingest/limits';
import { pino } from 'pino';
import { PLAIN_HEAD_BYTES } from './uplink-plain.ts';

const HOST = '127.0.0.1';
/** As a server has it by default: never what limits here. */
const JOURNAL_BYTES = 4 * 1024 ** 3;

/** What a receiver tells its parent. */
export interface ReceiverTold {
  readonly port?: number;
  readonly cpuSeconds?: number;
}

/** Takes everything, and has room again at once. */
class EmptyJournal implements BlockJournal {
  readonly maxRawBytes: number = JOURNAL_BYTES;
  readonly roomBytes: number = JOURNAL_BYTES;
  #listener: () => void = () => undefined;

  async append(): Promise<void> {
    setImmediate(() => this.#listener());
  }

  knows(): boolean {
    return false;
  }

  settleBelow(): void {
    // Remembers nothing.
  }

  onRoomChanged(listener: () => void): () => void {
    this.#listener = listener;
    return () => undefined;
  }
}

async function startGranting(name: string): Promise<number> {
  const ingest = await startIngest({
    ...{ host: HOST, port: 0, version: 'bench', journal: new EmptyJournal() },
    // A name as the configuration makes it.
    serverId: name as ServerId,
    validate: () => undefined,
    machine: { instance: name },
    logger: pino({ level: 'silent' }),
  });
  return ingest.port;
}

/** Each block is its sequence and length, and then so many bytes; the answer is its sequence. */
async function startPlain(): Promise<number> {
  const server = http2.createServer({
    settings: { initialWindowSize: STREAM_WINDOW_BYTES, maxFrameSize: MAX_FRAME_BYTES },
  });
  server.on('session', (session) => session.setLocalWindowSize(CONNECTION_WINDOW_BYTES));
  server.on('stream', (stream) => {
    stream.respond();
    let parts: Buffer[] = [];
    let bytes = 0;
    stream.on('data', (chunk: Buffer) => {
      parts.push(chunk);
      bytes += chunk.length;
      while (bytes >= PLAIN_HEAD_BYTES) {
        if ((parts[0]?.length ?? 0) < PLAIN_HEAD_BYTES) parts = [Buffer.concat(parts)];
        const length = PLAIN_HEAD_BYTES + (parts[0]?.readUInt32BE(4) ?? 0);
        if (bytes < length) return;
        // The block in one piece, as a server needs it.
        const whole = Buffer.concat(parts);
        const answer = Buffer.alloc(4);
        answer.writeUInt32BE(whole.readUInt32BE(0));
        stream.write(answer);
        bytes -= length;
        parts = bytes === 0 ? [] : [whole.subarray(length)];
      }
    });
    stream.on('error', () => stream.destroy());
  });
  const { promise, resolve } = Promise.withResolvers<void>();
  server.listen(0, HOST, resolve);
  await promise;
  const address = server.address();
  return typeof address === 'object' ? (address?.port ?? 0) : 0;
}

function tell(message: ReceiverTold): void {
  process.send?.(message);
}

const name = process.argv[2] ?? 'plain';
process.on('disconnect', () => process.exit());
process.on('message', () => {
  const { user, system } = process.cpuUsage();
  tell({ cpuSeconds: (user + system) / 1e6 });
});
tell({ port: name === 'plain' ? await startPlain() : await startGranting(name) });
