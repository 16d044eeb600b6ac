/** How much goes into one insert, with blocks as a journal gives them out after a restart. */
import { expect, test } from 'vitest';
import { Journal } from '../journal/journal.ts';
import { acceptedBlock, temporaryDirectory } from '../journal/journal-fixture.ts';
import { selectBatch } from './lane-policy.ts';

const MEBIBYTE = 1024 * 1024;

test('a batch is measured by the columns that blocks become, not by what they were sent as', async () => {
  using directory = temporaryDirectory();
  const before = await Journal.open({ directory: directory.path });
  for (let sequence = 1; sequence <= 8; sequence += 1) {
    const block = acceptedBlock({ sequence, rawBytes: MEBIBYTE });
    // The first four come in another encoding.
    await before.append(sequence <= 4 ? { ...block, columnBytes: 16 * MEBIBYTE } : block);
  }
  await before.close();
  const journal = await Journal.open({ directory: directory.path });
  const waiting = [...journal.waitingBlocks(2)];
  const sequencesOf = (blocks: typeof waiting): number[] => blocks.map(({ header }) => header.id.sequence);
  expect(sequencesOf(waiting)).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
  expect(sequencesOf(selectBatch(waiting, () => true))).toEqual([1, 2, 3]);
  expect(sequencesOf(selectBatch(waiting.slice(2), () => true))).toEqual([3, 4, 5, 6, 7, 8]);
  // Quotas count what was sent.
  expect(journal.maxRawBytes - journal.roomBytes).toBe(8 * MEBIBYTE);
  await journal.close();
});
