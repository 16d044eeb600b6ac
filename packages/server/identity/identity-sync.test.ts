/** What servers share of who agents are, through a real store. */
import type { AgentId } from '@sluice/protocol/model';
import type { ShownIdentity } from '@sluice/protocol/principal';
import { pino } from 'pino';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { BATCH_COLUMNS } from '../loader/batch-body.ts';
import { type AgentTables, createAgentTables, MAX_PINS_READ } from '../store/agent-tables.ts';
import { makeBatch, startTestStore, type TestStore } from '../store/log-fixture.ts';
import { migrate } from '../store/migrate.ts';
import { identityText } from './agent-identity.ts';
import { type Arrival, IdentityBook, type SharedPin } from './identity-book.ts';
import { type IdentitySync, type LiveRun, startIdentitySync } from './identity-sync.ts';
import type { SeenRun } from './twins.ts';

let started: TestStore;
let tables: AgentTables;
const stopping: IdentitySync[] = [];

beforeAll(async () => {
  started = await startTestStore();
  await migrate(started.client);
  tables = createAgentTables(started.client);
});
afterEach(async () => {
  for (const sync of stopping.splice(0)) await sync.stop();
});
afterAll(async () => {
  await started.end();
});

interface TestServer {
  readonly book: IdentityBook;
  readonly runs: LiveRun[];
  twins: ReadonlyMap<AgentId, readonly SeenRun[]>;
  look(): Promise<boolean>;
}

/** Looks only when it is told to. */
async function server(serverId: string, over: AgentTables = tables): Promise<TestServer> {
  const book = new IdentityBook({ serverId });
  const runs: LiveRun[] = [];
  const made: TestServer = { book, runs, twins: new Map(), look: () => sync.look() };
  const sync = startIdentitySync({
    ...{ serverId, book, tables: over, ready: Promise.resolve(), intervalMs: 3_600_000 },
    runs: () => runs,
    onChanged: (twins) => {
      made.twins = twins;
    },
    logger: pino({ level: 'silent' }),
  });
  stopping.push(sync);
  await Promise.resolve();
  return made;
}

const key = (name: string): ShownIdentity => ({ key: `ed25519 SHA256:${name}`, certificate: undefined });

function arrival(agentId: string, shown: ShownIdentity, nextSequence = 1): Arrival {
  const marks = { epoch: nextSequence, nextSequence };
  return { agentId: agentId as AgentId, shown, marks, hostName: `host of ${agentId}'s`, address: '10.0.0.1' };
}

const pinned = ({ book }: TestServer, agentId: string): string => {
  const pin = book.record(agentId as AgentId)?.pin;
  return pin === undefined ? 'nothing' : `${identityText(pin)} ${pin.by}`;
};

function run(agentId: string, epoch: number, connectedMs: number, lives = true): LiveRun {
  return {
    sessionId: `${agentId}/${epoch}`,
    run: {
      agentId: agentId as AgentId,
      epoch,
      identity: 'a key',
      hostName: `host ${epoch}`,
      address: '10.0.0.1',
    },
    ...{ connectedMs, silentMs: lives ? 0 : connectedMs },
    isAlive: () => Promise.resolve(lives),
  };
}

test('the first sight of one server counts for all, and so does one word of an operator', async () => {
  const [one, two] = [await server('s1'), await server('s2')];
  one.book.arrived(arrival('shared', key('first')), true, 1);
  expect(await one.look()).toBe(true);
  two.book.arrived(arrival('shared', key('second')), true, 2);
  expect(pinned(two, 'shared')).toBe('ed25519 SHA256:second first sight');
  await two.look();
  expect(pinned(two, 'shared')).toBe('ed25519 SHA256:first first sight');
  expect(two.book.standingOf('shared' as AgentId, key('second'))).toBe('other_key');
  // It comes again, now as what it is; the other server hears of it, and is told to accept it.
  two.book.arrived(arrival('shared', key('second')), true, 3);
  await two.look();
  await one.look();
  expect(one.book.record('shared' as AgentId)?.others).toMatchObject([
    { key: 'ed25519 SHA256:second', serverId: 's2', hostName: "host of shared's" },
  ]);
  one.book.accept('shared' as AgentId, '', 4);
  await one.look();
  await two.look();
  for (const place of [one, two]) expect(pinned(place, 'shared')).toBe('ed25519 SHA256:second accepted');
  // A server that begins anew knows the same.
  const three = await server('s3');
  await three.look();
  expect(pinned(three, 'shared')).toBe('ed25519 SHA256:second accepted');
  // A second word without a name changes nothing.
  expect(() => one.book.accept('shared' as AgentId, '', 5)).toThrow(/no other key/);
});

test('two servers that pin different keys while the store is away agree when it is back', async () => {
  const [one, two] = [await server('s1'), await server('s2')];
  one.book.arrived(arrival('torn', key('a')), true, 1);
  two.book.arrived(arrival('torn', key('b')), true, 1);
  await Promise.all([one.look(), two.look()]);
  await one.look();
  await two.look();
  expect(pinned(one, 'torn')).toBe(pinned(two, 'torn'));
});

test('a store that fails costs nothing but the sharing', async () => {
  let fails = true;
  const failing: AgentTables = {
    ...tables,
    readPins: (afterMs) => (fails ? Promise.reject(new Error('away')) : tables.readPins(afterMs)),
  };
  const one = await server('s1', failing);
  one.book.arrived(arrival('alone', key('k')), true, 1);
  expect(await one.look()).toBe(false);
  expect(pinned(one, 'alone')).toBe('ed25519 SHA256:k first sight');
  fails = false;
  expect(await one.look()).toBe(true);
  expect((await tables.readPins(0)).filter(({ agentId }) => agentId === 'alone')).toHaveLength(1);
});

test('more pins of one minute than one answer has are read in one look', async () => {
  const pin = (number: number): SharedPin => ({
    ...{ agentId: `many-${number}` as AgentId, kind: 'first sight', key: 'a key', certificate: undefined },
    ...{ serverId: 's2', hostName: '', address: '', storedMs: 1_000_000 + Math.floor(number / 300) },
  });
  const stored = Array.from({ length: 2 * MAX_PINS_READ + 100 }, (_, number) => pin(number));
  const one = await server('s1', {
    ...tables,
    readPins: async (afterMs) => stored.filter(({ storedMs }) => storedMs > afterMs).slice(0, MAX_PINS_READ),
    readSeveralRuns: async () => [],
  });
  await one.look();
  expect([...one.book.records()]).toHaveLength(stored.length);
});

test('runs that overlap at two servers are twins at both; a restart, and a dead connection, are not', async () => {
  const [one, two] = [await server('s1'), await server('s2')];
  one.runs.push(run('copied', 1, 60_000), run('moved', 1, 60_000), run('died', 1, 60_000));
  await one.look();
  // `moved` ended before its next run began; the connection of `died` is dead and nobody has noticed yet.
  one.runs.splice(1, 2, run('died', 1, 90_000, false));
  two.runs.push(run('copied', 2, 30_000), run('moved', 2, 0), run('died', 2, 0));
  await two.look();
  await one.look();
  await two.look();
  for (const { twins } of [one, two]) {
    expect([...twins.keys()]).toEqual(['copied']);
    expect(
      twins.get('copied' as AgentId)?.map(({ serverId, epoch, hostName }) => [serverId, epoch, hostName]),
    ).toEqual([
      ['s1', 1, 'host 1'],
      ['s2', 2, 'host 2'],
    ]);
  }
});

test('what a queue that went back may repeat is counted in the store', async () => {
  await started.client.insertBlocks({
    columns: BATCH_COLUMNS,
    zstdBody: await makeBatch(started.directory, 700, 40),
    deduplicationToken: 'count',
  });
  const one = await server('s1');
  one.book.arrived(arrival('agent-1', key('k'), 900), true, 1);
  one.book.arrived(arrival('agent-1', key('k'), 600), true, Date.now());
  await one.look();
  expect(one.book.record('agent-1' as AgentId)?.rollback).toMatchObject({ records: 40, toSequence: 600 });
  expect(await tables.countRecords('agent-1' as AgentId, 701, 600)).toBe(0);
  expect(await tables.countRecords('agent-1' as AgentId, 600, 1)).toBe(0);
});

test('rows of runs are thrown away by their age, and names are only ever text', async () => {
  const nasty = `it's \\ "1", '), ('x` as AgentId;
  await tables.writeRuns("s'1", [
    { agentId: nasty, epoch: 5, identity: "'", hostName: '\n', address: '\\', connectedMs: 1.7, silentMs: 0 },
    { agentId: nasty, epoch: 6, identity: "'", hostName: '\n', address: '\\', connectedMs: 1.7, silentMs: 0 },
  ]);
  const several = await tables.readSeveralRuns();
  expect(several.filter(({ agentId }) => agentId === nasty)).toHaveLength(2);
  await tables.purgeRuns();
  expect(await tables.readSeveralRuns()).toHaveLength(several.length);
  expect(await tables.hasRoomForPins()).toBe(true);
});
