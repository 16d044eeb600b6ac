/** Who an agent is, over real sockets: keys and proofs, strangers, twins, dead connections, queues that went back. */

import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type AgentKey, loadAgentKey } from '@sluice/agent/agent-key';
import type { Uplink } from '@sluice/agent/uplink/uplink';
import { defined } from '@sluice/base/defined';
import type { AgentId } from '@sluice/protocol/model';
import { IdentityBook } from '@sluice/server/identity/identity-book';
import type { Ingest } from '@sluice/server/ingest/ingest';
import { proofText } from '@sluice/wire/identity-proof';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { ScriptedAgent } from '../../packages/conformance/scripted-agent.ts';
import { startRelay } from '../support/relay.ts';
import { MemoryJournal, MemoryQueue, poll, startAgent, startServer, until } from './fixtures.ts';

/** A live peer on loopback answers in far less; a dead one costs the tests this long. */
const twinPingTimeoutMs = 300;

let directory: string;
let journal: MemoryJournal;
let book: IdentityBook;
let ingest: Ingest;
const cleanups: (() => Promise<unknown> | unknown)[] = [];

beforeEach(async () => {
  directory = mkdtempSync(path.join(tmpdir(), 'sluice-identity-'));
  journal = new MemoryJournal();
  book = new IdentityBook({ serverId: 's1' });
  ingest = await startServer('s1', journal, { identities: book, twinPingTimeoutMs });
});
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
  await ingest.stop();
  rmSync(directory, { recursive: true });
});

/** A queue of one run. */
class RunQueue extends MemoryQueue {
  override readonly epoch: number;
  nextSequence?: number;

  constructor(agentId: string, epoch: number) {
    super(agentId);
    this.epoch = epoch;
  }
}

function newKey(): AgentKey {
  return loadAgentKey(mkdtempSync(path.join(directory, 'key-')));
}

function agent(queue: MemoryQueue, key: AgentKey | undefined, port: number = ingest.port): Uplink {
  const uplink = startAgent(queue, [port], { random: () => 0, ...defined({ key }) });
  cleanups.push(() => uplink.stop(0));
  return uplink;
}

async function sends(uplink: Uplink, queue: MemoryQueue, blocks = 3): Promise<void> {
  uplink.blocksSealed(Array.from({ length: blocks }, () => queue.seal(1000)));
  await until(queue, 'changed', () => queue.headers.size === 0);
}

const standings = (): string[] =>
  ingest.reports().map(({ identity, connected }) => `${identity.standing} ${connected}`);
const isConnected = (uplink: Uplink): boolean => uplink.view().connections[0]?.connected === true;
const problems = (uplink: Uplink): string => uplink.view().problems.join('\n');

test('an agent proves its key; one with another key is served, told, shown, and accepted by one word', async () => {
  const queue = new RunQueue('web-1', 1);
  const uplink = agent(queue, newKey());
  await sends(uplink, queue);
  expect(standings()).toEqual(['proven true']);
  const pinned = book.record(queue.agentId)?.pin?.key;
  await uplink.stop(0);
  await poll(() => standings().join() === 'proven false');

  const anew = new RunQueue('web-1', 2);
  const other = agent(anew, newKey());
  await sends(other, anew);
  await poll(() => problems(other).includes('sluice agents accept web-1'));
  expect(standings()).toEqual(['proven false', 'other_key true']);
  expect(book.record(queue.agentId)?.pin?.key).toBe(pinned);
  expect(book.record(queue.agentId)?.others).toMatchObject([{ connections: 1, hostName: 'test-host' }]);

  const { pinned: accepted, replaced } = book.accept(queue.agentId, '', Date.now());
  ingest.identitiesChanged();
  expect([replaced, accepted]).toEqual([pinned, expect.stringMatching(/^ed25519 SHA256:/)]);
  expect(standings()).toContain('proven true');
  await poll(() => problems(other) === '');
  expect(book.record(queue.agentId)?.changes.map(({ by }) => by)).toEqual(['first sight', 'accepted']);
});

test('two live runs of one identity are both served, and both told', async () => {
  const key = newKey();
  const [one, two] = [new RunQueue('web-1', 1), new RunQueue('web-1', 2)];
  const first = agent(one, key);
  await poll(() => isConnected(first));
  const second = agent(two, key);
  await poll(() => problems(first).includes('another agent runs as web-1'));
  await poll(() => problems(second).includes('another agent runs as web-1'));
  await Promise.all([sends(first, one, 20), sends(second, two, 20)]);
  expect(journal.blocks.map(({ header }) => header.id.epoch).sort()).toEqual([
    ...Array.from({ length: 20 }, () => 1),
    ...Array.from({ length: 20 }, () => 2),
  ]);
  expect(standings()).toEqual(['proven true', 'proven true']);
  expect(ingest.twins().get(one.agentId)).toHaveLength(2);
  expect(ingest.view().agents.map(({ agentId }) => agentId)).toEqual(['web-1', 'web-1']);
  // The twin leaves: nothing is wrong any more.
  await second.stop(0);
  await poll(() => problems(first) === '');
  expect(ingest.twins().size).toBe(0);
});

test('a connection that broke without a word is replaced by the next one of the same run, and is no twin', async () => {
  const relay = await startRelay(ingest.port);
  cleanups.push(() => relay.close());
  const key = newKey();
  const queue = new RunQueue('web-1', 1);
  const broken = agent(queue, key, relay.port);
  await poll(() => isConnected(broken));
  relay.silence('everything');
  const again = agent(queue, key);
  await poll(() => isConnected(again));
  await poll(() => ingest.view().agents.length === 1 && standings().length === 1);
  await sends(again, queue);
  expect(ingest.twins().size).toBe(0);
  expect(problems(again)).toBe('');
});

test('an earlier run whose machine died is replaced, and the later one is served meanwhile', async () => {
  const relay = await startRelay(ingest.port);
  cleanups.push(() => relay.close());
  const key = newKey();
  const dead = agent(new RunQueue('web-1', 1), key, relay.port);
  await poll(() => isConnected(dead));
  relay.silence('everything');
  const queue = new RunQueue('web-1', 2);
  const later = agent(queue, key);
  await sends(later, queue);
  await poll(() => standings().length === 1);
  expect(ingest.twins().size).toBe(0);
});

test('a forger without the key neither ends, revokes, starves nor settles anything of the real agent', async () => {
  const settled: number[] = [];
  journal.settleBelow = (...[, , sequence]: [AgentId, number, number] | []) => {
    if (sequence !== undefined) settled.push(sequence);
  };
  const key = newKey();
  const queue = new RunQueue('web-1', 1);
  const uplink = agent(queue, key);
  await sends(uplink, queue);
  const forger = new ScriptedAgent(ingest.port);
  cleanups.push(() => forger.close());
  forger.sayHello({ agentId: 'web-1', epoch: 1n, settledBelowSequence: 1_000_000n, hostName: 'elsewhere' });
  expect((await forger.hear()).case).toBe('welcome');
  forger.say({
    case: 'uploadRequest',
    value: {
      requestId: 1n,
      backlog: [{ urgency: 1, recordCount: 10n, rawBytes: 1_000_000n, oldestAgeMs: 5n }],
      settledBelowSequence: 1_000_000n,
    },
  });
  expect((await forger.hear()).case).toBe('grant');
  await sends(uplink, queue);
  expect(uplink.view().connections[0]?.connected).toBe(true);
  expect(settled).toEqual([]);
  expect(standings()).toEqual(['proven true', 'no_key true']);
  expect(book.record(queue.agentId)?.pin?.key).toBeDefined();
  // Its grants are its own: the real agent's stay as they are when it goes.
  forger.close();
  await poll(() => standings().join() === 'proven true');
  await sends(uplink, queue);
  // The word of the agent itself does count.
  await uplink.stop(0);
  agent(queue, key);
  await poll(() => settled.length > 0);
  expect(settled).toEqual([queue.settledBelowSequence]);
});

test.each([
  ['over another text', (text: Uint8Array, key: KeyObject) => sign(null, text.subarray(1), key)],
  ['by another key', (text: Uint8Array) => sign(null, text, generateKeyPairSync('ed25519').privateKey)],
  ['that is too short', () => new Uint8Array(63)],
  ['that is empty', () => new Uint8Array()],
])('a proof %s lets nobody in, and pins nothing', async (_name, forge) => {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');
  const raw = new ScriptedAgent(ingest.port);
  cleanups.push(() => raw.close());
  const identityKey = Buffer.from(publicKey.export({ format: 'jwk' }).x ?? '', 'base64url');
  raw.sayHello({ identityKey });
  const welcome = await raw.hear();
  if (welcome.case !== 'welcome') throw new Error('no welcome');
  const { challenge, sessionId, serverId } = welcome.value;
  expect(challenge).toHaveLength(32);
  const text = proofText({ challenge, sessionId, serverId, agentId: 'raw', epoch: 1 });
  raw.say({ case: 'proof', value: { signature: forge(text, privateKey) } });
  await expect(raw.hear()).rejects.toThrow(/invalid_argument.*does not fit the key/);
  expect(book.record('raw' as AgentId)).toBeUndefined();
  expect(ingest.reports()).toEqual([]);
});

test('an agent that names a key and proves nothing asks for nothing; a key of a wrong size is refused', async () => {
  const raw = new ScriptedAgent(ingest.port);
  cleanups.push(() => raw.close());
  raw.sayHello({ identityKey: new Uint8Array(32).fill(7) });
  expect((await raw.hear()).case).toBe('welcome');
  raw.say({ case: 'uploadRequest', value: { requestId: 1n } });
  await expect(raw.hear()).rejects.toThrow(/invalid_argument.*no Proof/);
  const wrong = new ScriptedAgent(ingest.port);
  cleanups.push(() => wrong.close());
  wrong.sayHello({ identityKey: new Uint8Array(31) });
  await expect(wrong.hear()).rejects.toThrow(/invalid_argument.*identity_key: has 31 bytes/);
});

test('an agent of an older version proves nothing and is served as ever', async () => {
  const queue = new RunQueue('old', 1);
  const uplink = agent(queue, undefined);
  await sends(uplink, queue);
  expect(standings()).toEqual(['unproven true']);
  expect(problems(uplink)).toBe('');
  expect(book.record(queue.agentId)).toBeUndefined();
});

test('a queue that comes back earlier than it was is noticed, told to the agent and shown with its marks', async () => {
  const key = newKey();
  const queue = new RunQueue('web-1', 1);
  queue.nextSequence = 1;
  const uplink = agent(queue, key);
  await sends(uplink, queue, 9);
  await uplink.stop(0);
  await poll(() => standings().join() === 'proven false');
  expect(book.record(queue.agentId)?.marks).toEqual({ epoch: 1, nextSequence: 10 });
  const restarted = new RunQueue('web-1', 2);
  restarted.nextSequence = 10;
  const well = agent(restarted, key);
  await poll(() => isConnected(well));
  await poll(() => standings().join() === 'proven true');
  expect(book.record(queue.agentId)?.rollback).toBeUndefined();
  await well.stop(0);
  await poll(() => standings().join() === 'proven false');
  const older = new RunQueue('web-1', 3);
  older.nextSequence = 4;
  const back = agent(older, key);
  await poll(() => problems(back).includes('went back to an earlier state'));
  expect(book.record(queue.agentId)?.rollback).toMatchObject({
    times: 1,
    fromSequence: 10,
    toSequence: 4,
    epoch: 3,
  });
});
