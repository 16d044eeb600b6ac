/**
 * Acceptance on public logs of eight systems, where they are found beside the project (they are no part of it).
 */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type RunningUp, startUp } from './support/programs.ts';

const LOGS = path.resolve(import.meta.dirname, '..', '..', 'shared', 'data', 'loghub');
const LINES_PER_SYSTEM = 2000;
/** Records that share a time stand as in their file, the last line first, and each is where it says. */
async function expectFileOrder(up: RunningUp, file: string): Promise<void> {
  const found = await up.search(`log.file.path:"${file}"`, '--all-time', '--limit', '10000');
  expect(found).toHaveLength(LINES_PER_SYSTEM);
  const bytes = readFileSync(file);
  for (const [index, { timestamp, offsetBytes, body }] of found.entries()) {
    const text = String(body);
    const start = Number(offsetBytes);
    expect(bytes.toString('utf8', start, start + Buffer.byteLength(text))).toBe(text);
    const next = found[index + 1];
    if (next?.timestamp === timestamp) expect(Number(next?.offsetBytes)).toBeLessThan(start);
  }
}

const PATIENCE = { timeout: 60_000, interval: 200 };
/** Of the whole: eight times 2,000 records are searched and looked up in their files. */
const TEST_TIMEOUT_MS = 240_000;

describe.skipIf(!existsSync(LOGS))('2,000 lines each of eight systems', () => {
  let directory: string;
  let up: RunningUp | undefined;

  beforeEach(() => {
    directory = mkdtempSync(path.join(tmpdir(), 'sluice-real-'));
  });
  afterEach(async () => {
    await up?.end();
    up = undefined;
    rmSync(directory, { recursive: true });
  });

  test(
    'are found, each line once, in few partitions',
    async () => {
      const systems = readdirSync(LOGS).filter((name) => name.endsWith('_2k.log'));
      expect(systems.length).toBe(8);
      up = await startUp({
        data: directory,
        arguments: ['--servers', '2', '--from-start', '--watch', path.join(LOGS, '*_2k.log')],
      });
      await expect.poll(() => up?.count('*').catch(String), PATIENCE).toBe(systems.length * LINES_PER_SYSTEM);
      for (const system of systems) {
        expect(await up.count(`log.file.path:"${path.join(LOGS, system)}"`)).toBe(LINES_PER_SYSTEM);
      }
      const oldest = await up.search('*', '--until', '2005-07-01T00:00:00Z', '--limit', '10');
      const newest = await up.search('"mod_jk child workerEnv in error state"', '--all-time', '--limit', '1');
      expect(oldest.every(({ timestamp }) => String(timestamp) < '2005-07-01')).toBe(true);
      expect(String(newest[0]?.timestamp)).toMatch(/^2005-12-05T/);
      for (const system of systems) await expectFileOrder(up, path.join(LOGS, system));
      // Partitions go by the day of observation: today, and tomorrow when midnight passes meanwhile.
      expect(readdirSync(path.join(directory, 'store'), { recursive: true }).length).toBeGreaterThan(0);
    },
    TEST_TIMEOUT_MS,
  );
});
