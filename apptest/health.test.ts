/**
 * What a person is told at 3 a.m., by the real programs: what is wrong, since when, and that it is over. Nothing of it may
 * stand in a log alone.
 */
import { execFileSync } from 'node:child_process';
import { appendFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { pickPort } from '@sluice/host/pick-port';
import { drawSeed, noiseBytes } from '@sluice/host/testing/seed';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { corpusLines } from './support/corpus.ts';
import {
  clientOf,
  type Health,
  type RunningProgram,
  type RunningUp,
  sluice,
  startProgram,
  startUp,
} from './support/programs.ts';

const PATIENCE = { timeout: 120_000, interval: 500 };
const LINES = 4_000;
/** Of each program's words after a failed test. */
const SHOWN_CHARACTERS = 4_000;

let directory: string;
let logs: string;
const running: (RunningProgram | RunningUp)[] = [];

beforeEach(() => {
  directory = mkdtempSync(path.join(tmpdir(), 'sluice-health-'));
  logs = path.join(directory, 'logs');
  mkdirSync(logs);
});
afterEach(async ({ task }) => {
  for (const { pid, stderr } of task.result?.state === 'fail' ? running : [])
    process.stdout.write(`${pid}: ${stderr().slice(-SHOWN_CHARACTERS)}\n`);
  for (const program of running.splice(0)) await program.end();
  rmSync(directory, { recursive: true });
});

/** Lines that do not get small, so that disks fill. */
function writeNoise(file: string, mebibytes: number): void {
  const noise = noiseBytes(drawSeed(), mebibytes * 1024 * 1024);
  const lines = Array.from({ length: mebibytes * 1024 }, (_, line) =>
    noise.subarray(1024 * line, 1024 * (line + 1)).toString('base64'),
  );
  writeFileSync(file, `${lines.join('\n')}\n`);
}

const codesOf = (health: Health): string[] => health.problems.map(({ code }) => code);

test('a store that takes nothing: since when, how late, and that it is over', {
  timeout: 240_000,
}, async () => {
  const file = path.join(logs, 'a.log');
  writeFileSync(file, `${[...corpusLines(LINES, 1)].join('\n')}\n`);
  const up = await startUp({
    data: path.join(directory, 'data'),
    arguments: ['--servers', '1', '--from-start', '--watch', path.join(logs, '*.log')],
  });
  running.push(up);
  const check = async (): Promise<{ code: number | null; first: string }> => {
    const { code, stdout } = await sluice(['status', '--check', '--server', up.url]);
    return { code, first: stdout.split('\n')[0] ?? '' };
  };
  const codes = async (): Promise<string[]> => codesOf((await up.status()).health);
  await expect.poll(() => up.count('*'), PATIENCE).toBe(LINES);
  await expect.poll(check, PATIENCE).toEqual({ code: 0, first: 'ok: every record can be found' });

  const stoppedMs = Date.now();
  const store = up.pidOf('store');
  if (store === undefined) throw new Error('no store runs');
  process.kill(store, 'SIGSTOP');
  appendFileSync(file, `${[...corpusLines(LINES, 2)].join('\n')}\n`);
  await expect.poll(codes, PATIENCE).toEqual(expect.arrayContaining(['store_away', 'loading_stalled']));

  const { health, agents } = await up.status();
  const stalled = health.problems.find(({ code }) => code === 'loading_stalled');
  expect(stalled?.severity).toBe('error');
  expect(stalled?.summary).toMatch(/^Loading stands still: \d+ records \(.*\) wait in the journal/);
  expect(Date.parse(stalled?.since ?? '')).toBeGreaterThanOrEqual(stoppedMs);
  expect(Date.parse(stalled?.since ?? '')).toBeLessThanOrEqual(Date.now());
  // The oldest record came after the store stopped, and has waited at least as long as loading is said to stand still.
  expect(health.oldestUnsearchableMs).toBeGreaterThan(0);
  expect(agents[0]?.lagMs).toBeGreaterThan(0);
  expect(agents[0]?.backlog).toEqual({});
  expect((await check()).first).toMatch(/^\d problems: The store is not available: /);
  expect((await check()).code).toBe(1);
  const metrics = await (await fetch(`${up.url}/metrics`)).text();
  expect(metrics).toMatch(/sluice_health_problems\{code="loading_stalled",severity="error",server="s1"\} 1/);
  expect(metrics).toMatch(/sluice_loading_stalled_seconds\{urgency="\w+",server="s1"\} [1-9]/);
  // It has one beginning, however often it is asked for.
  const again = (await up.status()).health.problems.find(({ code }) => code === 'loading_stalled');
  expect(again?.since).toBe(stalled?.since);

  process.kill(store, 'SIGCONT');
  await expect.poll(check, PATIENCE).toEqual({ code: 0, first: 'ok: every record can be found' });
  expect(await up.count('*')).toBe(2 * LINES);
  expect((await up.status()).agents[0]?.lagMs).toBe(0);
});

test('an agent that is gone and a server that cannot be reached', { timeout: 240_000 }, async () => {
  const missing = await pickPort('127.0.0.1', 0);
  const up = await startUp({
    data: path.join(directory, 'data'),
    arguments: ['--servers', '1', '--watch', path.join(logs, '*.log')],
  });
  running.push(up);
  const uplink = (await up.status()).agents[0]?.servers[0]?.address;
  if (uplink === undefined) throw new Error('the agent of `up` names no server');
  const servers = ['--server', uplink, '--server', `http://127.0.0.1:${missing}`];
  const data = path.join(directory, 'other');
  const watch = ['--watch', path.join(directory, 'nothing', '*.log')];
  const other = await startProgram(['agent', '--id', 'other', '--data', data, ...servers, ...watch], 'ready');
  running.unshift(other);
  const summaries = async (): Promise<string[]> =>
    (await up.status()).health.problems.map(({ code, summary }) => `${code}: ${summary}`);
  await expect
    .poll(summaries, PATIENCE)
    .toEqual([
      expect.stringMatching(/^server_unreachable: .* cannot be reached by 1 of 2 agents \(other\): /),
    ]);
  process.kill(other.pid, 'SIGKILL');
  await expect
    .poll(summaries, PATIENCE)
    .toEqual([expect.stringMatching(/^agent_gone: Agent other is gone\. /)]);
});

describe.skipIf(process.getuid?.() !== 0)('as root, on a small disk', () => {
  let disk: string;
  /** What somebody else has on the disk. */
  let ballast: string;

  /** Mounts the disk at a new directory, with little free. */
  function mountDisk(at: string, mebibytes: number, ballastMebibytes: number): void {
    disk = at;
    ballast = path.join(disk, 'of-somebody-else');
    mkdirSync(disk, { recursive: true, mode: 0o700 });
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${mebibytes}m,mode=700`, 'tmpfs', disk]);
    writeFileSync(ballast, Buffer.alloc(ballastMebibytes * 1024 * 1024));
  }

  beforeEach(() => {
    // More than is free, less than the disk holds without the ballast.
    writeNoise(path.join(logs, 'noise.log'), 12);
  });
  afterEach(async () => {
    for (const program of running.splice(0)) await program.end();
    execFileSync('umount', [disk]);
  });

  /** A server without a store, so that everything stays in its journal. */
  async function startServer(data: string): Promise<{ url: string; uplink: string }> {
    const [uplink, api, store] = await Promise.all([0, 0, 0].map((port) => pickPort('127.0.0.1', port)));
    const listen = ['--listen', `127.0.0.1:${uplink}`, '--api-listen', `127.0.0.1:${api}`];
    const flags = ['server', '--id', 's1', '--data', data, ...listen];
    const program = await startProgram([...flags, '--store-url', `http://127.0.0.1:${store}`], 'ready');
    running.push(program);
    return { url: `http://127.0.0.1:${api}`, uplink: `http://127.0.0.1:${uplink}` };
  }

  async function startAgent(data: string, uplink: string): Promise<void> {
    const watch = ['--from-start', '--watch', path.join(logs, '*.log')];
    running.push(
      await startProgram(['agent', '--id', 'a', '--data', data, '--server', uplink, ...watch], 'ready'),
    );
  }

  test('the disk of the store is full, until it is not', { timeout: 240_000 }, async () => {
    const data = path.join(directory, 'data');
    mkdirSync(data, { mode: 0o700 });
    // The noise takes 12 MiB of the store however it is split, because nothing makes it smaller.
    mountDisk(path.join(data, 'store'), 64, 56);
    const watch = ['--from-start', '--watch', path.join(logs, '*.log')];
    const up = await startUp({ data, arguments: ['--servers', '1', ...watch] });
    running.push(up);
    const codes = async (): Promise<string[]> => codesOf((await up.status()).health);
    await expect
      .poll(codes, PATIENCE)
      .toEqual(expect.arrayContaining(['store_disk_full', 'loading_stalled']));
    rmSync(ballast);
    await expect.poll(codes, PATIENCE).toEqual([]);
    expect(await up.count('*')).toBe(12 * 1024);
  });

  test('the disk under the journal is full, until it is not', { timeout: 240_000 }, async () => {
    mountDisk(path.join(directory, 'disk'), 24, 16);
    const { url, uplink } = await startServer(path.join(disk, 'server'));
    await startAgent(path.join(directory, 'agent'), uplink);
    const health = async (): Promise<Health> => (await clientOf(url).status()).health;
    await expect
      .poll(async () => codesOf(await health()), PATIENCE)
      .toEqual(expect.arrayContaining(['store_away', 'journal_disk_full', 'loading_stalled']));
    const full = (await health()).problems.find(({ code }) => code === 'journal_disk_full');
    expect(full?.summary).toMatch(/ of 24\.0 MiB free\): no agent may send\.$/);
    expect(full?.action).toContain(path.join(disk, 'server', 'journal'));
    expect((await clientOf(url).status()).servers[0]?.journal?.diskSizeBytes).toBe(24 * 1024 * 1024);
    rmSync(ballast);
    await expect.poll(async () => codesOf(await health()), PATIENCE).not.toContain('journal_disk_full');
    expect(codesOf(await health())).toContain('store_away');
  });

  test("the disk under an agent's queue is full, until it is not", { timeout: 240_000 }, async () => {
    mountDisk(path.join(directory, 'disk'), 24, 16);
    const { url, uplink } = await startServer(path.join(disk, 'server'));
    await startAgent(path.join(disk, 'agent'), uplink);
    const codes = async (): Promise<string[]> => codesOf((await clientOf(url).status()).health);
    await expect.poll(codes, PATIENCE).toContain('agent_queue_disk_full');
    const { problems } = (await clientOf(url).status()).health;
    const full = problems.find(({ code }) => code === 'agent_queue_disk_full');
    expect(full).toMatchObject({ severity: 'error', subject: { kind: 'agent', name: 'a' } });
    rmSync(ballast);
    await expect.poll(codes, PATIENCE).not.toContain('agent_queue_disk_full');
  });
});
