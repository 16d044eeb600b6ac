import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { DiskSpace } from './disk-space.ts';

const MEBIBYTE = 1024 * 1024;
let directory: string;

// Mounting a small file system needs root.
const rootTest = test.skipIf(process.getuid?.() !== 0);

beforeEach(() => {
  directory = mkdtempSync(path.join(tmpdir(), 'sluice-space-'));
  if (process.getuid?.() === 0) execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=4m', 'tmpfs', directory]);
});
afterEach(() => {
  if (process.getuid?.() === 0) execFileSync('umount', [directory]);
  rmSync(directory, { recursive: true });
});

rootTest('an empty journal goes on with what fits, however small the disk is', async () => {
  const file = path.join(directory, 'journal');
  writeFileSync(file, Buffer.alloc(2.3 * MEBIBYTE, 1));
  let heldBytes = 1.5 * MEBIBYTE;
  const changed: boolean[] = [];
  const space = new DiskSpace({
    what: 'the journal',
    file,
    heldBytes: () => heldBytes,
    onChanged: () => changed.push(space.isFull),
  });
  try {
    expect(() => space.reserve(0.8 * MEBIBYTE)).toThrow(expect.objectContaining({ code: 'disk_full' }));
    expect(changed).toEqual([true]);
    heldBytes = 0;
    await expect.poll(() => changed, { timeout: 30_000 }).toEqual([true, false]);
    space.reserve(0.8 * MEBIBYTE);
    space.written(0.8 * MEBIBYTE);
    // More than there is in all, and it says so.
    expect(() => space.reserve(2 * MEBIBYTE)).toThrow(expect.objectContaining({ code: 'disk_full' }));
  } finally {
    space.stop();
  }
});
