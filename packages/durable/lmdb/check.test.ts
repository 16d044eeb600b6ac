/** What the walk says of files that are sound, whatever was done to them, and of lengths that the library would trust. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Random } from '@sluice/base/random';
import { open, type RootDatabase } from 'lmdb';
import { expect, it } from 'vitest';
import { lmdbDamage } from './check.ts';

/** More turns than a tree needs to grow branches over branches, and to shrink again. */
const ROUNDS = Number(process.env.SLUICE_CHECK_ROUNDS ?? 60);
const NODE_HEADER_BYTES = 8;
const NODE_KEY_SIZE_OFFSET = 6;
const PAGE_BYTES = 4096;
const PAGE_HEADER_BYTES = 24;
/** In a header page: where the root of the free pages' tree is, and the transaction (page-reader.ts). */
const META_FREE_ROOT_OFFSET = 88;
const META_TRANSACTION_OFFSET = 152;

function openFile(file: string): RootDatabase {
  return open({ path: file, noSubdir: true, maxDbs: 3, overlappingSync: false, eventTurnBatching: false });
}

async function withFile(action: (file: string) => Promise<void>): Promise<void> {
  const directory = mkdtempSync(path.join(tmpdir(), 'sluice-check-'));
  try {
    await action(path.join(directory, 'some.mdb'));
  } finally {
    rmSync(directory, { recursive: true });
  }
}

it('finds no damage in a file that only the library wrote', { timeout: 600_000 }, async () => {
  await withFile(async (file) => {
    const random = new Random(7);
    const below = (bound: number): number => Math.floor(random.next() * bound);
    const root = openFile(file);
    const databases = ['one', 'two'].map((name) =>
      root.openDB<Buffer, Buffer>({ name, keyEncoding: 'binary', encoding: 'binary' }),
    );
    for (let round = 0; round < ROUNDS; round += 1) {
      const isShrinking = round % 20 >= 14;
      await root.batch(() => {
        for (let change = 0; change < 150; change += 1) {
          const database = databases[below(2)];
          const key = Buffer.alloc(1 + below(round % 3 === 0 ? 500 : 40), below(256));
          key.writeUInt8(below(256), 0);
          const value = Buffer.alloc(below(10) === 0 ? below(40_000) : below(1500), round);
          void (random.next() < (isShrinking ? 0.9 : 0.3)
            ? database?.remove(key)
            : database?.put(key, value));
        }
      });
      if (isShrinking)
        await root.batch(() => {
          for (const database of databases)
            for (const key of database.getKeys({ limit: 60 })) void database.remove(Buffer.from(key));
        });
      await root.flushed;
      expect(lmdbDamage(file), `round ${round}`).toBeUndefined();
    }
    await root.close();
    expect(lmdbDamage(file)).toBeUndefined();
  });
});

// One more of an odd length is padding, which the value's owner has to notice.
it.each([2, 64])('finds an entry whose length says %i bytes more than its place', async (more) => {
  await withFile(async (file) => {
    const root = openFile(file);
    const database = root.openDB<Buffer, string>({ name: 'one', encoding: 'binary' });
    for (let index = 0; index < 10; index += 1) await database.put(`key-${index}`, Buffer.alloc(100, 0xab));
    await root.close();
    const bytes = readFileSync(file);
    const key = Buffer.from('key-5');
    // Every copy of the page, old ones too: whichever the header leads to.
    for (let at = bytes.indexOf(key); at >= 0; at = bytes.indexOf(key, at + 1)) {
      const node = at - NODE_HEADER_BYTES;
      bytes.writeUInt32LE(bytes.readUInt32LE(node) + more, node);
    }
    writeFileSync(file, bytes);
    expect(lmdbDamage(file)).toMatch(/is not as long as its place/);
  });
});

// The list of free pages is the only tree that the walk reads numbers of, and another page may stand in its place.
it('finds a list of free pages whose first key is no number', async () => {
  await withFile(async (file) => {
    const root = openFile(file);
    const database = root.openDB<Buffer, string>({ name: 'one', encoding: 'binary' });
    for (let index = 0; index < 10; index += 1) await database.put(`key-${index}`, Buffer.alloc(500));
    await root.close();
    const bytes = readFileSync(file);
    const [even = 0n, odd = 0n] = [0, PAGE_BYTES].map((at) =>
      bytes.readBigUInt64LE(at + META_TRANSACTION_OFFSET),
    );
    const meta = odd > even ? PAGE_BYTES : 0;
    const page = Number(bytes.readBigUInt64LE(meta + META_FREE_ROOT_OFFSET)) * PAGE_BYTES;
    const node = page + PAGE_HEADER_BYTES + bytes.readUInt16LE(page + PAGE_HEADER_BYTES);
    expect(bytes.readUInt16LE(node + NODE_KEY_SIZE_OFFSET)).toBe(8);
    bytes.writeUInt16LE(6, node + NODE_KEY_SIZE_OFFSET);
    bytes.writeUInt32LE(bytes.readUInt32LE(node) + 2, node);
    writeFileSync(file, bytes);
    expect(lmdbDamage(file)).toMatch(/free pages/);
  });
});
