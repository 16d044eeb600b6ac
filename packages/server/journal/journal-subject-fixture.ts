/** Journals of older formats, and the journal as a durable file, for tests. Not part of the server. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { type DurableSubject, payloadOf } from '@sluice/durable/testing/durable-subject';
import { PRIVATE_DIRECTORY_MODE } from '@sluice/host/private-directory';
import { open, type RootDatabase } from 'lmdb';
import type { AcceptedBlock } from './accepted-block.ts';
import { Journal } from './journal.ts';
import { JOURNAL_FILE_NAME } from './journal-file.ts';
import { acceptedBlock } from './journal-fixture.ts';
import { agentKey, chunkKey, JOURNAL_FORMAT, LANES } from './journal-records.ts';
import { KnownBlocks } from './known-blocks.ts';

/** Sequences in one bitmap of format 1. */
const BLOCKS_PER_BITMAP = 4096;

/** A block as formats 1 and 2 hold it. */
export interface OlderBlock {
  readonly lane: number;
  readonly block: AcceptedBlock;
  readonly setAsideReason?: string;
}

/** What an older journal holds. */
export interface OlderJournal {
  readonly blocks: readonly OlderBlock[];
  /** A batch of the first blocks of lane 2. */
  readonly batchedCount?: number;
  /** Blocks that were taken and are in the store: only remembered. */
  readonly remembered?: readonly AcceptedBlock[];
}

/**
 * Writes a journal as programs of format 1 (no digests, bitmaps of what was taken) and 2 did: LMDB with values in MessagePack,
 * no ledger.
 */
export async function writeOlderJournal(
  directory: string,
  format: 1 | 2,
  { blocks, batchedCount = 0, remembered = [] }: OlderJournal,
): Promise<void> {
  mkdirSync(directory, { recursive: true, mode: PRIVATE_DIRECTORY_MODE });
  const root = open({
    ...{ path: join(directory, JOURNAL_FILE_NAME), noSubdir: true, maxDbs: 8 },
    ...{ overlappingSync: false, noMemInit: true, eventTurnBatching: false },
  });
  const meta = root.openDB<unknown, string>('meta', {});
  const [headers, batches, setAside] = ['headers', 'batches', 'set_aside'].map((name) =>
    root.openDB<object, [number, number]>(name, {}),
  );
  const payloads = root.openDB<Buffer, [number, number]>('payloads', { encoding: 'binary' });
  if (headers === undefined || batches === undefined || setAside === undefined)
    throw new Error('three names');
  const writes: Promise<boolean>[] = [];
  await root.batch(() => {
    writes.push(
      meta.put('format', format),
      meta.put('instance', 'an-older-journal'),
      meta.put('next_batch', 2),
    );
    for (const [index, { lane, block, setAsideReason }] of blocks.entries()) {
      const { header, payload, priority, receivedMs, inDoubtAt } = block;
      const { id, ...rest } = header;
      const { digest, ...position } = id;
      const record = {
        ...{ ...position, ...(format === 1 ? {} : { digest }), ...rest },
        ...{ priority, receivedMs, payloadBytes: payload.length, inDoubtAt, setAsideReason },
      };
      const key: [number, number] = [lane, index + 1];
      writes.push((setAsideReason === undefined ? headers : setAside).put(key, record));
      writes.push(payloads.put(key, Buffer.from(payload)));
    }
    if (batchedCount > 0) {
      const blockNumbers = Array.from({ length: batchedCount }, (_, index) => index + 1);
      writes.push(batches.put([2, 1], { token: 's1/2/1/an-older-journal', serverId: 's1', blockNumbers }));
    }
    writes.push(...remember(root, format, [...blocks.map(({ block }) => block), ...remembered]));
  });
  await Promise.all(writes);
  await root.close();
}

function remember(root: RootDatabase, format: 1 | 2, taken: readonly AcceptedBlock[]): Promise<boolean>[] {
  const agents = root.openDB<object, Buffer>('agents', { keyEncoding: 'binary' });
  const known = root.openDB<Buffer, Buffer>('known', { keyEncoding: 'binary', encoding: 'binary' });
  const writes: Promise<boolean>[] = [];
  const memory = new KnownBlocks();
  for (const { header, receivedMs } of taken) {
    const { agentId, epoch, sequence } = header.id;
    const { agent, chunk } = memory.add(header.id, receivedMs, 0);
    const entries = agent.chunks.get(chunk);
    if (format === 1) {
      const bitmap = Math.floor(sequence / BLOCKS_PER_BITMAP);
      writes.push(known.put(chunkKey(agentId, epoch, bitmap), Buffer.alloc(BLOCKS_PER_BITMAP / 8, 1)));
      writes.push(agents.put(agentKey(agentId, epoch), { settledBelow: 0, touchedMs: 1 }));
    } else if (entries !== undefined) {
      writes.push(known.put(chunkKey(agentId, epoch, chunk), Buffer.from(entries)));
      writes.push(agents.put(agentKey(agentId, epoch), { rememberedFrom: 0, touchedMs: 1 }));
    }
  }
  return writes;
}

export const subject: DurableSubject = {
  ...{ what: 'the journal', fileName: JOURNAL_FILE_NAME, ledgerName: 'journal.ledger' },
  ...{ formerLedgerName: 'journal.mark', format: JOURNAL_FORMAT, moduleUrl: import.meta.url },
  open: async (directory) => {
    const journal = await Journal.open({ directory });
    return {
      add: (sequence, payload) => journal.append(acceptedBlock({ sequence, payload })),
      blocks: () =>
        LANES.flatMap((lane) => [
          ...journal.openBatches(lane).flatMap(({ blocks }) => blocks),
          ...journal.waitingBlocks(lane),
        ]).map((block) => ({ number: block.header.id.sequence, payload: journal.readPayload(block) })),
      get damage() {
        return journal.damage;
      },
      get losses() {
        return journal.statistics.losses;
      },
      get lossTotals() {
        return journal.statistics.lossTotals;
      },
      acknowledgeLosses: () => journal.acknowledgeLosses(),
      close: () => journal.close(),
    };
  },
  writeOlder: (directory, format, count) =>
    writeOlderJournal(directory, format, {
      blocks: Array.from({ length: count }, (_, index) => ({
        lane: 2,
        block: acceptedBlock({ sequence: index + 1, payload: payloadOf(index + 1) }),
      })),
    }),
};
