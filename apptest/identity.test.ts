/** Who an agent is, with real programs: copies, machines installed anew, directories put back, forgers, certificates. */
import { appendFileSync, cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { MessageInitShape } from '@bufbuild/protobuf';
import { BlockBuilder, compressBlockSync } from '@sluice/block/builder';
import { FIRST_BLOCK_FORMAT } from '@sluice/block/formats';
import { RecordFields } from '@sluice/block/record';
import { pickPort } from '@sluice/host/pick-port';
import type { AgentId } from '@sluice/protocol/model';
import type { BlockSchema } from '@sluice/wire/gen/uplink_pb';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { ScriptedAgent } from '../packages/conformance/scripted-agent.ts';
import { writeCertificate } from './support/certificates.ts';
import { type Client, clientOf, type RunningProgram, sluice, startProgram } from './support/programs.ts';

const PATIENCE = { timeout: 90_000, interval: 300 };

let directory: string;
/** The latest started first. */
const running: RunningProgram[] = [];

beforeEach(() => {
  directory = mkdtempSync(path.join(tmpdir(), 'sluice-who-'));
});
afterEach(async () => {
  for (const program of running.splice(0)) await program.end();
  rmSync(directory, { recursive: true });
});

interface TestServer extends Client {
  readonly url: string;
  readonly uplinkUrl: string;
  agents(): Promise<AgentsJson>;
}

interface AgentsJson {
  readonly agents: {
    id: string;
    pinned: string;
    pinnedBy: string;
    others: { shown: string; connections: number; host: string }[];
    runs: { standing: string; host: string; address: string; epoch: number; since: string; server: string }[];
  }[];
  readonly problems: { agent: string; kind: string; count: number; records: number | null; text: string }[];
}

/** The first one of a test has the store; another one uses it. */
async function startServer(id: string, ...flags: string[]): Promise<TestServer> {
  const [uplink, api] = await Promise.all([0, 0].map((port) => pickPort('127.0.0.1', port)));
  const data = ['--id', id, '--data', path.join(directory, id)];
  const listen = ['--listen', `127.0.0.1:${uplink}`, '--api-listen', `127.0.0.1:${api}`];
  const store = running.length === 0 ? [] : ['--store-data', path.join(directory, 's1', 'store')];
  running.unshift(await startProgram(['server', ...data, ...listen, ...store, ...flags], 'ready '));
  const url = `http://127.0.0.1:${api}`;
  return {
    ...clientOf(url),
    url,
    uplinkUrl: `http://127.0.0.1:${uplink}`,
    agents: async () => {
      const { code, stdout, stderr } = await sluice(['agents', 'list', '--json', '--server', url]);
      if (code !== 0) throw new Error(stderr);
      return JSON.parse(stdout);
    },
  };
}

/** Reads `logs/NAME/*.log` from the beginning. */
async function startAgent(
  data: string,
  name: string,
  servers: readonly TestServer[],
  ...flags: string[]
): Promise<RunningProgram> {
  const logs = logsOf(name);
  const at = servers.flatMap(({ uplinkUrl }) => ['--server', uplinkUrl]);
  const watched = ['--from-start', '--watch', path.join(logs, '*.log'), '--host-name', `host-${name}`];
  const agent = await startProgram(
    ['agent', '--data', path.join(directory, data), ...at, ...watched, ...flags],
    'ready',
  );
  running.unshift(agent);
  return agent;
}

async function end(program: RunningProgram): Promise<void> {
  running.splice(running.indexOf(program), 1);
  await program.end();
}

function logsOf(name: string): string {
  const logs = path.join(directory, 'logs', name);
  mkdirSync(logs, { recursive: true });
  return logs;
}

function write(name: string, word: string, count: number, level = 'INFO'): void {
  const lines = Array.from({ length: count }, (_, index) => `${level} ${word} number${index}\n`);
  appendFileSync(path.join(logsOf(name), 'some.log'), lines.join(''));
}

function copy(from: string, to: string): void {
  cpSync(path.join(directory, from), path.join(directory, to), { recursive: true });
}

const found = async (server: TestServer, word: string, lines: number): Promise<void> =>
  await expect.poll(() => server.count(word), PATIENCE).toBe(lines);

/** Lines that are found, each counted once. */
async function distinct(server: TestServer, word: string): Promise<number> {
  const records = await server.search(word, '--all-time', '--limit', '10000');
  return new Set(records.map(({ body }) => body)).size;
}

async function problemOf(server: TestServer, kind: string): Promise<string> {
  return (await server.agents()).problems
    .filter((problem) => problem.kind === kind)
    .map(({ text }) => text)
    .join('\n');
}

test('a directory that was cloned: both agents are served and told, at one server and at two', {
  timeout: 300_000,
}, async () => {
  const s1 = await startServer('s1');
  write('one', 'before', 10);
  const first = await startAgent('web', 'one', [s1], '--id', 'web-1');
  await found(s1, 'before', 10);
  await end(first);
  copy('web', 'clone');
  const original = await startAgent('web', 'one', [s1], '--id', 'web-1');
  const clone = await startAgent('clone', 'two', [s1], '--id', 'web-1');
  write('one', 'original', 1000);
  write('two', 'copied', 1000);
  await found(s1, 'original', 1000);
  await found(s1, 'copied', 1000);
  await expect
    .poll(() => problemOf(s1, 'twins'), PATIENCE)
    .toMatch(/several agents run as web-1: on host-one .*; on host-two /);
  for (const agent of [original, clone])
    await expect.poll(() => agent.stderr(), PATIENCE).toContain('another agent runs as web-1');
  const status = await s1.status();
  expect(status.agents.map(({ id, connected }) => [id, connected])).toEqual([
    ['web-1', true],
    ['web-1', true],
  ]);
  const runs = (await s1.agents()).agents.flatMap((agent) => agent.runs);
  expect(new Set(runs.map(({ epoch }) => epoch)).size).toBe(2);
  expect(runs.map(({ host, address, standing }) => [host, address, standing])).toEqual([
    ['host-one', '127.0.0.1', 'proven'],
    ['host-two', '127.0.0.1', 'proven'],
  ]);

  // The clone goes to a server that the original does not know.
  await end(clone);
  const s2 = await startServer('s2');
  const elsewhere = await startAgent('clone', 'two', [s2], '--id', 'web-1');
  write('two', 'elsewhere', 500);
  await found(s1, 'elsewhere', 500);
  for (const server of [s1, s2])
    await expect
      .poll(() => problemOf(server, 'twins'), PATIENCE)
      .toMatch(/host-one .*server s1.*host-two .*server s2/);
  await expect.poll(() => elsewhere.stderr(), PATIENCE).toContain('another agent runs as web-1');
});

test('a restart at another server is no twin', { timeout: 300_000 }, async () => {
  const s1 = await startServer('s1');
  const s2 = await startServer('s2');
  write('one', 'first', 10);
  const first = await startAgent('web', 'one', [s1], '--id', 'web-1');
  await found(s1, 'first', 10);
  await end(first);
  await startAgent('web', 'one', [s2], '--id', 'web-1');
  write('one', 'second', 10);
  await found(s1, 'second', 10);
  // Two looks of each server at what the other one wrote.
  const until = Date.now() + 25_000;
  while (Date.now() < until) {
    expect(await problemOf(s1, 'twins')).toBe('');
    expect(await problemOf(s2, 'twins')).toBe('');
    await new Promise((resolve) => setTimeout(resolve, 2_000));
  }
});

test('a directory that is put back: every line is found, and the event is shown with its number', {
  timeout: 300_000,
}, async () => {
  const s1 = await startServer('s1');
  write('one', 'early', 50);
  const first = await startAgent('web', 'one', [s1], '--id', 'web-1');
  await found(s1, 'early', 50);
  await end(first);
  copy('web', 'kept');
  const second = await startAgent('web', 'one', [s1], '--id', 'web-1');
  write('one', 'between', 200);
  await found(s1, 'between', 200);
  await end(second);
  rmSync(path.join(directory, 'web'), { recursive: true });
  copy('kept', 'web');
  const back = await startAgent('web', 'one', [s1], '--id', 'web-1');
  write('one', 'after', 500);
  await found(s1, 'after', 500);
  expect([await distinct(s1, 'between'), await distinct(s1, 'after')]).toEqual([200, 500]);
  await expect
    .poll(() => problemOf(s1, 'rolled_back'), PATIENCE)
    .toMatch(
      /the data directory of agent web-1 went back to an earlier state .*: up to 200 lines may be there twice/,
    );
  await expect.poll(() => back.stderr(), PATIENCE).toContain('went back to an earlier state');
});

test('a machine that is installed anew under its old name is served, shown, and accepted by one command', {
  timeout: 300_000,
}, async () => {
  const s1 = await startServer('s1');
  write('one', 'old', 10);
  const old = await startAgent('web', 'one', [s1], '--id', 'web-1');
  await found(s1, 'old', 10);
  await end(old);
  const s2 = await startServer('s2');
  write('two', 'anew', 100);
  const anew = await startAgent('anew', 'two', [s2], '--id', 'web-1');
  await found(s1, 'anew', 100);
  await expect
    .poll(() => problemOf(s2, 'other_key'), PATIENCE)
    .toMatch(/agent web-1 came with another key at .* from host-two .*sluice agents accept web-1/);
  await expect.poll(() => anew.stderr(), PATIENCE).toContain('sluice agents accept web-1');
  // The agent tells it with its next report.
  const told = async (): Promise<string | undefined> =>
    (await s2.status()).agents.find(({ connected }) => connected)?.problems.join();
  await expect.poll(told, PATIENCE).toContain('agents accept');

  // At the other server, which has not seen it: what servers know of agents they share.
  await expect.poll(() => problemOf(s1, 'other_key'), PATIENCE).toContain('server s2');
  const accepted = await sluice(['agents', 'accept', 'web-1', '--server', s1.url]);
  expect([accepted.code, accepted.stdout]).toEqual([0, expect.stringContaining('is pinned in place of')]);
  for (const server of [s1, s2]) {
    await expect.poll(() => problemOf(server, 'other_key'), PATIENCE).toBe('');
    await expect.poll(async () => (await server.agents()).agents[0]?.pinnedBy, PATIENCE).toBe('accepted');
  }
  expect((await s2.agents()).agents[0]?.runs[0]?.standing).toBe('proven');
  const again = await sluice(['agents', 'accept', 'web-1', '--server', s1.url]);
  expect([again.code, again.stderr]).toEqual([1, expect.stringMatching(/several|no other/)]);
});

test("a forger with the token's rights sends blocks under the agent's coming numbers: every line of the agent is found", {
  timeout: 300_000,
}, async () => {
  const s1 = await startServer('s1');
  write('one', 'early', 10);
  const real = await startAgent('web', 'one', [s1], '--id', 'web-1');
  await found(s1, 'early', 10);
  const epoch = (await s1.agents()).agents[0]?.runs[0]?.epoch;
  if (epoch === undefined) throw new Error('the agent is not connected');
  const forger = new ScriptedAgent(Number(new URL(s1.uplinkUrl).port));
  try {
    const named = { agentId: 'web-1', epoch: BigInt(epoch), hostName: 'stranger' };
    const { sessionId, grantId, channel } = await forger.begin({ ...named, settledBelowSequence: 1_000n });
    const openChannel = { sessionId, agentId: 'web-1', grantId, channel };
    const blocks = Array.from({ length: 40 }, (_, index) => forgedBlock(epoch, index + 2));
    const answers = await forger.send(
      { case: 'openChannel', value: openChannel },
      ...blocks.map((value) => ({ case: 'block' as const, value })),
    );
    expect(answers.map(({ message }) => message.case)).toEqual(blocks.map(() => 'acknowledgement'));
    write('one', 'real', 100, 'ERROR');
    await found(s1, 'real', 100);
    expect(await distinct(s1, 'real')).toBe(100);
    await found(s1, 'forged', 40);
    expect(await problemOf(s1, 'no_key')).toMatch(/agent web-1 came without its key at .* from stranger/);
    const status = await s1.status();
    expect(status.agents.map(({ connected, problems }) => [connected, problems])).toEqual([
      [true, []],
      [true, []],
    ]);
    const runs = (await s1.agents()).agents[0]?.runs.map(({ host, standing }) => [host, standing]);
    expect(runs).toEqual([
      ['host-one', 'proven'],
      ['stranger', 'no_key'],
    ]);
    expect(real.stderr()).not.toContain('another agent runs');
  } finally {
    forger.close();
  }
});

/** A block as an agent without rights to the real one's key would make it. */
function forgedBlock(epoch: number, sequence: number): MessageInitShape<typeof BlockSchema> {
  const builder = new BlockBuilder('urgent');
  const fields = new RecordFields();
  fields.bodyText = `ERROR forged number${sequence}`;
  builder.append(fields);
  // The brand: it is the id of the test's agent.
  const sealed = builder.seal({ agentId: 'web-1' as AgentId, epoch, sequence }, FIRST_BLOCK_FORMAT);
  const { rawBytes, recordCount } = sealed.header;
  return {
    ...{ epoch: BigInt(epoch), sequence: BigInt(sequence), urgency: 1, rawBytes, recordCount },
    ...{ oldestObservedMs: BigInt(Date.now()), payload: compressBlockSync(sealed) },
  };
}

test("another machine's certificate under an agent's name is seen", { timeout: 300_000 }, async () => {
  // Each is an authority of its own; the server believes both.
  const names = ['server', 'web', 'thief'];
  const [server, web, thief] = await Promise.all(names.map((name) => writeCertificate(directory, name)));
  if (server === undefined || web === undefined || thief === undefined) throw new Error('no certificates');
  const both = path.join(directory, 'both.pem');
  writeFileSync(both, `${readFileSync(web.cert, 'utf8')}\n${readFileSync(thief.cert, 'utf8')}`);
  const tls = ['--tls-cert', server.cert, '--tls-key', server.key, '--tls-client-ca', both];
  const token = crypto.randomUUID();
  const [uplink, api] = await Promise.all([0, 0].map((port) => pickPort('127.0.0.1', port)));
  const places = ['--listen', `127.0.0.1:${uplink}`, '--api-listen', `127.0.0.1:${api}`];
  const environment = { SLUICE_TOKEN: token, SLUICE_TLS_CA: server.cert };
  running.unshift(
    await startProgram(
      ['server', '--id', 's1', '--data', path.join(directory, 's1'), ...places, ...tls],
      'ready ',
      {
        SLUICE_TOKEN: token,
      },
    ),
  );
  const list = async (): Promise<AgentsJson> => {
    const asked = ['agents', 'list', '--json', '--server', `https://127.0.0.1:${api}`];
    return JSON.parse((await sluice(asked, environment)).stdout);
  };
  for (const [data, name, files] of [
    ['web', 'one', web],
    ['thief', 'two', thief],
  ] as const) {
    write(name, name, 10);
    const flags = [
      '--id',
      'web-1',
      '--from-start',
      '--watch',
      path.join(logsOf(name), '*.log'),
      '--host-name',
      `host-${name}`,
    ];
    const at = ['--data', path.join(directory, data), '--server', `https://127.0.0.1:${uplink}`];
    const certificate = ['--tls-cert', files.cert, '--tls-key', files.key];
    running.unshift(await startProgram(['agent', ...at, ...flags, ...certificate], 'ready', environment));
    await expect
      .poll(async () => (await list()).agents[0]?.pinned, PATIENCE)
      .toMatch(/^certificate CN=web, issued by CN=web/);
  }
  await expect
    .poll(async () => (await list()).problems.map(({ kind, text }) => `${kind}: ${text}`).join(), PATIENCE)
    .toMatch(
      /other_key: agent web-1 came with another certificate .*host-two.*certificate CN=thief.* instead of certificate CN=web/,
    );
  expect((await list()).agents[0]?.runs.map(({ standing }) => standing)).toEqual(['proven', 'other_key']);
});
