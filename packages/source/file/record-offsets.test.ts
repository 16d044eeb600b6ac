/** Where a line is said to begin, it begins: whatever happens to its file, and wherever reading goes on. */
import { appendFileSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { SourceHost } from '../source.ts';
import { FileSource } from './file-source.ts';
import { MAX_LINE_BYTES } from './line-splitter.ts';

const PATIENCE = { timeout: 20_000, interval: 10 };

let directory: string;
let file: string;
let source: FileSource | undefined;
let kept: Map<string, unknown>;
let seen: [text: string, offsetBytes: number][];

beforeEach(() => {
  directory = mkdtempSync(path.join(tmpdir(), 'sluice-offsets-'));
  file = path.join(directory, 'a.log');
  kept = new Map();
  seen = [];
});
afterEach(async () => {
  await source?.stop();
  rmSync(directory, { recursive: true });
});

async function start(): Promise<void> {
  const host: SourceHost = {
    consumers: {
      forLines: () => ({
        line: (buffer, begin, end, _observedMs, offsetBytes) =>
          void seen.push([buffer.toString('utf8', begin, Math.min(end, begin + 20)), offsetBytes]),
      }),
      forFields: () => ({ record: () => undefined }),
    },
    checkpoints: [...kept].map(([key, value]) => ({ key, value })),
    mayHandOut: () => true,
    afterRecord: () => undefined,
    afterTurn: () => undefined,
    recordFailed: () => undefined,
  };
  const options = {
    include: [file],
    fromStart: true,
    lookIntervalMs: 50,
    pollIntervalMs: 20,
    flushAfterMs: 100,
  };
  source = new FileSource(options, host);
  await source.start();
}

async function restart(): Promise<void> {
  for (const { key, value } of source?.takeCheckpoints() ?? []) kept.set(key, structuredClone(value));
  await source?.stop();
  seen = [];
  await start();
}

const reaches = (wanted: typeof seen): Promise<void> => expect.poll(() => seen, PATIENCE).toEqual(wanted);

test('with CRLF, empty lines and characters of several bytes', async () => {
  writeFileSync(file, 'öne\r\n\r\n漢two\nthree\n');
  await start();
  await reaches([
    ['öne', 0],
    ['', 6],
    ['漢two', 8],
    ['three', 15],
  ]);
});

test('after a restart in the middle of the file', async () => {
  writeFileSync(file, 'one\ntwo\n');
  await start();
  await reaches([
    ['one', 0],
    ['two', 4],
  ]);
  await restart();
  appendFileSync(file, 'three\n');
  await reaches([['three', 8]]);
});

test('after the file was cut and written again', async () => {
  writeFileSync(file, 'one\ntwo\n');
  await start();
  await expect.poll(() => seen.length, PATIENCE).toBe(2);
  truncateSync(file, 0);
  seen = [];
  appendFileSync(file, 'new\nnewer\n');
  await reaches([
    ['new', 0],
    ['newer', 4],
  ]);
});

test('of the parts of a long line, and after a restart between two of them', async () => {
  const long = 'x'.repeat(MAX_LINE_BYTES);
  writeFileSync(file, `${long}`);
  await start();
  // Without its end it is handed out after a while.
  await reaches([[long.slice(0, 20), 0]]);
  await restart();
  appendFileSync(file, 'rest\nnext\n');
  await reaches([
    ['rest', MAX_LINE_BYTES],
    ['next', MAX_LINE_BYTES + 5],
  ]);
});
