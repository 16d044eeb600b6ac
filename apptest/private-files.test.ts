/** What the real programs leave in their data directories is closed to other users, whatever the umask that they are started with. */
import { lstatSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { pickPort } from '@sluice/host/pick-port';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { corpusLines } from './support/corpus.ts';
import { clientOf, type RunningProgram, startProgram, startUp } from './support/programs.ts';

const PATIENCE = { timeout: 120_000, interval: 300 };
const LINES = 500;
const MODE_BITS = 0o777;

let directory: string;
let umask: number;
const running: RunningProgram[] = [];

beforeEach(() => {
  directory = mkdtempSync(path.join(tmpdir(), 'sluice-private-'));
  mkdirSync(path.join(directory, 'logs'));
  writeFileSync(path.join(directory, 'logs', 'a.log'), `${[...corpusLines(LINES, 1)].join('\n')}\n`);
  // The programs inherit it.
  umask = process.umask(0);
});
afterEach(async () => {
  process.umask(umask);
  for (const program of running.splice(0)) await program.end();
  rmSync(directory, { recursive: true });
});

/** What others may look at, or is open to more than its owner needs; and how much was looked at. */
function walk(from: string): { readonly open: readonly string[]; readonly seen: number } {
  const open: string[] = [];
  let seen = 0;
  const look = (file: string): void => {
    const found = lstatSync(file, { throwIfNoEntry: false });
    // The store works on meanwhile; the mode of a link says nothing.
    if (found === undefined || found.isSymbolicLink()) return;
    seen += 1;
    const mode = found.mode & MODE_BITS;
    const isPrivate = found.isFile()
      ? mode === 0o600
      : found.isDirectory()
        ? mode === 0o700
        : (mode & 0o077) === 0;
    if (!isPrivate) open.push(`${path.relative(directory, file)} ${mode.toString(8)}`);
    if (found.isDirectory()) for (const name of readdirSync(file)) look(path.join(file, name));
  };
  look(from);
  return { open, seen };
}

const watch = (): string[] => ['--from-start', '--watch', path.join(directory, 'logs', '*.log')];

test('of sluice up', { timeout: 240_000 }, async () => {
  const data = path.join(directory, 'data');
  const up = await startUp({ data, arguments: ['--servers', '2', ...watch()] });
  running.push(up);
  await expect.poll(() => up.count('*'), PATIENCE).toBe(LINES);
  const { open, seen } = walk(data);
  expect(open).toEqual([]);
  expect(seen).toBeGreaterThan(30);
  await up.end();
  expect(walk(data).open).toEqual([]);
});

test('of agent, server and store, each by itself', { timeout: 240_000 }, async () => {
  const [uplink, api, port] = [
    await pickPort('127.0.0.1', 0),
    await pickPort('127.0.0.1', 0),
    await pickPort('127.0.0.1', 0),
  ];
  const [agent, server, store] = ['agent', 'server', 'store'].map((name) => path.join(directory, name));
  if (agent === undefined || server === undefined || store === undefined) throw new Error('three names');
  running.unshift(await startProgram(['store', '--data', store, '--listen', `127.0.0.1:${port}`], 'ready'));
  const listen = ['--listen', `127.0.0.1:${uplink}`, '--api-listen', `127.0.0.1:${api}`];
  running.unshift(
    await startProgram(['server', '--id', 's1', '--data', server, ...listen, '--store-data', store], 'ready'),
  );
  const servers = ['--server', `http://127.0.0.1:${uplink}`];
  running.unshift(
    await startProgram(['agent', '--id', 'a1', '--data', agent, ...servers, ...watch()], 'ready'),
  );
  const { count } = clientOf(`http://127.0.0.1:${api}`);
  await expect.poll(() => count('*'), PATIENCE).toBe(LINES);
  for (const data of [agent, server, store]) {
    const { open, seen } = walk(data);
    expect(open).toEqual([]);
    expect(seen).toBeGreaterThan(5);
  }
});
