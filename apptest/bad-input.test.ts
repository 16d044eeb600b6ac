/** Bad input of all kinds: a clear error or a clear state, nothing lost, nothing hanging. */

import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { pickPort } from '@sluice/host/pick-port';
import { drawSeed, noiseBytes } from '@sluice/host/testing/seed';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  descendants,
  type RunningProgram,
  type RunningUp,
  sluice,
  startProgram,
  startUp,
} from './support/programs.ts';

const PATIENCE = { timeout: 60_000, interval: 200 };

let directory: string;
let logs: string;
const running: (RunningProgram | RunningUp)[] = [];

beforeEach(() => {
  directory = mkdtempSync(path.join(tmpdir(), 'sluice-bad-'));
  logs = path.join(directory, 'logs');
  mkdirSync(logs);
});
afterEach(async () => {
  for (const program of running.splice(0)) await program.end();
  rmSync(directory, { recursive: true });
});

async function up(...flags: string[]): Promise<RunningUp> {
  const started = await startUp({
    data: path.join(directory, 'data'),
    arguments: ['--from-start', '--watch', path.join(logs, '*.log'), ...flags],
  });
  running.push(started);
  return started;
}

describe('wrong usage ends with exit code 2 and says what to do', () => {
  test.each([
    [['up', '--no-such-option'], /unknown option '--no-such-option'/],
    [['nonsense'], /unknown command 'nonsense'/],
    [['search'], /missing required argument 'query'/],
    [['search', '*', '--since', 'yesterday'], /'yesterday' is not a time/],
    [['search', '*', '--limit', '0'], /--limit: '0' is not/],
    [['up', '--servers', 'many'], /--servers: 'many' is not a whole number from 1 to 16/],
    [['server', '--quota-bytes', '1KiB'], /--quota-bytes: is less than a full block/],
    [['agent', '--server', 'nonsense'], /--server: is not an http/],
  ])('%j', async (argumentsOfCommand, message) => {
    const result = await sluice(argumentsOfCommand);
    expect(result.stderr).toMatch(message);
    expect(result.code).toBe(2);
    expect(result.stdout).toBe('');
  });
});

describe('what cannot work ends with exit code 1 and says why', () => {
  test('an unreadable and a wrong configuration file', async () => {
    const missing = await sluice(['server', '--config', path.join(directory, 'none.yaml')]);
    expect(missing.stderr).toMatch(/cannot read configuration file .*none\.yaml \(ENOENT\)/);
    expect(missing.code).toBe(1);
    const file = path.join(directory, 'agent.yaml');
    writeFileSync(file, 'watch: [/var/log/*.log]\nsevrer: http://127.0.0.1:1\n');
    for (const command of [
      ['agent', '--config', file],
      ['config', 'check', file],
    ]) {
      const wrong = await sluice(command);
      expect(wrong.stderr).toMatch(/agent\.yaml:2: unknown setting 'sevrer'/);
      expect(wrong.code).toBe(1);
    }
    writeFileSync(file, 'watch: [/var/log/*.log]\nserver: http://127.0.0.1:1\n');
    expect(await sluice(['config', 'check', file])).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/right/),
    });
  });

  test('a console port in use, and no server to search', async () => {
    const occupier = createServer();
    occupier.listen(0, '127.0.0.1');
    await once(occupier, 'listening');
    const address = occupier.address();
    if (address === null || typeof address === 'string') throw new Error('no port');
    const result = await sluice([
      'up',
      '--data',
      path.join(directory, 'data'),
      '--port',
      String(address.port),
    ]);
    expect(result.stderr).toMatch(new RegExp(`port ${address.port} .*in use(.|\\n)*--port`));
    expect(result.code).toBe(1);
    occupier.close();
    await once(occupier, 'close');
    const search = await sluice(['search', '*', '--server', `http://127.0.0.1:${address.port}`]);
    expect(search.stderr).toMatch(/is not available[\s\S]*--server/);
    expect(search.code).toBe(1);
  });

  test('an uplink port in use, told by the server itself', async () => {
    const occupier = createServer();
    occupier.listen(0, '127.0.0.1');
    await once(occupier, 'listening');
    const address = occupier.address();
    if (address === null || typeof address === 'string') throw new Error('no port');
    const apiPort = await pickPort('127.0.0.1', 0);
    const flags = ['--data', path.join(directory, 'data'), '--store-url', 'http://127.0.0.1:9'];
    const listen = ['--listen', `127.0.0.1:${address.port}`, '--api-listen', `127.0.0.1:${apiPort}`];
    const result = await sluice(['server', ...flags, ...listen]);
    expect(result.stderr).toMatch(new RegExp(`127\\.0\\.0\\.1:${address.port}.*in use`));
    expect(result.code).toBe(1);
    occupier.close();
  });

  test('a data directory that another one uses', async () => {
    const first = await up();
    const port = await pickPort('127.0.0.1', 0);
    const second = await sluice(['up', '--data', path.join(directory, 'data'), '--port', String(port)]);
    expect(second.stderr).toMatch(/store: .*(use|running)/);
    expect(second.code).toBe(1);
    expect(descendants(first.pid).length).toBeGreaterThan(0);
    expect(await first.count('*')).toBe(0);
  });
});

test('a wrong query points at its place', async () => {
  const program = await up();
  const result = await sluice(['search', 'level:error AND (', '--server', program.url]);
  expect(result.code).toBe(1);
  const [message, query, pointer] = result.stderr.split('\n');
  expect(message).toMatch(/^sluice: /);
  expect(query).toBe('  level:error AND (');
  expect(pointer).toMatch(/^ {2} *\^$/);
});

test('binary garbage in a log is kept, and the lines around it are found', async () => {
  const garbage = noiseBytes(drawSeed(), 300_000);
  const file = path.join(logs, 'mixed.log');
  writeFileSync(
    file,
    Buffer.concat([Buffer.from('first marker-one\n'), garbage, Buffer.from('\nlast marker-two\n')]),
  );
  const program = await up();
  await expect.poll(() => program.count('marker-one'), PATIENCE).toBe(1);
  await expect.poll(() => program.count('marker-two'), PATIENCE).toBe(1);
  const found = await program.search('*', '--all-time', '--limit', '10000');
  expect(found.length).toBeGreaterThanOrEqual(3);
});

test('garbage to the uplink port, and an agent that starts before its server', async () => {
  const [uplink, api, store] = [
    await pickPort('127.0.0.1', 0),
    await pickPort('127.0.0.1', 0),
    await pickPort('127.0.0.1', 0),
  ];
  writeFileSync(path.join(logs, 'early.log'), 'written before the server was there\n');
  const agent = await startProgram(
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
  );
  running.push(agent);
  const server = await startProgram(
    [
      'server',
      '--id',
      's1',
      '--data',
      path.join(directory, 'server'),
      '--listen',
      `127.0.0.1:${uplink}`,
      '--api-listen',
      `127.0.0.1:${api}`,
      '--store-listen',
      `127.0.0.1:${store}`,
    ],
    'ready',
  );
  running.unshift(server);
  for (const bytes of [
    noiseBytes(drawSeed(), 4096),
    Buffer.from('GET / HTTP/1.1\r\nhost: x\r\n\r\n'),
    Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\xff\xff\xff\xff', 'latin1'),
  ]) {
    const socket = connect(uplink, '127.0.0.1');
    await once(socket, 'connect');
    socket.on('error', () => socket.destroy());
    socket.resume();
    socket.end(bytes);
    await once(socket, 'close');
  }
  const url = `http://127.0.0.1:${api}`;
  const count = async (): Promise<string> =>
    (await sluice(['search', '"before the server"', '--all-time', '--count', '--server', url])).stdout.trim();
  await expect.poll(count, PATIENCE).toBe('1');
});
