/** Server, agent and command line over TLS with a token, as they run when they are not all on one machine. */
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { pickPort } from '@sluice/host/pick-port';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type CertificateFiles, writeCertificate } from './support/certificates.ts';
import { corpusLines } from './support/corpus.ts';
import { type CommandResult, type RunningProgram, sluice, startProgram } from './support/programs.ts';

const LINES = 2_000;
const PATIENCE = { timeout: 60_000, interval: 200 };

let directory: string;
let server: CertificateFiles;
let stranger: CertificateFiles;
/** Made anew each time: no secret stands in a file of this project. */
let token: string;
const running: RunningProgram[] = [];

beforeEach(async () => {
  directory = mkdtempSync(path.join(tmpdir(), 'sluice-tls-'));
  server = await writeCertificate(directory, 'server');
  stranger = await writeCertificate(directory, 'stranger');
  token = crypto.randomUUID();
  const logs = path.join(directory, 'logs');
  mkdirSync(logs);
  writeFileSync(path.join(logs, 'some.log'), `${[...corpusLines(LINES, 31)].join('\n')}\n`);
});
afterEach(async () => {
  for (const program of running.splice(0)) await program.end();
  rmSync(directory, { recursive: true });
});

/** @returns the ports of uplink and API */
async function startServer(...flags: string[]): Promise<{ readonly uplink: number; readonly api: number }> {
  const [uplink, api, store] = await Promise.all([0, 0, 0].map((port) => pickPort('127.0.0.1', port)));
  if (uplink === undefined || api === undefined) throw new Error('no ports');
  const listen = ['--listen', `127.0.0.1:${uplink}`, '--api-listen', `127.0.0.1:${api}`];
  const data = ['--data', path.join(directory, 'server'), '--store-listen', `127.0.0.1:${store}`];
  const tls = ['--tls-cert', server.cert, '--tls-key', server.key];
  const all = ['server', '--id', 's1', ...data, ...listen, ...tls, ...flags];
  running.unshift(await startProgram(all, 'ready https://127.0.0.1:', { SLUICE_TOKEN: token }));
  return { uplink, api };
}

async function startAgent(
  address: string,
  environment: Record<string, string>,
  ...flags: string[]
): Promise<RunningProgram> {
  const watched = ['--from-start', '--watch', path.join(directory, 'logs', '*.log')];
  const data = ['--data', mkdtempSync(path.join(directory, 'agent-'))];
  const agent = await startProgram(
    ['agent', ...data, '--server', address, ...watched, ...flags],
    'ready',
    environment,
  );
  running.unshift(agent);
  return agent;
}

function count(api: number, environment: Record<string, string>): Promise<CommandResult> {
  const asked = ['search', '*', '--all-time', '--count', '--server', `https://127.0.0.1:${api}`];
  return sluice(asked, environment);
}

test('logs travel and are found over TLS with a token, and without either nothing is', {
  timeout: 180_000,
}, async () => {
  const { uplink, api } = await startServer();
  const address = `https://127.0.0.1:${uplink}`;
  const known = { SLUICE_TOKEN: token, SLUICE_TLS_CA: server.cert };
  // Those who must not get in come first: the lines that they bring would be counted.
  const untrusting = await startAgent(address, { SLUICE_TOKEN: token });
  const misled = await startAgent(address, { SLUICE_TOKEN: token }, '--tls-ca', stranger.cert);
  const nameless = await startAgent(address, {
    SLUICE_TLS_CA: server.cert,
    SLUICE_TOKEN: 'not the right token',
  });
  const inClear = await startAgent(`http://127.0.0.1:${uplink}`, known);
  for (const agent of [untrusting, misled])
    await expect
      .poll(() => agent.stderr(), PATIENCE)
      .toContain(`${address}: its certificate is signed by nobody`);
  await expect.poll(() => nameless.stderr(), PATIENCE).toMatch(/token/);
  await expect.poll(() => inClear.stderr(), PATIENCE).toContain(`http://127.0.0.1:${uplink} closed`);
  expect(await count(api, known)).toMatchObject({ code: 0, stdout: '0\n' });
  for (const agent of running.splice(0, 4)) await agent.end();

  await startAgent(address, known);
  await expect.poll(async () => (await count(api, known)).stdout, PATIENCE).toBe(`${LINES}\n`);

  const tokenless = await count(api, { SLUICE_TLS_CA: server.cert });
  expect([tokenless.code, tokenless.stderr]).toEqual([1, expect.stringContaining('SLUICE_TOKEN')]);
  const doubting = await count(api, { SLUICE_TOKEN: token });
  expect([doubting.code, doubting.stderr]).toEqual([1, expect.stringContaining('--tls-ca')]);
});

test('a store of another computer is used over TLS with its password, and by nobody without either', {
  timeout: 180_000,
}, async () => {
  const [port, uplink, api, otherUplink, otherApi] = await Promise.all(
    [0, 0, 0, 0, 0].map((wanted) => pickPort('127.0.0.1', wanted)),
  );
  const password = crypto.randomUUID();
  const store = ['store', '--data', path.join(directory, 'store'), '--listen', `127.0.0.1:${port}`];
  const tls = ['--tls-cert', server.cert, '--tls-key', server.key];
  running.unshift(
    await startProgram([...store, ...tls], `ready https://127.0.0.1:${port}`, {
      SLUICE_STORE_PASSWORD: password,
    }),
  );
  const url = ['--store-url', `https://127.0.0.1:${port}`];
  const startWith = async (id: string, ports: unknown[], shown: string, ...flags: string[]) => {
    const listen = ['--listen', `127.0.0.1:${ports[0]}`, '--api-listen', `127.0.0.1:${ports[1]}`];
    const all = ['server', '--id', id, '--data', path.join(directory, id), ...listen, ...url, ...flags];
    const program = await startProgram(all, 'ready', { SLUICE_STORE_PASSWORD: shown });
    running.unshift(program);
    return program;
  };
  const doubting = await startWith('doubting', [otherUplink, otherApi], password);
  await expect.poll(() => doubting.stderr(), PATIENCE).toContain('--store-tls-ca');
  await doubting.end();
  running.splice(running.indexOf(doubting), 1);
  const nameless = await startWith(
    'nameless',
    [otherUplink, otherApi],
    'not the right password',
    '--store-tls-ca',
    server.cert,
  );
  await expect.poll(() => nameless.stderr(), PATIENCE).toMatch(/password/i);

  await startWith('s1', [uplink, api], password, '--store-tls-ca', server.cert);
  await startAgent(`http://127.0.0.1:${uplink}`, {});
  const found = ['search', '*', '--all-time', '--count', '--server', `http://127.0.0.1:${api}`];
  await expect.poll(async () => (await sluice(found, {})).stdout, PATIENCE).toBe(`${LINES}\n`);
  expect(nameless.stderr() + doubting.stderr()).not.toContain(password);
});

test('a server that asks agents for a certificate takes none without', { timeout: 180_000 }, async () => {
  const agent = await writeCertificate(directory, 'agent');
  const { uplink, api } = await startServer('--tls-client-ca', agent.cert);
  const address = `https://127.0.0.1:${uplink}`;
  const known = { SLUICE_TOKEN: token, SLUICE_TLS_CA: server.cert };
  const without = await startAgent(address, known);
  const wrong = await startAgent(address, known, '--tls-cert', stranger.cert, '--tls-key', stranger.key);
  await expect.poll(() => without.stderr(), PATIENCE).toContain(`${address}: it asks for a certificate`);
  // The server ends this connection without a word.
  await expect.poll(() => wrong.stderr(), PATIENCE).toContain(`${address} `);
  expect(await count(api, known)).toMatchObject({ code: 0, stdout: '0\n' });
  // One of the two is told at once, the other within its minute.
  expect(running.at(-1)?.stderr()).toMatch(
    /"level":40.*"remoteAddress":"127\.0\.0\.1".*TLS handshake failed/,
  );
  for (const refused of running.splice(0, 2)) await refused.end();
  await startAgent(address, known, '--tls-cert', agent.cert, '--tls-key', agent.key);
  await expect.poll(async () => (await count(api, known)).stdout, PATIENCE).toBe(`${LINES}\n`);
});

test('renewed certificates are shown without a restart, once all of their files fit', {
  timeout: 180_000,
}, async () => {
  const { uplink, api } = await startServer();
  const before = { SLUICE_TOKEN: token, SLUICE_TLS_CA: path.join(directory, 'before.pem') };
  copyFileSync(server.cert, before.SLUICE_TLS_CA);
  const followed = path.join(directory, 'agent.pem');
  copyFileSync(server.cert, followed);
  await startAgent(`https://127.0.0.1:${uplink}`, { SLUICE_TOKEN: token, SLUICE_TLS_CA: followed });
  await expect.poll(async () => (await count(api, before)).stdout, PATIENCE).toBe(`${LINES}\n`);

  const serverLog = (): string => running.at(-1)?.stderr() ?? '';
  copyFileSync(stranger.cert, server.cert);
  await expect.poll(serverLog, PATIENCE).toContain('renewed certificates cannot be used yet');
  expect(await count(api, before)).toMatchObject({ code: 0, stdout: `${LINES}\n` });

  copyFileSync(stranger.key, server.key);
  await expect.poll(serverLog, PATIENCE).toContain('certificates were renewed');
  const after = { SLUICE_TOKEN: token, SLUICE_TLS_CA: stranger.cert };
  expect(await count(api, after)).toMatchObject({ code: 0, stdout: `${LINES}\n` });
  expect(await count(api, before)).toMatchObject({ code: 1, stderr: expect.stringContaining('--tls-ca') });

  // The agent's authority is renewed as well; its next connection, here to a new life of the server, believes it.
  copyFileSync(stranger.cert, followed);
  await running.pop()?.end();
  writeFileSync(path.join(directory, 'logs', 'more.log'), `${[...corpusLines(LINES, 32)].join('\n')}\n`);
  const again = await startServer('--listen', `127.0.0.1:${uplink}`);
  await expect.poll(async () => (await count(again.api, after)).stdout, PATIENCE).toBe(`${2 * LINES}\n`);
});

test('what cannot be used is said before anything starts', { timeout: 120_000 }, async () => {
  const open = ['server', '--data', path.join(directory, 'open'), '--listen', '0.0.0.0:4620'];
  const agent = ['agent', '--data', path.join(directory, 'none'), '--watch', path.join(directory, '*.log')];
  const missing = path.join(directory, 'missing.pem');
  const cases: [string[], RegExp][] = [
    [open, /may not listen on 0\.0\.0\.0 without TLS and a token/],
    [[...open, '--tls-cert', server.cert], /tlsCert is given without tlsKey/],
    [[...open, '--tls-cert', server.cert, '--tls-key', stranger.key], /server\.pem and .*stranger\.key: /],
    [[...open, '--tls-cert', missing, '--tls-key', server.key], /--tls-cert: .*missing\.pem/],
    [[...open, '--tls-client-ca', server.cert], /tlsClientCa is given without tlsCert/],
    [[...agent, '--tls-ca', path.join(directory, 'logs', 'some.log')], /--tls-ca: .*some\.log is not PEM/],
    [[...agent, '--server', 'http://logs.example:4620'], /would travel in clear/],
  ];
  for (const [argumentsOfCommand, message] of cases) {
    const { code, stderr } = await sluice(argumentsOfCommand);
    expect([code, stderr]).toEqual([1, expect.stringMatching(message)]);
  }
});
