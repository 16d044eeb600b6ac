import { defined } from '@sluice/base/defined';
import { SluiceError } from '@sluice/base/error';
import { server as serverId } from '@sluice/protocol/machine-fixture';
import type { UrgencyClass } from '@sluice/protocol/model';
import { describe, expect, it } from 'vitest';
import { Journal } from '../journal/journal.ts';
import { acceptedBlock, crashInto, temporaryDirectory } from '../journal/journal-fixture.ts';
import type { Lane } from '../journal/journal-records.ts';
import { ServerMetrics } from '../metrics.ts';
import type { BatchStore } from './batch-store.ts';
import { FakeMoved } from './fake-moved.ts';
import { FakeStore, type Fate, fakeBody } from './fake-store.ts';
import type { LanePolicy } from './lane-policy.ts';
import { type Loader, startLoader } from './loader.ts';

const silent = { info: () => undefined, warn: () => undefined, error: () => undefined };
/** As the real ones, only quicker. */
const quick: LanePolicy = {
  gatherMs: 1,
  intervalMs: 2,
  maxIntervalMs: 4,
  fullRawBytes: 1_000_000,
  maxRetryMs: 4,
};
const policies: Record<Lane, LanePolicy> = { 0: quick, 1: quick, 2: quick, 3: quick };

interface Setup {
  /** Default {@link fakeBody}. */
  readonly bodyOf?: typeof fakeBody;
  readonly journal: Journal;
  readonly store: FakeStore;
  readonly serverId?: string;
  readonly metrics?: ServerMetrics;
  readonly insertTimeoutMs?: number;
  /** Lets it ask what the store has; without, only the tokens keep records from being there twice. */
  readonly asks?: true;
  readonly moved?: FakeMoved;
  /** What the loader sees of the store; default all. */
  readonly client?: BatchStore;
}

function start({
  journal,
  store,
  serverId,
  metrics,
  insertTimeoutMs,
  asks,
  moved,
  client,
  bodyOf,
}: Setup): Loader {
  return startLoader({
    journal,
    storeClient: client ?? store,
    serverId: serverId ?? 's1',
    logger: silent,
    policies,
    firstRetryMs: 1,
    stopGraceMs: 1,
    bodyOf: bodyOf ?? fakeBody,
    insertTimeoutMs: insertTimeoutMs ?? 10_000,
    ...defined({ metrics }),
    ...(asks
      ? {
          others: {
            findStored: (blocks) => store.findStored(blocks),
            moved: moved ?? new FakeMoved(store),
            settleMs: 1,
          },
          recheckAfterMs: 0,
        }
      : {}),
  });
}

/** Resolves when the journal holds nothing more that is to be loaded. */
function drained(journal: Journal): Promise<void> {
  return new Promise((resolve) => {
    const check = (): void => {
      if (journal.roomBytes === journal.maxRawBytes) {
        unlisten();
        resolve();
      }
    };
    const unlisten = journal.listen({ onRoomChanged: check });
    check();
  });
}

/** Resolves when the store has seen `count` attempts. */
async function attempted(store: FakeStore, count: number): Promise<void> {
  while (store.attempts.length < count) await new Promise((resolve) => setImmediate(resolve));
}

async function appendAll(
  journal: Journal,
  sequences: readonly number[],
  urgency: UrgencyClass = 'normal',
): Promise<void> {
  await Promise.all(sequences.map((sequence) => journal.append(acceptedBlock({ sequence, urgency }))));
}

const onceEach = (sequences: readonly number[]): Map<string, number> =>
  new Map(sequences.map((sequence) => [`agent/${sequence}`, 1]));

const sequences = [1, 2, 3, 4, 5];

describe('loader', () => {
  it('loads what is there and what comes, and frees the journal', async () => {
    using directory = temporaryDirectory();
    const journal = await Journal.open({ directory: directory.path });
    const store = new FakeStore();
    const metrics = new ServerMetrics({ serverId: 's1', journal, processMetrics: false });
    await appendAll(journal, [1, 2]);
    const loader = start({ journal, store, metrics });
    const loaded: number[] = [];
    loader.onLoaded(({ blocks }) => loaded.push(...blocks.map((block) => block.header.id.sequence)));
    await appendAll(journal, [3], 'urgent');
    await appendAll(journal, [4, 5], 'bulk');
    await drained(journal);
    await loader.stop();
    expect(store.rows).toEqual(onceEach(sequences));
    expect(loaded.toSorted((a, b) => a - b)).toEqual(sequences);
    const text = await metrics.registry.metrics();
    expect(text).toContain('sluice_server_loaded_records_total{urgency="normal",server="s1"} 20');
    expect(text).toContain('sluice_server_journal_held_blocks{urgency="normal",server="s1"} 0');
    await journal.close();
  });

  for (const fate of ['fail', 'apply_then_fail', 'hang', 'apply_then_hang'] as const) {
    it(`goes on after attempts that end in ${fate}, each block once`, async () => {
      using directory = temporaryDirectory();
      const journal = await Journal.open({ directory: directory.path });
      const store = new FakeStore();
      store.fate = () => (store.attempts.length % 3 === 0 ? 'apply' : fate);
      const loader = start({ journal, store, insertTimeoutMs: 5 });
      for (const sequence of sequences) await appendAll(journal, [sequence]);
      await drained(journal);
      await loader.stop();
      expect(store.rows).toEqual(onceEach(sequences));
      expect(store.breaches).toEqual([]);
      expect(store.attempts.length).toBeGreaterThan(1);
      await journal.close();
    });
  }

  it('shows why it stands still while the store is away, and that it goes on', async () => {
    using directory = temporaryDirectory();
    const journal = await Journal.open({ directory: directory.path });
    const store = new FakeStore();
    store.fate = () => 'fail';
    const loader = start({ journal, store });
    await appendAll(journal, [1]);
    await attempted(store, 4);
    expect(loader.problems()).toMatchObject([{ lane: 2, error: { code: 'not_reachable' } }]);
    store.fate = () => 'apply';
    await drained(journal);
    expect(loader.problems()).toEqual([]);
    await loader.stop();
    await journal.close();
  });

  it('does not let a hanging bulk insert hold up an urgent one', async () => {
    using directory = temporaryDirectory();
    const journal = await Journal.open({ directory: directory.path });
    const store = new FakeStore();
    store.fate = ({ deduplicationToken }): Fate =>
      deduplicationToken.startsWith('s1/0/') ? 'apply' : 'hang';
    const loader = start({ journal, store, insertTimeoutMs: 60_000 });
    for (const urgency of ['bulk', 'normal', 'elevated'] as const) await appendAll(journal, [1], urgency);
    await appendAll(journal, [10], 'bulk');
    await attempted(store, 1);
    const urgentLoaded = new Promise<void>((resolve) => {
      loader.onLoaded(({ lane }) => lane === 0 && resolve());
    });
    await appendAll(journal, [11], 'urgent');
    await urgentLoaded;
    expect(store.rows).toEqual(onceEach([11]));
    // Those that hang are given up; what they were to load stays.
    await loader.stop();
    expect(journal.statistics.heldRawBytes).toBeGreaterThan(0);
    await journal.close();
  });

  it('U20: sets a block aside that a newer program took into the journal, and loads the others', async () => {
    using directory = temporaryDirectory();
    const journal = await Journal.open({ directory: directory.path });
    const store = new FakeStore();
    await appendAll(journal, sequences);
    const bodyOf: typeof fakeBody = (batch) => {
      if (batch.blocks.some(({ header }) => header.id.sequence === 3))
        throw new SluiceError('protocol_mismatch', 'block format 900 is not known here');
      return fakeBody(batch);
    };
    const loader = start({ journal, store, bodyOf });
    await drained(journal);
    await loader.stop();
    expect(store.rows).toEqual(onceEach([1, 2, 4, 5]));
    expect(journal.setAsideBlocks()).toMatchObject([
      { header: { id: { sequence: 3 } }, reason: 'block format 900 is not known here' },
    ]);
    await journal.close();
  });

  it('sets the one bad block of a batch aside and loads the others', async () => {
    using directory = temporaryDirectory();
    const journal = await Journal.open({ directory: directory.path });
    const store = new FakeStore();
    store.refused.add('agent/3');
    await appendAll(journal, sequences);
    const loader = start({ journal, store });
    await drained(journal);
    await loader.stop();
    expect(store.rows).toEqual(onceEach([1, 2, 4, 5]));
    expect(journal.setAsideBlocks()).toMatchObject([
      { header: { id: { sequence: 3 } }, reason: expect.stringContaining('agent/3') },
    ]);
    const attempts = store.attempts.length;
    const next = start({ journal, store });
    await appendAll(journal, [6]);
    await drained(journal);
    await next.stop();
    expect(store.attempts.length).toBe(attempts + 1);
    await journal.close();
  });
});

describe('a block that the store refuses for a reason that may be its own', () => {
  it('holds up no other, and is set aside once the store has taken others', async () => {
    using directory = temporaryDirectory();
    const journal = await Journal.open({ directory: directory.path });
    const store = new FakeStore();
    store.doubted.add('agent/3');
    await appendAll(journal, sequences);
    const loader = start({ journal, store });
    await drained(journal);
    await loader.stop();
    expect(store.rows).toEqual(onceEach([1, 2, 4, 5]));
    expect(journal.setAsideBlocks()).toMatchObject([
      { header: { id: { sequence: 3 } }, reason: expect.stringContaining('agent/3') },
    ]);
    await journal.close();
  });

  it('waits, and is told, while the store takes nothing at all; then it is loaded with the others', async () => {
    using directory = temporaryDirectory();
    const journal = await Journal.open({ directory: directory.path });
    const store = new FakeStore();
    for (const sequence of sequences) store.doubted.add(`agent/${sequence}`);
    await appendAll(journal, sequences);
    const loader = start({ journal, store });
    await attempted(store, 60);
    expect(loader.problems()).toMatchObject([{ error: { code: 'insert_refused' } }]);
    expect(journal.setAsideBlocks()).toEqual([]);
    store.doubted.clear();
    await drained(journal);
    await loader.stop();
    expect(store.rows).toEqual(onceEach(sequences));
    expect(store.breaches).toEqual([]);
    await journal.close();
  });
});

it('does not take a batch apart for one refusal that does not come again', async () => {
  using directory = temporaryDirectory();
  const journal = await Journal.open({ directory: directory.path });
  const store = new FakeStore();
  await appendAll(journal, sequences);
  store.refused.add('agent/1');
  // The first attempt is applied and not answered, the second one garbled on its way.
  store.fate = (): Fate => {
    if (store.attempts.length === 1) store.refused.clear();
    if (store.attempts.length === 2) store.refused.add('agent/1');
    if (store.attempts.length === 3) store.refused.clear();
    return store.attempts.length === 1 ? 'apply_then_fail' : 'apply';
  };
  const loader = start({ journal, store });
  await drained(journal);
  await loader.stop();
  expect(store.attempts).toHaveLength(3);
  expect(store.rows).toEqual(onceEach(sequences));
  expect(journal.setAsideBlocks()).toEqual([]);
  await journal.close();
});

it('finds out that a batch was stored when the store has forgotten the token while it was away', async () => {
  using directory = temporaryDirectory();
  const journal = await Journal.open({ directory: directory.path });
  const store = new FakeStore();
  await appendAll(journal, sequences);
  store.fate = (): Fate => (store.attempts.length === 1 ? 'apply_then_fail' : 'apply');
  const client: BatchStore = {
    insertBlocks: (request) => {
      store.forgetTokens();
      return store.insertBlocks(request);
    },
  };
  const loader = start({ journal, store, client, asks: true });
  await drained(journal);
  await loader.stop();
  await journal.close();
  expect(store.rows).toEqual(onceEach(sequences));
});

it('U25: asks the store for a block that may have been forgotten: there it is left out and counted, else loaded', async () => {
  using directory = temporaryDirectory();
  const journal = await Journal.open({ directory: directory.path });
  const store = new FakeStore();
  store.put('agent/1', 's1');
  const loader = start({ journal, store, asks: true });
  // All below 3 was sealed before this server knew of the run.
  for (const sequence of [1, 2, 3]) await journal.append({ ...acceptedBlock({ sequence }), sealedBefore: 3 });
  await drained(journal);
  await loader.stop();
  expect(store.rows).toEqual(onceEach([1, 2, 3]));
  expect(journal.statistics.conflicts).toMatchObject([
    { agentId: 'agent', repeatedBlocks: 1, repeatedRecords: 10, conflictingBlocks: 0 },
  ]);
  await journal.close();
});

it('U14: a copy that came late stays as long as the copy of the other server is hidden', async () => {
  using directory = temporaryDirectory();
  const journal = await Journal.open({ directory: directory.path });
  const store = new FakeStore();
  const moved = new FakeMoved(store);
  await appendAll(journal, [1, 2]);
  const { id, recordCount, oldestObservedMs } = acceptedBlock({ sequence: 1 }).header;
  store.fate = () => {
    if (store.attempts.length === 1) {
      // The other server brings the first block in, and has not shown it yet.
      void moved.write([{ id, serverId: 's2', recordCount, oldestObservedMs }], 'held');
      store.put('agent/1', 's2');
      return 'fail';
    }
    // What the first attempt sent is applied after all.
    if (store.attempts.length === 2) store.put('agent/1', 's1');
    return 'apply';
  };
  const loader = start({ journal, store, asks: true, moved });
  await drained(journal);
  expect(store.attempts.length).toBeGreaterThan(1);
  expect(moved.shown(id)).toBe(1);
  await moved.write([{ id, serverId: 's2', recordCount, oldestObservedMs }], 'kept');
  expect(moved.shown(id)).toBe(1);
  await loader.stop();
  await journal.close();
});

it('U14: loads what comes while a moved block is found in the store and forgotten', async () => {
  using directory = temporaryDirectory();
  const journal = await Journal.open({ directory: directory.path });
  const store = new FakeStore();
  store.put('agent/1', 's2');
  const moved = new FakeMoved(store);
  const write = moved.write.bind(moved);
  // In the moment before the journal takes the moved block out of what waits.
  let appended: Promise<void> | undefined;
  moved.write = async (copies, state) => {
    await write(copies, state);
    if (state === 'settled') appended ??= journal.append(acceptedBlock({ sequence: 2 }));
  };
  const loader = start({ journal, store, asks: true, moved });
  await journal.append({ ...acceptedBlock({ sequence: 1 }), inDoubtAt: serverId('s2') });
  while (appended === undefined) await new Promise(setImmediate);
  await appended;
  await drained(journal);
  await loader.stop();
  await journal.close();
  expect(store.rows).toEqual(onceEach([1, 2]));
});

describe('loader, crash points', () => {
  /** Lives until the store has seen one attempt, then crashes; the next life runs to the end. */
  async function crashAt(
    fate: Fate,
    nextServerId = 's1',
    tokens: 'keep' | 'forget' = 'keep',
  ): Promise<FakeStore> {
    using first = temporaryDirectory();
    using second = temporaryDirectory();
    const store = new FakeStore();
    const journal = await Journal.open({ directory: first.path });
    await appendAll(journal, sequences);
    store.fate = (): Fate => {
      crashInto(first.path, second.path);
      return fate;
    };
    let alive = true;
    const client: BatchStore = {
      insertBlocks: (request) => (alive ? store.insertBlocks(request) : Promise.reject(new Error('dead'))),
    };
    const loader = start({ journal, store, client });
    await attempted(store, 1);
    alive = false;
    store.fate = () => 'apply';
    if (tokens === 'forget') store.forgetTokens();
    const survivor = await Journal.open({ directory: second.path });
    expect(survivor.openBatches(2)).toHaveLength(1);
    // Blocks that come after the crash must not get into the batch of before.
    await appendAll(survivor, [6]);
    const next = start({
      journal: survivor,
      store,
      serverId: nextServerId,
      ...(tokens === 'forget' ? { asks: true } : {}),
    });
    await drained(survivor);
    await next.stop();
    await survivor.close();
    await loader.stop();
    await journal.close();
    expect(store.breaches).toEqual([]);
    return store;
  }

  it('between the batch record and the insert', async () => {
    expect((await crashAt('fail')).rows).toEqual(onceEach([...sequences, 6]));
  });

  it('after the insert was applied, before the journal forgot it', async () => {
    const store = await crashAt('apply_then_fail');
    expect(store.rows).toEqual(onceEach([...sequences, 6]));
  });

  it('after the insert was applied, and the server comes back with another id', async () => {
    expect((await crashAt('apply_then_fail', 's2')).rows).toEqual(onceEach([...sequences, 6]));
  });

  it('after the insert was applied, and the store has forgotten the token', async () => {
    expect((await crashAt('apply_then_fail', 's1', 'forget')).rows).toEqual(onceEach([...sequences, 6]));
  });

  it('U14: leaves out what another server has loaded meanwhile, in a batch, waiting, or sent in doubt', async () => {
    using first = temporaryDirectory();
    using second = temporaryDirectory();
    const store = new FakeStore();
    const journal = await Journal.open({ directory: first.path });
    await appendAll(journal, sequences);
    await journal.createBatch(2, 's1', [...journal.waitingBlocks(2)].slice(0, 3));
    crashInto(first.path, second.path);
    await journal.close();
    // What the agent has sent to the other server: one of the batch, one that waited.
    for (const sequence of [2, 5]) store.put(`agent/${sequence}`, 's2');
    const survivor = await Journal.open({ directory: second.path });
    const loader = start({ journal: survivor, store, asks: true });
    store.put('agent/6', 's2');
    for (const sequence of [6, 7])
      await survivor.append({ ...acceptedBlock({ sequence }), inDoubtAt: serverId('s2') });
    await drained(survivor);
    await loader.stop();
    await survivor.close();
    expect(store.rows).toEqual(new Map([...onceEach([1, 2, 3, 4, 5, 6, 7])]));
  });

  it('before the batch record: the blocks wait', async () => {
    using first = temporaryDirectory();
    using second = temporaryDirectory();
    const store = new FakeStore();
    const journal = await Journal.open({ directory: first.path });
    await appendAll(journal, sequences);
    crashInto(first.path, second.path);
    await journal.close();
    const survivor = await Journal.open({ directory: second.path });
    const loader = start({ journal: survivor, store });
    await drained(survivor);
    await loader.stop();
    await survivor.close();
    expect(store.rows).toEqual(onceEach(sequences));
  });

  it('in the middle of a refused batch that was taken apart', async () => {
    using first = temporaryDirectory();
    using second = temporaryDirectory();
    const store = new FakeStore();
    store.refused.add('agent/4');
    const journal = await Journal.open({ directory: first.path });
    await appendAll(journal, sequences);
    // Attempts 1 and 2 are the whole batch, 3 is its first half: crash when that is applied and not yet forgotten.
    store.fate = (): Fate => {
      if (store.attempts.length < 3) return 'apply';
      if (store.attempts.length > 3) return 'fail';
      crashInto(first.path, second.path);
      return 'apply_then_fail';
    };
    const loader = start({ journal, store });
    await attempted(store, 3);
    await loader.stop();
    await journal.close();
    store.fate = () => 'apply';
    const survivor = await Journal.open({ directory: second.path });
    expect(survivor.openBatches(2).length).toBeGreaterThan(1);
    const next = start({ journal: survivor, store });
    await drained(survivor);
    await next.stop();
    expect(survivor.setAsideBlocks()).toHaveLength(1);
    await survivor.close();
    expect(store.rows).toEqual(onceEach([1, 2, 3, 5]));
    expect(store.breaches).toEqual([]);
  });

  it('two servers with one store, and a server that lost its journal, never share a token', async () => {
    const store = new FakeStore();
    for (const [serverId, sequence] of [
      ['s1', 1],
      ['s2', 2],
      ['s1', 3],
    ] as const) {
      using directory = temporaryDirectory();
      const journal = await Journal.open({ directory: directory.path });
      await appendAll(journal, [sequence]);
      const loader = start({ journal, store, serverId });
      await drained(journal);
      await loader.stop();
      await journal.close();
    }
    expect(store.rows).toEqual(onceEach([1, 2, 3]));
    expect(store.breaches).toEqual([]);
  });
});
