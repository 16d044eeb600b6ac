import { create } from '@bufbuild/protobuf';
import type { AgentId, BlockDigest } from '@sluice/protocol/model';
import { ANONYMOUS } from '@sluice/protocol/principal';
import { CountRequestSchema, HistogramRequestSchema, SearchRequestSchema } from '@sluice/wire/gen/query_pb';
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { BATCH_COLUMNS } from '../loader/batch-body.ts';
import { makeBatch, startTestStore, type TestStore } from '../store/log-fixture.ts';
import { type Scope, WHOLE_TABLE } from '../store/log-table.ts';
import { migrate } from '../store/migrate.ts';
import { createMovedCopies, HOLD_SETTLE_MS, type MovedCopy } from '../store/moved-copies.ts';
import { createHiddenCopies, MAX_ATTEMPTS, MAX_VIEW_AGE_MS, shownOf } from './hidden-copies.ts';
import { createSearchService } from './search-service.ts';
import { createSearchStore } from './search-store.ts';

function copy(sequence: number, serverId: string, state: MovedCopy['state']): MovedCopy {
  const id = { agentId: 'agent-1' as AgentId, epoch: 1, sequence, digest: '' as BlockDigest };
  return { id, serverId, state, recordCount: 10, oldestObservedMs: Date.UTC(2026, 2, 2), ageMs: 0 };
}

describe('U14 with the real engine', () => {
  let started: TestStore;
  beforeAll(async () => {
    started = await startTestStore();
    await migrate(started.client);
    // Blocks 10, 20 and 30 of s1, and second copies of 10 and 20 by s2.
    for (const sequence of [10, 20, 30]) await insert(sequence);
    const copied = BATCH_COLUMNS.map((name) => (name === 'ServerId' ? "'s2'" : name));
    for (const sequence of [10, 20]) {
      await started.client.command(
        `INSERT INTO otel_logs (${BATCH_COLUMNS.join(', ')}) SELECT ${copied.join(', ')} FROM otel_logs ` +
          `WHERE BlockSequence = ${sequence}`,
      );
    }
  });
  afterAll(async () => {
    await started.end();
  });

  async function insert(sequence: number): Promise<void> {
    const zstdBody = await makeBatch(started.directory, sequence, 10);
    await started.client.insertBlocks({
      columns: BATCH_COLUMNS,
      zstdBody,
      deduplicationToken: `${sequence}`,
    });
  }

  test('no search, count or histogram shows a second copy, in any state, and in the end there is none', async () => {
    const moved = createMovedCopies(started.client);
    const store = createSearchStore(started.client);
    const signal = new AbortController().signal;
    const all = async (): Promise<unknown[]> => {
      const service = createSearchService({ store, hidden: createHiddenCopies(moved) });
      const found = await service.search(
        create(SearchRequestSchema, { query: '*', limit: 100 }),
        ANONYMOUS,
        signal,
      );
      const counted = await service.count(create(CountRequestSchema, { query: '*' }), ANONYMOUS, signal);
      const histogram = await service.histogram(
        create(HistogramRequestSchema, { query: '*' }),
        ANONYMOUS,
        signal,
      );
      return [found.records?.length, counted.count, histogram.total];
    };
    expect(await all()).toEqual([50, 50n, 50n]);
    await moved.write([copy(10, 's2', 'held'), copy(20, 's2', 'held')], 'held');
    expect(await all()).toEqual([30, 30n, 30n]);
    await moved.write([copy(10, 's2', 'held')], 'kept');
    expect(await all()).toEqual([30, 30n, 30n]);
    // An older state that is written late changes nothing.
    await moved.write([copy(10, 's2', 'held')], 'held');
    expect((await moved.read()).map(({ id, state }) => [id.sequence, state]).toSorted()).toEqual([
      [10, 'kept'],
      [20, 'held'],
    ]);
    await moved.deleteCopies([copy(10, 's1', 'kept'), copy(20, 's2', 'held')]);
    expect(await all()).toEqual([30, 30n, 30n]);
    await moved.write([copy(10, 's2', 'kept'), copy(20, 's2', 'held')], 'settled');
    expect(await moved.read()).toEqual([]);
    expect(await all()).toEqual([30, 30n, 30n]);
    const [own] = await moved.readOwn('s2', [copy(10, 's2', 'kept').id]);
    expect(own?.state).toBe('settled');
    await moved.purge(3_600_000);
    expect(await moved.readOwn('s2', [copy(10, 's2', 'kept').id])).toHaveLength(1);
    await moved.purge(-1000);
    expect(await moved.readOwn('s2', [copy(10, 's2', 'kept').id])).toEqual([]);
  });
});

describe('U14 how long a view is good', () => {
  afterEach(() => {
    vi.useRealTimers();
  });

  /** A table that is read as `tables` say, one after the other, and an answer that takes so long. */
  function setup(...tables: MovedCopy[][]): {
    reads: () => number;
    answer: (tookMs: number) => Promise<Scope[]>;
  } {
    vi.useFakeTimers({ toFake: ['performance'] });
    let reads = 0;
    const hidden = createHiddenCopies({
      read: async () => tables[Math.min(reads++, tables.length - 1)] ?? [],
    });
    return {
      reads: () => reads,
      answer: (tookMs) => {
        const scopes: Scope[] = [];
        return hidden.answer(async (shown) => {
          scopes.push(shown);
          vi.advanceTimersByTime(tookMs);
          return scopes;
        });
      },
    };
  }

  test('quick answers share one, and while nothing moves the scope adds nothing', async () => {
    const { answer, reads } = setup([]);
    expect(await answer(10)).toEqual([WHOLE_TABLE]);
    expect(await answer(10)).toEqual([WHOLE_TABLE]);
    expect(reads()).toBe(1);
    vi.advanceTimersByTime(MAX_VIEW_AGE_MS);
    await answer(10);
    expect(reads()).toBe(2);
  });

  test('a slow answer counts when no copy was hidden meanwhile, and is made again when one was', async () => {
    const held = copy(1, 's2', 'held');
    expect(await setup([]).answer(HOLD_SETTLE_MS)).toEqual([WHOLE_TABLE]);
    expect(await setup([held], []).answer(HOLD_SETTLE_MS)).toEqual([shownOf([held])]);
    expect(await setup([], [held]).answer(HOLD_SETTLE_MS)).toEqual([WHOLE_TABLE, shownOf([held])]);
  });

  test('an answer that never keeps up is a clear error', async () => {
    const growing = Array.from({ length: MAX_ATTEMPTS + 2 }, (_, count) =>
      Array.from({ length: count }, (_none, sequence) => copy(sequence, 's2', 'held')),
    );
    await expect(setup(...growing).answer(HOLD_SETTLE_MS)).rejects.toMatchObject({ code: 'busy' });
  });
});
