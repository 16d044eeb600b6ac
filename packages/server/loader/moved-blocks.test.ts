/** U14: a block that came to several servers is shown at most once at any moment, and once, stored once, in the end. */
import { join } from 'node:path';
import { server as serverId } from '@sluice/protocol/machine-fixture';
import { blockKey } from '@sluice/protocol/model';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { AcceptedBlock } from '../journal/accepted-block.ts';
import { Journal } from '../journal/journal.ts';
import { acceptedBlock, crashInto, temporaryDirectory } from '../journal/journal-fixture.ts';
import type { Lane } from '../journal/journal-records.ts';
import type { MovedCopy } from '../store/moved-copies.ts';
import { FakeMoved } from './fake-moved.ts';
import { FakeStore, type Fate, fakeBody } from './fake-store.ts';
import type { LanePolicy } from './lane-policy.ts';
import { type Loader, startLoader } from './loader.ts';
import { decide } from './moved-decisions.ts';
import { reconcile } from './moved-reconciler.ts';

const silent = { info: () => undefined, warn: () => undefined, error: () => undefined };
const quick: LanePolicy = {
  gatherMs: 0,
  intervalMs: 0,
  maxIntervalMs: 0,
  fullRawBytes: 20_000,
  maxRetryMs: 2,
};
const policies: Record<Lane, LanePolicy> = { 0: quick, 1: quick, 2: quick, 3: quick };
const SERVERS = ['s1', 's2', 's3'] as const;
type ServerName = (typeof SERVERS)[number];
const MOST_SEQUENCE = 5;
const IMMEDIATELY = { helpAfterMs: 0, deleteAfterMs: 0, settleAfterMs: Number.POSITIVE_INFINITY };

type Step =
  | { readonly type: 'send'; readonly server: ServerName; readonly sequence: number }
  | { readonly type: 'turns'; readonly turns: number }
  | { readonly type: 'crash'; readonly server: ServerName }
  | { readonly type: 'reconcile' };

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      type: fc.constant('send' as const),
      server: fc.constantFrom(...SERVERS),
      sequence: fc.integer({ min: 1, max: MOST_SEQUENCE }),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({ type: fc.constant('turns' as const), turns: fc.integer({ min: 1, max: 40 }) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ type: fc.constant('crash' as const), server: fc.constantFrom(...SERVERS) }),
  },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('reconcile' as const) }) },
);

const fate: fc.Arbitrary<Fate> = fc.constantFrom(
  'apply',
  'apply',
  'apply',
  'fail',
  'apply_then_fail',
  'hang',
  'apply_then_hang',
);

/** Servers with journals of their own on one store, which they reach only while they live. */
class Servers {
  readonly store = new FakeStore();
  readonly moved = new FakeMoved(this.store);
  readonly root: string;
  readonly twice: string[] = [];
  readonly #lives = new Map<
    ServerName,
    { journal: Journal; loader: Loader; alive: boolean; directory: string }
  >();
  readonly #ended: Promise<void>[] = [];
  #births = 0;

  readonly #delays: readonly number[];
  #calls = 0;

  constructor(root: string, delays: readonly number[]) {
    this.root = root;
    this.#delays = delays;
  }

  async begin(server: ServerName): Promise<void> {
    const old = this.#lives.get(server);
    const directory = join(this.root, `${server}-${this.#births++}`);
    if (old !== undefined) {
      old.alive = false;
      crashInto(old.directory, directory);
      this.#ended.push(old.loader.stop().then(() => old.journal.close()));
    }
    const journal = await Journal.open({ directory });
    const life = { alive: true };
    const guard = <A extends unknown[], R>(
      call: (...given: A) => Promise<R>,
    ): ((...given: A) => Promise<R>) => {
      return async (...given) => {
        // A dead process asks nothing, and hears nothing.
        if (!life.alive) throw new Error('this process is dead');
        await this.#delay();
        const result = await call(...given);
        await this.#delay();
        this.look();
        if (!life.alive) throw new Error('this process is dead');
        return result;
      };
    };
    const { store, moved } = this;
    const loader = startLoader({
      journal,
      storeClient: { insertBlocks: guard((request) => store.insertBlocks(request)) },
      others: {
        findStored: guard((blocks) => store.findStored(blocks)),
        moved: {
          read: guard(() => moved.read()),
          readOwn: guard((serverId, blocks) => moved.readOwn(serverId, blocks)),
          write: guard((copies, state) => moved.write(copies, state)),
          deleteCopies: guard((copies) => moved.deleteCopies(copies)),
          purge: guard(() => moved.purge()),
        },
        settleMs: 1,
      },
      serverId: server,
      logger: silent,
      policies,
      bodyOf: fakeBody,
      firstRetryMs: 1,
      insertTimeoutMs: 3,
      recheckAfterMs: 5,
      stopGraceMs: 0,
    });
    this.#lives.set(server, Object.assign(life, { journal, loader, directory }));
  }

  /** The way to the store and back takes its time, each time another. */
  async #delay(): Promise<void> {
    const turns = this.#delays[this.#calls++ % this.#delays.length] ?? 0;
    for (let turn = 0; turn < turns; turn += 1) await new Promise(setImmediate);
  }

  /** Calls `acknowledge` when the block is durable, unless the server is dead by then. */
  send(server: ServerName, block: AcceptedBlock, acknowledge: () => void): void {
    const life = this.#lives.get(server);
    life?.journal.append(block).then(
      () => {
        if (life.alive) acknowledge();
      },
      (error: unknown) => {
        if (life.alive) throw error;
      },
    );
  }

  journalOf(server: ServerName): Journal {
    const life = this.#lives.get(server);
    if (life === undefined) throw new Error(`${server} does not live`);
    return life.journal;
  }

  /** What a search finds now. */
  look(): void {
    for (let sequence = 1; sequence <= MOST_SEQUENCE; sequence += 1) {
      const shown = this.moved.shown(acceptedBlock({ sequence }).header.id);
      if (shown > 1) this.twice.push(`${sequence}: ${shown}`);
    }
  }

  async reconcile(): Promise<void> {
    const findStored = this.store.findStored.bind(this.store);
    const { moved } = this;
    const slowly = {
      findStored: async (...given: Parameters<typeof findStored>) => {
        const found = await findStored(...given);
        await this.#delay();
        return found;
      },
      moved,
    };
    await reconcile(slowly, IMMEDIATELY, () => true);
    this.look();
  }

  async drained(): Promise<void> {
    for (const server of SERVERS) {
      const journal = this.journalOf(server);
      await new Promise<void>((resolve) => {
        const check = (): void => {
          if (journal.roomBytes === journal.maxRawBytes) resolve();
        };
        journal.listen({ onRoomChanged: check });
        check();
      });
    }
  }

  async end(): Promise<void> {
    for (const { loader, journal } of this.#lives.values()) {
      await loader.stop();
      await journal.close();
    }
    await Promise.all(this.#ended);
  }
}

it('U14 over several servers, crashes, lost answers and reconcilers, each block is shown once', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { minLength: 8, maxLength: 60 }),
      fc.array(fate, { maxLength: 60 }),
      fc.array(fc.integer({ min: 0, max: 40 }), { minLength: 1, maxLength: 30 }),
      async (steps, fates, delays) => {
        using root = temporaryDirectory();
        const servers = new Servers(root.path, delays);
        servers.store.fate = () => fates[servers.store.attempts.length - 1] ?? 'apply';
        for (const server of SERVERS) await servers.begin(server);
        /** Where each block was sent first: that server has it unmarked, all others marked. */
        const firstAt = new Map<number, ServerName>();
        const acknowledged = new Set<number>();
        for (const current of steps) {
          if (current.type === 'send') {
            const { server, sequence } = current;
            const first = firstAt.get(sequence) ?? server;
            firstAt.set(sequence, first);
            const block = acceptedBlock({ sequence });
            const sent = first === server ? block : { ...block, inDoubtAt: serverId(first) };
            servers.send(server, sent, () => acknowledged.add(sequence));
          } else if (current.type === 'turns') {
            for (let turn = 0; turn < current.turns; turn += 1) await new Promise(setImmediate);
          } else if (current.type === 'crash') await servers.begin(current.server);
          else await servers.reconcile();
          servers.look();
        }
        servers.store.fate = () => 'apply';
        await servers.drained();
        await servers.reconcile();
        await servers.reconcile();
        await servers.end();
        expect(servers.twice).toEqual([]);
        for (const sequence of acknowledged) {
          const { id } = acceptedBlock({ sequence }).header;
          expect([sequence, servers.moved.shown(id)]).toEqual([sequence, 1]);
          expect([sequence, servers.store.rows.get(`agent/${sequence}`)]).toEqual([sequence, 1]);
        }
        // Nothing is left half way: each row is of a kept copy, or says nothing any more.
        expect(servers.moved.live().filter(({ state }) => state === 'held')).toEqual([]);
      },
    ),
    { numRuns: 25, endOnFailure: true },
  );
});

it('U25 a marked block that its server loaded and forgot hides no copy, and is counted as one that came again', async () => {
  using root = temporaryDirectory();
  const servers = new Servers(root.path, [3]);
  for (const server of SERVERS) await servers.begin(server);
  const block = acceptedBlock({ sequence: 1 });
  const { id } = block.header;
  servers.send('s1', block, () => undefined);
  while (servers.moved.shown(id) === 0) await new Promise(setImmediate);
  await servers.drained();
  const journal = servers.journalOf('s1');
  journal.settleBelow(id.agentId, id.epoch, 1_000);
  let leastShown = 1;
  const watch = (): void => {
    leastShown = Math.min(leastShown, servers.moved.shown(id));
  };
  await journal.append({ ...block, inDoubtAt: serverId('s2') });
  while (journal.roomBytes < journal.maxRawBytes) {
    watch();
    await new Promise(setImmediate);
  }
  await servers.end();
  watch();
  expect(leastShown).toBe(1);
  expect(journal.statistics.conflicts).toMatchObject([{ agentId: id.agentId, repeatedBlocks: 1 }]);
});

describe('U14 what is done about moved blocks', () => {
  const { id } = acceptedBlock({ sequence: 1 }).header;
  const copy = (serverId: string, state: MovedCopy['state'], ageMs = 1e9): MovedCopy => ({
    ...{ id, serverId, state, ageMs, recordCount: 10, oldestObservedMs: 0 },
  });
  const there = (...servers: string[]): Map<string, string[]> => new Map([[blockKey(id), servers]]);
  const servers = (copies: readonly { serverId: string }[]): string[] =>
    copies.map(({ serverId }) => serverId);

  it('a second copy goes when the first is kept, there, and kept for long enough', () => {
    expect(servers(decide(there('s1', 's2'), [copy('s2', 'kept')]).remove)).toEqual(['s1']);
    expect(decide(there('s1', 's2'), [copy('s2', 'kept', 1000)]).remove).toEqual([]);
    expect(decide(there('s1'), [copy('s2', 'kept')]).remove).toEqual([]);
  });

  it('a copy that is held is never deleted: its server may show it at any moment', () => {
    expect(decide(there('s1', 's3'), [copy('s1', 'held', 0), copy('s3', 'kept')]).remove).toEqual([]);
  });

  it('of two that are kept, the one that is not shown goes', () => {
    expect(servers(decide(there('s2', 's3'), [copy('s3', 'kept'), copy('s2', 'kept')]).remove)).toEqual([
      's3',
    ]);
  });

  it('a held copy of a dead server is shown when it is in the store, not before', () => {
    expect(servers(decide(there('s2'), [copy('s2', 'held')]).keep)).toEqual(['s2']);
    expect(decide(there('s2'), [copy('s2', 'held', 1000)]).keep).toEqual([]);
    expect(decide(there('s1'), [copy('s2', 'held')]).keep).toEqual([]);
  });

  it('a block settles when only the shown copy is left and nothing more can come', () => {
    expect(servers(decide(there('s2'), [copy('s2', 'kept')]).settle)).toEqual(['s2']);
    expect(decide(there('s1', 's2'), [copy('s2', 'kept')]).settle).toEqual([]);
    expect(decide(there('s2'), [copy('s2', 'kept'), copy('s3', 'held')]).settle).toEqual([]);
    expect(decide(there('s2'), [copy('s2', 'kept', 60_000)]).settle).toEqual([]);
  });
});
