import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { readDurableFile, writeDurableFile } from './durable-file.ts';

const PAGE_BYTES = 4096;
let directory: string;

// Mounting a small file system needs root.
const isRoot = process.getuid?.() === 0;

beforeEach(() => {
  directory = mkdtempSync(path.join(tmpdir(), 'sluice-file-'));
  if (isRoot) execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${8 * PAGE_BYTES}`, 'tmpfs', directory]);
});
afterEach(() => {
  if (isRoot) execFileSync('umount', [directory]);
  rmSync(directory, { recursive: true });
});

test.skipIf(!isRoot)('a disk on which only a part fits is full, and the file stays what it was', () => {
  const file = path.join(directory, 'ledger');
  writeDurableFile(file, 'before');
  // One page is left for the next content, which takes two.
  writeFileSync(path.join(directory, 'other'), Buffer.alloc(6 * PAGE_BYTES, 1));
  expect(() => writeDurableFile(file, 'x'.repeat(2 * PAGE_BYTES))).toThrow(
    expect.objectContaining({ code: 'ENOSPC' }),
  );
  expect(readFileSync(file, 'utf8')).toBe('before');
});

test('a link in the place of the file to come is not followed', () => {
  const victim = path.join(directory, 'victim');
  writeFileSync(victim, 'x');
  symlinkSync(victim, path.join(directory, 'ledger.new'));
  expect(() => writeDurableFile(path.join(directory, 'ledger'), 'ours')).toThrow(
    expect.objectContaining({ code: 'ELOOP' }),
  );
  expect(readFileSync(victim, 'utf8')).toBe('x');
});

test('a file that is not there has no content', () => {
  expect(readDurableFile(path.join(directory, 'none'))).toBeUndefined();
});
