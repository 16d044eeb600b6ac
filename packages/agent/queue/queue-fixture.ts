/** What the tests of the queue share: blocks, files of older formats, the queue as a durable file. Not part of the agent. */
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { type DraftHeader, withDigest } from '@sluice/block/digest';
import { DurableEnvironment } from '@sluice/durable/lmdb/environment';
import { type DurableSubject, payloadOf } from '@sluice/durable/testing/durable-subject';
import { PRIVATE_DIRECTORY_MODE } from '@sluice/host/private-directory';
import type { AgentId, BlockHeader, TimeMs } from '@sluice/protocol/model';
import { open } from 'lmdb';
import { DurableQueue } from './queue.ts';
import { openQueueDatabases, QUEUE_DATABASES, type QueueDatabases } from './queue-databases.ts';
import { QUEUE_FILE_NAME, QUEUE_LEDGER_NAME } from './queue-file.ts';
import type { NewBlock } from './queued-block.ts';
import { QUEUE_FORMAT } from './stored.ts';

const AGENT_ID = 'web-1';
const OLDER_EPOCH = 5;
const AGREED = { urgency: 'normal', rawBytes: 1000, recordCount: 3 } as const;
const OBSERVED_MS = 1_700_000_000_000 as TimeMs;

/** The next block of the queue. */
export function queueBlock(queue: DurableQueue, payload: Uint8Array = Buffer.from('payload')): NewBlock {
  const draft: DraftHeader = { ...AGREED, id: queue.nextPosition(), oldestObservedMs: OBSERVED_MS };
  return { header: withDigest(draft, payload), payload };
}

/** The databases of a queue's file, which another may have open too: the same process sees the same. */
export function openQueueFileDirectly(file: string): QueueDatabases {
  return openQueueDatabases(
    new DurableEnvironment({
      file,
      what: 'the queue',
      program: 'test',
      maxDatabases: QUEUE_DATABASES.length,
    }),
  );
}

/** A block as format 1 and 2 hold it. */
export interface OlderBlock {
  readonly sequence: number;
  readonly payload: Buffer;
  readonly inDoubtAt?: string;
  readonly setAsideReason?: string;
}

/** The header of such a block, once it is brought to the present format. */
export function upgradedHeader({ sequence, payload }: OlderBlock): BlockHeader {
  const id = { agentId: AGENT_ID as AgentId, epoch: OLDER_EPOCH, sequence };
  return withDigest({ ...AGREED, id, oldestObservedMs: OBSERVED_MS }, payload);
}

/**
 * Writes a queue as programs of format 1 (one epoch for all, no digests) and 2 did: LMDB with values of JSON, a ballast, no
 * ledger.
 */
export async function writeOlderQueue(
  directory: string,
  format: 1 | 2,
  blocks: readonly OlderBlock[],
  positions: Readonly<Record<string, unknown>> = {},
): Promise<void> {
  mkdirSync(directory, { recursive: true, mode: PRIVATE_DIRECTORY_MODE });
  writeFileSync(path.join(directory, 'ballast'), Buffer.alloc(1024 * 1024, 0xa5));
  const root = open({
    ...{ path: path.join(directory, QUEUE_FILE_NAME), noSubdir: true, maxDbs: 16, encoding: 'json' },
    ...{ overlappingSync: false, eventTurnBatching: false },
  });
  const json = (name: string) => root.openDB<unknown, string | number>({ name, encoding: 'json' });
  const bytes = (name: string) => root.openDB<Buffer, number>({ name, encoding: 'binary' });
  const [meta, headers, inDoubt] = [json('meta'), json('headers'), json('in-doubt')];
  const [checkpoints, asideHeaders] = [json('checkpoints'), json('aside-headers')];
  const [payloads, asidePayloads] = [bytes('payloads'), bytes('aside-payloads')];
  const writes: Promise<boolean>[] = [];
  await root.batch(() => {
    const nextSequence = 1 + Math.max(0, ...blocks.map(({ sequence }) => sequence));
    for (const [key, value] of Object.entries({
      agentId: AGENT_ID,
      epoch: OLDER_EPOCH,
      nextSequence,
      format,
    }))
      writes.push(meta.put(key, value));
    for (const block of blocks) {
      const { sequence, payload, inDoubtAt, setAsideReason } = block;
      const { digest } = upgradedHeader(block).id;
      const header = {
        ...(format === 1 ? {} : { epoch: OLDER_EPOCH, digest }),
        ...{ ...AGREED, oldestObservedMs: OBSERVED_MS, payloadBytes: payload.length },
      };
      if (setAsideReason === undefined)
        writes.push(payloads.put(sequence, payload), headers.put(sequence, header));
      else
        writes.push(
          asidePayloads.put(sequence, payload),
          asideHeaders.put(sequence, { header, reason: setAsideReason, atMs: OBSERVED_MS }),
        );
      if (inDoubtAt !== undefined) writes.push(inDoubt.put(sequence, inDoubtAt));
    }
    for (const [key, value] of Object.entries(positions)) writes.push(checkpoints.put(key, value));
  });
  await Promise.all(writes);
  await root.close();
}

export const subject: DurableSubject = {
  ...{ what: 'the queue', fileName: QUEUE_FILE_NAME, ledgerName: QUEUE_LEDGER_NAME },
  ...{ formerLedgerName: 'queue.mark', format: QUEUE_FORMAT, moduleUrl: import.meta.url },
  open: async (directory) => {
    const queue = await DurableQueue.open({ directory });
    return {
      add: (_number, payload) => queue.commitCut([queueBlock(queue, payload)], []),
      blocks: () =>
        [...queue.blocks()].map(({ header }) => ({
          number: header.id.sequence,
          payload: queue.readPayload(header.id) ?? Buffer.of(),
        })),
      get damage() {
        return queue.damage;
      },
      get losses() {
        return queue.statistics.losses;
      },
      get lossTotals() {
        return queue.statistics.lossTotals;
      },
      acknowledgeLosses: () => queue.acknowledgeLosses(),
      close: () => queue.close(),
    };
  },
  writeOlder: (directory, format, count) =>
    writeOlderQueue(
      directory,
      format,
      Array.from({ length: count }, (_, index) => ({ sequence: index + 1, payload: payloadOf(index + 1) })),
    ),
};
