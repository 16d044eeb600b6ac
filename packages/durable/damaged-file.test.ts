import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { keepDamagedFile, MAX_DAMAGED_FILES } from './damaged-file.ts';

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(path.join(tmpdir(), 'sluice-damaged-'));
  vi.useFakeTimers({ toFake: ['Date'] });
});
afterEach(() => {
  vi.useRealTimers();
  rmSync(directory, { recursive: true });
});

test('damaged files are kept beside each other, the latest of them for good', () => {
  const file = path.join(directory, 'some.lmdb');
  writeFileSync(path.join(directory, 'other.lmdb.damaged-2026'), 'of another file');
  for (const content of ['first', 'second', 'third']) {
    writeFileSync(file, content);
    expect(readFileSync(keepDamagedFile(file), 'utf8')).toBe(content);
    vi.advanceTimersByTime(1_000);
  }
  const kept = readdirSync(directory).sort();
  expect(kept.slice(1).map((name) => readFileSync(path.join(directory, name), 'utf8'))).toEqual([
    'second',
    'third',
  ]);
  expect(kept).toHaveLength(1 + MAX_DAMAGED_FILES);
});
