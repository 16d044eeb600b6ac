/** A log that was rotated is read to its end before the file that took its name, at moments that tell the two apart. */
import { appendFileSync, mkdtempSync, renameSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { SourceHost } from '../source.ts';
import { FileSource } from './file-source.ts';

const PATIENCE = { timeout: 20_000, interval: 10 };

let directory: string;
let file: string;
let source: FileSource | undefined;
let kept: Map<string, unknown>;
let seen: [text: string, observedMs: number][];

beforeEach(() => {
  directory = mkdtempSync(path.join(tmpdir(), 'sluice-reading-order-'));
  file = path.join(directory, 'a.log');
  kept = new Map();
  seen = [];
});
afterEach(async () => {
  vi.restoreAllMocks();
  await source?.stop();
  rmSync(directory, { recursive: true });
});

async function start(...patterns: string[]): Promise<void> {
  const host: SourceHost = {
    consumers: {
      forLines: () => ({
        line: (buffer, begin, end, observedMs) =>
          void seen.push([buffer.toString('utf8', begin, end), observedMs]),
      }),
      forFields: () => ({ record: () => undefined }),
    },
    checkpoints: [...kept].map(([key, value]) => ({ key, value })),
    mayHandOut: () => true,
    afterRecord: () => undefined,
    afterTurn: () => undefined,
    recordFailed: () => undefined,
  };
  source = new FileSource({ include: patterns, fromStart: true }, host);
  await source.start();
}

async function stop(): Promise<void> {
  for (const { key, value } of source?.takeCheckpoints() ?? []) kept.set(key, structuredClone(value));
  await source?.stop();
}

const reaches = (...wanted: string[]): Promise<void> =>
  expect.poll(() => seen.map(([text]) => text), PATIENCE).toEqual(wanted);

/** The lines of one time stand by when they were read; at equal moments the new file, which begins at 0, would come first. */
function expectMomentsApart(): void {
  const moments = seen.map(([, observedMs]) => observedMs);
  expect(moments.filter((moment, index) => moment <= (moments[index - 1] ?? 0))).toEqual([]);
}

test('while the agent runs', async () => {
  await start(file);
  writeFileSync(file, 'first\n');
  await reaches('first');
  appendFileSync(file, 'tail\n');
  renameSync(file, `${file}.1`);
  writeFileSync(file, 'fresh\n');
  await reaches('first', 'tail', 'fresh');
  expectMomentsApart();
});

describe('while the agent is down', () => {
  test.each([
    ['of which only the new one matches', 'a.log'],
    ['both of which match', 'a.log*'],
  ])('two files, %s', async (_which, pattern) => {
    await start(file);
    writeFileSync(file, 'first\n');
    await reaches('first');
    await stop();
    appendFileSync(file, 'tail\n');
    renameSync(file, `${file}.1`);
    writeFileSync(file, 'fresh\n');
    // As far apart as these are when a program writes them; within this test they need not be.
    utimesSync(`${file}.1`, 1_700_000_000, 1_700_000_000);
    await start(path.join(directory, pattern));
    await reaches('first', 'tail', 'fresh');
    expectMomentsApart();
  });
});

test('files that were there before the first start, in the order of their last lines', async () => {
  for (const [name, seconds] of [
    ['a.log', 30],
    ['a.log.1', 20],
    ['a.log.2', 10],
  ] as const) {
    writeFileSync(path.join(directory, name), `${name}\n`);
    utimesSync(path.join(directory, name), 1_700_000_000 + seconds, 1_700_000_000 + seconds);
  }
  await start(path.join(directory, 'a.log*'));
  await reaches('a.log.2', 'a.log.1', 'a.log');
});

test('also within one millisecond', async () => {
  vi.spyOn(Date, 'now').mockReturnValue(1_900_000_000_000);
  for (const name of ['a.log', 'b.log', 'c.log']) writeFileSync(path.join(directory, name), 'a line\n');
  await start(path.join(directory, '*.log'));
  await reaches('a line', 'a line', 'a line');
  expectMomentsApart();
});
