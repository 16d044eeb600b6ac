import { statfsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect, test } from 'vitest';
import { DiskWatch } from './disk-watch.ts';

test('sees the disk under a directory', async () => {
  const watch = new DiskWatch(tmpdir());
  expect(watch.latest).toBeUndefined();
  await watch.look();
  const { blocks, bsize } = statfsSync(tmpdir());
  expect(watch.latest?.sizeBytes).toBe(blocks * bsize);
  expect(watch.latest?.freeBytes).toBeGreaterThan(0);
});

test('knows nothing of a directory that is not there, and looks once at a time', async () => {
  const watch = new DiskWatch(path.join(tmpdir(), 'sluice-no-such-directory'));
  const look = watch.look();
  expect(watch.look()).toBe(look);
  await look;
  expect(watch.latest).toBeUndefined();
});
