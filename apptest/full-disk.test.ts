/**
 * Full disks and closed files with the real programs: a clear state while it lasts, nothing lost when it is over.
 * Mounting a small file system and being another user need root; without it these are skipped.
 */
import { execFileSync } from 'node:child_process';
import { chmodSync, chownSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { pickPort } from '@sluice/host/pick-port';
import { noiseBytes } from '@sluice/host/testing/seed';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { corpusLines, lineNumber } from './support/corpus.ts';
import { type RunningProgram, type RunningUp, sluice, startProgram, startUp } from './support/programs.ts';

const PATIENCE = { timeout: 120_000, interval: 300 };
/** With what compression cannot take away (INCOMPRESSIBLE_BYTES each), more than the disk of {@link DISK_MEBIBYTES}. */
const LINES = 60_000;
const INCOMPRESSIBLE_BYTES = 120;
/** Holds twice the largest block and the journal's reserve also when the file has grown: smaller ones never go on. */
const DISK_MEBIBYTES = 6;
/** Of each program's words after a failed test. */
const SHOWN_CHARACTERS = 4_000;
/** The user `nobody` of Linux. */
const NOBODY = 65_534;

/** A log file that does not get small. */
function writeLines(file: string, seed: number): void {
  const noiseOfAll = noiseBytes(seed, LINES * INCOMPRESSIBLE_BYTES);
  let text = '';
  let number = 0;
  for (const line of corpusLines(LINES, seed)) {
    const from = number * INCOMPRESSIBLE_BYTES;
    const noise = noiseOfAll.subarray(from, from + INCOMPRESSIBLE_BYTES).toString('base64');
    text += line.endsWith('}') ? `${line.slice(0, -1)},"noise":"${noise}"}\n` : `${line} ${noise}\n`;
    number += 1;
  }
  writeFileSync(file, text);
}

describe.skipIf(process.getuid?.() !== 0)('as root', () => {
  let directory: string;
  let logs: string;
  let disk: string;
  const running: (RunningProgram | RunningUp)[] = [];

  beforeEach(() => {
    directory = mkdtempSync(path.join(tmpdir(), 'sluice-full-'));
    chmodSync(directory, 0o755);
    logs = path.join(directory, 'logs');
    disk = path.join(directory, 'disk');
    mkdirSync(logs);
    mkdirSync(disk);
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${DISK_MEBIBYTES}m`, 'tmpfs', disk]);
  });
  afterEach(async ({ task }) => {
    // What the programs said is the first thing to look at.
    for (const { pid, stderr } of task.result?.state === 'fail' ? running : [])
      process.stdout.write(`${pid}: ${stderr().slice(-SHOWN_CHARACTERS)}\n`);
    for (const program of running.splice(0)) await program.end();
    execFileSync('umount', [disk]);
    rmSync(directory, { recursive: true });
  });

  async function startServer(data: string, uplink: number): Promise<string> {
    const [api, store] = [await pickPort('127.0.0.1', 0), await pickPort('127.0.0.1', 0)];
    const listen = ['--listen', `127.0.0.1:${uplink}`, '--api-listen', `127.0.0.1:${api}`];
    running.unshift(
      await startProgram(
        ['server', '--id', 's1', '--data', data, ...listen, '--store-listen', `127.0.0.1:${store}`],
        'ready',
      ),
    );
    return `http://127.0.0.1:${api}`;
  }

  async function expectEachLineOnce(url: string, lines: number): Promise<void> {
    const count = async (): Promise<string> =>
      (await sluice(['search', '*', '--all-time', '--count', '--server', url])).stdout.trim();
    await expect.poll(count, PATIENCE).toBe(String(lines));
    const found = await sluice([
      'search',
      '*',
      '--all-time',
      '--json',
      '--limit',
      String(lines + 1),
      '--server',
      url,
    ]);
    const numbers = found.stdout
      .trim()
      .split('\n')
      .map((line): { body: string } => JSON.parse(line))
      .map(({ body }) => lineNumber(body));
    expect(numbers.length).toBe(lines);
    expect(new Set(numbers).size).toBe(lines);
  }

  test("the disk under the agent's queue fills while the server is away", { timeout: 240_000 }, async () => {
    writeLines(path.join(logs, 'all.log'), 21);
    const uplink = await pickPort('127.0.0.1', 0);
    const agent = await startProgram(
      [
        'agent',
        '--data',
        path.join(disk, 'agent'),
        '--server',
        `http://127.0.0.1:${uplink}`,
        '--from-start',
        '--watch',
        path.join(logs, '*.log'),
      ],
      'ready',
    );
    running.push(agent);
    await expect.poll(() => agent.stderr(), PATIENCE).toMatch(/no space left|disk .* is full/i);
    const url = await startServer(path.join(directory, 'server'), uplink);
    await expectEachLineOnce(url, LINES);
  });

  test("the disk under the server's journal fills while the store is away", {
    timeout: 240_000,
  }, async () => {
    writeLines(path.join(logs, 'all.log'), 22);
    const [uplink, api] = [await pickPort('127.0.0.1', 0), await pickPort('127.0.0.1', 0)];
    const server = await startProgram(
      [
        'server',
        '--id',
        's1',
        '--data',
        path.join(disk, 'server'),
        '--listen',
        `127.0.0.1:${uplink}`,
        '--api-listen',
        `127.0.0.1:${api}`,
        '--store-data',
        path.join(directory, 'store'),
      ],
      'ready',
    );
    running.push(server);
    running.push(
      await startProgram(
        [
          'agent',
          '--data',
          path.join(directory, 'agent'),
          '--server',
          `http://127.0.0.1:${uplink}`,
          '--from-start',
          '--watch',
          path.join(logs, '*.log'),
        ],
        'ready',
      ),
    );
    await expect.poll(() => server.stderr(), PATIENCE).toMatch(/no space left|disk .* is full/i);
    running.push(await startProgram(['store', '--data', path.join(directory, 'store')], 'ready'));
    await expectEachLineOnce(`http://127.0.0.1:${api}`, LINES);
  });

  test('a file without permission is told as a problem, and read once it is given', {
    timeout: 120_000,
  }, async () => {
    const closed = path.join(logs, 'closed.log');
    writeFileSync(closed, 'kept behind a closed door\n');
    chmodSync(closed, 0o000);
    const data = path.join(directory, 'agent');
    mkdirSync(data);
    chownSync(data, NOBODY, NOBODY);
    const main = await startUp({
      data: path.join(directory, 'up'),
      arguments: ['--watch', path.join(directory, 'nothing', '*.log')],
    });
    running.push(main);
    const uplink = (await main.status()).agents[0]?.servers[0]?.address;
    if (uplink === undefined) throw new Error('the agent of `up` names no server');
    running.unshift(
      await startProgram(
        [
          'agent',
          '--id',
          'reader',
          '--data',
          data,
          '--server',
          uplink,
          '--from-start',
          '--watch',
          path.join(logs, '*.log'),
        ],
        'ready',
        {},
        { uid: NOBODY, gid: NOBODY },
      ),
    );
    const problems = async (): Promise<string> =>
      (await main.status()).agents.find(({ id }) => id === 'reader')?.problems.join('\n') ?? '';
    await expect.poll(problems, PATIENCE).toMatch(/closed\.log/);
    expect(await main.count('*')).toBe(0);
    chmodSync(closed, 0o644);
    await expect.poll(() => main.count('"closed door"'), PATIENCE).toBe(1);
    await expect.poll(problems, PATIENCE).toBe('');
  });
});
