/** The body of a batch in which agents of other languages have blocks. */
import { setImmediate } from 'node:timers/promises';
import { zstdDecompressSync } from 'node:zlib';
import { withDigest } from '@sluice/block/digest';
import type { AgentId, TimeMs } from '@sluice/protocol/model';
import { otlpBytes, otlpPayload } from '@sluice/wire/testing/otlp-payload';
import { expect, test } from 'vitest';
import type { JournalBatch, JournaledBlock } from '../journal/journal-records.ts';
import { batchBody } from './batch-body.ts';

const BLOCKS = 20;
const content = otlpBytes({
  resourceLogs: [{ scopeLogs: [{ logRecords: [{ observedTimeUnixNano: 1n }] }] }],
});
const payload = otlpPayload(content);

function block(sequence: number): JournaledBlock {
  const draft = {
    id: { agentId: 'stranger' as AgentId, epoch: 1, sequence },
    ...{ urgency: 'bulk' as const, rawBytes: content.length, recordCount: 1, oldestObservedMs: 1 as TimeMs },
  };
  const header = withDigest(draft, payload);
  return {
    ...{ lane: 3, number: sequence, header, priority: 1, receivedMs: 1 },
    ...{ payloadBytes: payload.length, columnBytes: 1000 },
  };
}

const batch: JournalBatch = {
  ...{ lane: 3, number: 1, token: 'token', serverId: 's1' },
  blocks: Array.from({ length: BLOCKS }, (_, index) => block(index + 1)),
};

test('others have a turn after each block, and the content is that of the batch alone', async () => {
  let isMade = false;
  let turns = 0;
  const body = batchBody(batch, () => payload, new AbortController().signal).finally(() => {
    isMade = true;
  });
  for (; !isMade; turns += 1) await setImmediate();
  expect(turns).toBeGreaterThanOrEqual(BLOCKS);
  const again = await batchBody(batch, () => payload, new AbortController().signal);
  expect(again.equals(await body)).toBe(true);
  expect(zstdDecompressSync(again).length).toBeGreaterThan(0);
});

test('no payload is read once the attempt was given up', async () => {
  const attempt = new AbortController();
  let reads = 0;
  const body = batchBody(
    batch,
    () => {
      reads += 1;
      if (reads === 2) attempt.abort(new Error('given up'));
      return payload;
    },
    attempt.signal,
  );
  await expect(body).rejects.toThrow('given up');
  expect(reads).toBe(2);
});
