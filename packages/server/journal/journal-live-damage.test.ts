/** What the journal makes of a file that is damaged while it is open: one clear state, no room, and nothing is done with it. */
import { closeSync, fstatSync, openSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { Journal } from './journal.ts';
import { JOURNAL_FILE_NAME } from './journal-file.ts';
import { acceptedBlock, temporaryDirectory } from './journal-fixture.ts';

const PAGE_BYTES = 4096;
const HEADER_PAGES = 2;
const BLOCKS = 30;

/** Zeros on all pages behind the header: what LMDB says of those without ending the process. */
function zeroPages(file: string): void {
  const descriptor = openSync(file, 'r+');
  const bytes = fstatSync(descriptor).size - HEADER_PAGES * PAGE_BYTES;
  writeSync(descriptor, Buffer.alloc(bytes), 0, bytes, HEADER_PAGES * PAGE_BYTES);
  closeSync(descriptor);
}

it('gives no room, says what to do, and counts what is lost at the next start', async () => {
  using directory = temporaryDirectory();
  const journal = await Journal.open({ directory: directory.path });
  for (let sequence = 1; sequence <= BLOCKS; sequence += 1)
    await journal.append(acceptedBlock({ sequence, payload: Buffer.alloc(3000, sequence) }));
  const rooms: number[] = [];
  journal.onRoomChanged((roomBytes) => rooms.push(roomBytes));
  zeroPages(join(directory.path, JOURNAL_FILE_NAME));
  await expect(journal.append(acceptedBlock({ sequence: BLOCKS + 1 }))).rejects.toMatchObject({
    code: 'state_corrupt',
    message: expect.stringMatching(/cannot be read: MDB_/),
    hint: expect.stringMatching(/^Restart the server: it saves/),
  });
  expect([journal.damage?.error.code, journal.roomBytes, rooms.at(-1)]).toEqual(['state_corrupt', 0, 0]);
  const [block] = journal.waitingBlocks(2);
  if (block === undefined) throw new Error('a block');
  expect(() => journal.readPayload(block)).toThrow(/cannot be read: MDB_/);
  await expect(journal.createBatch(2, 's1', [block])).rejects.toThrow(/cannot be read: MDB_/);
  await journal.close();
  const again = await Journal.open({ directory: directory.path });
  const waiting = [...again.waitingBlocks(2)].length;
  expect([again.damage, waiting + again.statistics.lossTotals.blocks]).toEqual([undefined, BLOCKS]);
  await again.close();
});
