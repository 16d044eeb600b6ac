/** U12 and U14 on one server: whatever fails, each acknowledged block is in the store exactly once in the end. */
import { join } from 'node:path';
import type { UrgencyClass } from '@sluice/protocol/model';
import { URGENCY_CLASSES } from '@sluice/protocol/model';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { Journal } from '../journal/journal.ts';
import { acceptedBlock, crashInto, temporaryDirectory } from '../journal/journal-fixture.ts';
import type { Lane } from '../journal/journal-records.ts';
import type { BatchStore } from './batch-store.ts';
import { FakeStore, type Fate, fakeBody } from './fake-store.ts';
import type { LanePolicy } from './lane-policy.ts';
import { type Loader, startLoader } from './loader.ts';

const silent = { info: () => undefined, warn: () => undefined, error: () => undefined };
const quick: LanePolicy = {
  gatherMs: 0,
  intervalMs: 0,
  maxIntervalMs: 0,
  fullRawBytes: 20_000,
  maxRetryMs: 2,
};
const policies: Record<Lane, LanePolicy> = { 0: quick, 1: quick, 2: quick, 3: quick };

type Step =
  | { readonly type: 'append'; readonly sequence: number; readonly urgency: UrgencyClass }
  | { readonly type: 'settle'; readonly turns: number }
  | { readonly type: 'crash' };

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      type: fc.constant('append' as const),
      sequence: fc.integer({ min: 1, max: 40 }),
      urgency: fc.constantFrom(...URGENCY_CLASSES),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({ type: fc.constant('settle' as const), turns: fc.integer({ min: 1, max: 30 }) }),
  },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('crash' as const) }) },
);

const fate: fc.Arbitrary<Fate> = fc.constantFrom(
  'apply',
  'apply',
  'fail',
  'apply_then_fail',
  'hang',
  'apply_then_hang',
);

/** One life of the server. After its crash nothing that it does reaches the store, and no answer of it an agent. */
class Life {
  alive = true;
  readonly journal: Journal;
  readonly #loader: Loader;

  private constructor(journal: Journal, store: BatchStore) {
    this.journal = journal;
    this.#loader = startLoader({
      journal,
      storeClient: {
        insertBlocks: (request) => {
          if (!this.alive) throw new Error('this process is dead');
          return store.insertBlocks(request);
        },
      },
      serverId: 's1',
      logger: silent,
      policies,
      bodyOf: fakeBody,
      firstRetryMs: 1,
      insertTimeoutMs: 3,
      stopGraceMs: 0,
    });
  }

  static async begin(directory: string, store: BatchStore): Promise<Life> {
    return new Life(await Journal.open({ directory }), store);
  }

  async end(): Promise<void> {
    await this.#loader.stop();
    await this.journal.close();
  }
}

it('loads each acknowledged block exactly once, over crashes and failures of the store', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { minLength: 5, maxLength: 60 }),
      fc.array(fate, { maxLength: 40 }),
      fc.uniqueArray(fc.integer({ min: 1, max: 40 }), { maxLength: 3 }),
      async (steps, fates, refused) => {
        using root = temporaryDirectory();
        const store = new FakeStore();
        for (const sequence of refused) store.refused.add(`agent/${sequence}`);
        store.fate = () => fates[store.attempts.length - 1] ?? 'apply';
        const lives: Life[] = [];
        let directory = join(root.path, 'life-0');
        let life = await Life.begin(directory, store);
        lives.push(life);
        // A sequence has one class for ever: it is a part of the block.
        const classes = new Map<number, UrgencyClass>();
        const acknowledged = new Set<number>();
        const appends: Promise<void>[] = [];
        const append = (sequence: number, urgency: UrgencyClass): void => {
          const current = life;
          const block = acceptedBlock({ sequence, urgency });
          appends.push(
            current.journal.append(block).then(() => {
              if (!current.alive) return;
              acknowledged.add(sequence);
              expect(current.journal.knows(block.header.id)).toBe(true);
            }),
          );
        };
        for (const current of steps) {
          if (current.type === 'append') {
            if (!classes.has(current.sequence)) classes.set(current.sequence, current.urgency);
            append(current.sequence, classes.get(current.sequence) ?? current.urgency);
          } else if (current.type === 'settle') {
            for (let turn = 0; turn < current.turns; turn += 1) await new Promise(setImmediate);
          } else {
            const next = join(root.path, `life-${lives.length}`);
            life.alive = false;
            crashInto(directory, next);
            directory = next;
            life = await Life.begin(directory, store);
            lives.push(life);
            for (const [sequence, urgency] of classes) {
              if (!acknowledged.has(sequence)) continue;
              expect(life.journal.knows(acceptedBlock({ sequence, urgency }).header.id)).toBe(true);
            }
          }
        }
        await Promise.all(appends);
        // The agent sends again what nobody acknowledged, and something that was.
        for (const [sequence, urgency] of classes) append(sequence, urgency);
        await Promise.all(appends);
        await new Promise<void>((resolve) => {
          const check = (): void => {
            if (life.journal.roomBytes === life.journal.maxRawBytes) resolve();
          };
          life.journal.listen({ onRoomChanged: check });
          check();
        });
        const expected = [...classes.keys()].filter((sequence) => !refused.includes(sequence));
        expect(new Map([...store.rows].toSorted())).toEqual(
          new Map(expected.map((sequence): [string, number] => [`agent/${sequence}`, 1]).toSorted()),
        );
        expect(store.breaches).toEqual([]);
        expect(
          life.journal
            .setAsideBlocks()
            .map((block) => block.header.id.sequence)
            .toSorted(),
        ).toEqual([...classes.keys()].filter((sequence) => refused.includes(sequence)).toSorted());
        for (const each of lives) await each.end();
      },
    ),
    { numRuns: 60 },
  );
});
