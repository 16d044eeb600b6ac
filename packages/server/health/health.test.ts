import type { AgentId } from '@sluice/protocol/model';
import { IdentityProblemKind, SourceCondition, UrgencyClass } from '@sluice/wire/gen/uplink_pb';
import { describe, expect, test } from 'vitest';
import { findTroubles, Health, MAX_TOLD, MAX_TOLD_PER_CODE } from './health.ts';
import type { HealthFacts } from './health-facts.ts';
import { agent, lane, NOW_MS, waiting, wellFacts } from './health-fixture.ts';
import { describeProblem } from './problem.ts';
import { TROUBLE_CODES, TROUBLES } from './troubles.ts';

const MIB = 1024 * 1024;
const MINUTE_MS = 60_000;

/** What is told of facts that have stood for an hour. */
function told(changes: Partial<HealthFacts>): string[] {
  const health = new Health();
  const facts = wellFacts(changes);
  health.look(facts, NOW_MS);
  const { problems } = health.look(facts, NOW_MS + 60 * MINUTE_MS);
  return problems.map(({ code, summary }) => `${code}: ${summary}`);
}

test('nothing is told of a server that is well', () => {
  expect(told({ agents: [agent({})], lanes: [lane(0)] })).toEqual([]);
});

describe('the store', () => {
  test('is away, or newer; of one that was not asked yet nothing is said', () => {
    const away = { available: false, error: 'no answer', errorCode: 'not_reachable' } as const;
    expect(told({ store: away })).toEqual(['store_away: The store is not available: no answer.']);
    expect(told({ store: { ...away, errorCode: 'state_newer' } })).toEqual([
      'store_schema_newer: The store cannot be used: no answer.',
    ]);
    expect(told({ store: { ...away, errorCode: undefined } })).toEqual([]);
  });
});

describe('the journal', () => {
  const well = wellFacts().journal;

  test('its disk is full, or nearly: never both', () => {
    const disk = { freeBytes: 3 * MIB, sizeBytes: 1000 * MIB };
    expect(told({ journal: { ...well, disk } })).toEqual([
      'journal_disk_low: The disk under the journal is nearly full: 3.0 MiB of 1000 MiB free.',
    ]);
    expect(told({ journal: { ...well, disk, diskFull: true, roomBytes: 0 } })).toEqual([
      'journal_disk_full: The disk under the journal is full (3.0 MiB of 1000 MiB free): no agent may send.',
    ]);
  });

  test('a large disk with 512 MiB free is not nearly full, one that cannot be seen is not either', () => {
    const sizeBytes = 4_000_000 * MIB;
    expect(told({ journal: { ...well, disk: { sizeBytes, freeBytes: 513 * MIB } } })).toEqual([]);
    expect(told({ journal: { ...well, disk: { sizeBytes, freeBytes: 511 * MIB } } })).toHaveLength(1);
    expect(told({ journal: { ...well, disk: undefined } })).toEqual([]);
  });

  test('is full, and has something aside', () => {
    expect(told({ journal: { ...well, roomBytes: 0, heldRawBytes: 512 * MIB, setAsideBlocks: 1 } })).toEqual([
      'journal_full: The journal is full with 512 MiB: no agent may send.',
      'blocks_set_aside: Set aside in the journal: 1 block that the store refused.',
    ]);
  });

  test('lost what was acknowledged, and dropped what was refused', () => {
    const lost = { lossTotals: { losses: 1, blocks: 7 }, latestLoss: 'the journal is gone' };
    expect(told({ journal: { ...well, ...lost, setAsideDroppedTotal: 2 } })).toEqual([
      'journal_lost: Lost from the journal: 7 blocks that were acknowledged. the journal is gone.',
      'set_aside_dropped: Dropped from the journal: 2 blocks that the store had refused. Their lines are lost.',
    ]);
  });
});

test('blocks that came under names that were taken, or again, are told with agent and numbers', () => {
  const counts = { conflictingBlocks: 2, conflictingRecords: 70, repeatedBlocks: 1, repeatedRecords: 9 };
  const conflicts = [{ agentId: 'web-1' as AgentId, ...counts, firstMs: 1, latestMs: 2 }];
  expect(told({ journal: { ...wellFacts().journal, conflicts } })).toEqual([
    'agent_blocks_in_conflict: Agent web-1 sent other content under 2 blocks that had been taken: 70 records are kept beside the first.',
    'agent_blocks_repeated: Agent web-1 sent 1 block again that the store had: 9 records were left out.',
  ]);
});

test('a memory of who agents are that was lost, or cannot be written, is told', () => {
  expect(told({ identityBook: { loss: 'the file was damaged', writeFailure: 'no space left' } })).toEqual([
    'identity_book_lost: The memory of who agents are was lost: the file was damaged.',
    'identity_book_unwritable: The memory of who agents are cannot be written: no space left.',
  ]);
});

describe('loading', () => {
  const problem = { message: 'connection refused', storeDiskFull: false };

  test('stands still when something waits and nothing was confirmed for a while', () => {
    const facts = wellFacts({
      lanes: [lane(40_000, { problem }), lane(90_000, { urgency: 'bulk' })],
      waiting: [waiting(40_000, { records: 137_146 }), waiting(30_000, { records: 1, agentId: 'db-1' })],
    });
    const [found, ...others] = findTroubles(facts, NOW_MS);
    expect(others).toEqual([]);
    expect(found).toMatchObject({ code: 'loading_stalled', sinceMs: NOW_MS - 40_000 });
    if (found === undefined) return;
    expect(describeProblem(found, NOW_MS).summary).toBe(
      'Loading stands still: 137147 records (normal) wait in the journal, for this reason: connection refused.',
    );
  });

  test('is refused by a store whose disk is full, at once', () => {
    const full = { message: 'Code 243', storeDiskFull: true };
    const facts = wellFacts({ lanes: [lane(0, { problem: full })], waiting: [waiting(0)] });
    expect(findTroubles(facts, NOW_MS)).toMatchObject([
      { code: 'store_disk_full', values: { reason: 'Code 243.' } },
    ]);
  });

  test('does not stand still while nothing waits, or shortly after something was confirmed', () => {
    expect(findTroubles(wellFacts({ lanes: [lane(90_000)] }), NOW_MS)).toEqual([]);
    expect(findTroubles(wellFacts({ lanes: [lane(14_000)], waiting: [waiting(14_000)] }), NOW_MS)).toEqual(
      [],
    );
  });

  test('is behind when it goes on and something has waited for long', () => {
    const facts = wellFacts({ lanes: [lane(1_000)], waiting: [waiting(3 * MINUTE_MS)] });
    expect(findTroubles(facts, NOW_MS)).toMatchObject([
      { code: 'loading_slow', values: { records: '100', age: '3 m' } },
    ]);
  });
});

describe('agents', () => {
  test('one that is gone is told after a minute, with what waited there; not one that stays away', () => {
    const backlog = [{ urgency: UrgencyClass.NORMAL, recordCount: 7n, oldestAgeMs: 10n }];
    const gone = agent({ backlog }, { connected: false });
    const health = new Health();
    const at = (ms: number): string[] =>
      health.look(wellFacts({ agents: [gone] }), NOW_MS + ms).problems.map(({ summary }) => summary);
    expect(at(59_000)).toEqual([]);
    expect(at(MINUTE_MS)).toEqual(['Agent web-1 is gone. When it was last seen, 7 records waited there.']);
    expect(at(8 * 86_400_000)).toEqual([]);
  });

  test('a full disk under the queue, since when the agent says', () => {
    const queue = {
      writeErrorCode: 'disk_full',
      writeError: 'no space left',
      writeErrorMs: 5_000n,
      diskSizeBytes: 9n,
    };
    const facts = wellFacts({ agents: [agent({ queue, problems: ['no space left. Free some.'] })] });
    expect(findTroubles(facts, NOW_MS)).toMatchObject([
      { code: 'agent_queue_disk_full', sinceMs: NOW_MS - 5_000, values: { free: '0 B' } },
    ]);
    const other = { ...queue, writeErrorCode: 'internal' };
    expect(findTroubles(wellFacts({ agents: [agent({ queue: other })] }), NOW_MS)[0]?.code).toBe(
      'agent_queue_unwritable',
    );
  });

  test('a full queue, blocks aside, dropped ones, a lag, a clock, a word of its own', () => {
    const report = {
      queue: {
        pausedMs: 1n,
        usedBytes: BigInt(MIB),
        setAsideBlocks: 2n,
        setAsideDroppedTotal: 1n,
        ...{ lossesTotal: 1n, lostBlocksTotal: 3n, latestLoss: 'the queue is gone' },
      },
      backlog: [{ urgency: UrgencyClass.BULK, recordCount: 3n, oldestAgeMs: BigInt(2 * MINUTE_MS) }],
      sentAtMs: BigInt(NOW_MS - 5 * MINUTE_MS),
      problems: ['/var/log/a: permission denied', 'another'],
    };
    expect(told({ agents: [agent(report)] })).toEqual([
      'agent_queue_lost: Lost from the queue of agent web-1: 3 blocks that no server had acknowledged. the queue is gone.',
      'agent_set_aside_dropped: Agent web-1 dropped 1 block that no server took: their lines are lost unless the files are there.',
      'agent_blocks_set_aside: Set aside at agent web-1: 2 blocks that no server took.',
      'agent_lagging: Agent web-1 is behind: the oldest of 3 records in its queue has waited for 62 m.',
      'agent_queue_full: The queue of agent web-1 is full with 1.0 MiB: reading pauses.',
      'agent_clock_off: The clock of agent web-1 says 2027-01-15T07:55:00.000Z: that is 5 m off the clock of this server.',
      'agent_problem: Agent web-1: /var/log/a: permission denied. another.',
    ]);
  });

  test('a server that some of them miss is told once, and not a second time in their own words', () => {
    const servers = [{ address: 'http://b:4620', connected: false, error: 'refused' }];
    const missing = agent({ servers, problems: ['refused'] });
    expect(told({ agents: [missing] })).toEqual([
      'server_unreachable: Server http://b:4620 cannot be reached by 1 of 1 agent (web-1): refused.',
    ]);
    expect(told({ agents: [missing, agent({}, { agentId: 'b' }), { ...missing, agentId: 'c' }] })).toEqual([
      'server_unreachable: Server http://b:4620 cannot be reached by 2 of 3 agents (web-1, c): refused.',
    ]);
    // Twins are two sessions of one agent.
    expect(told({ agents: [missing, missing] })).toEqual([
      'server_unreachable: Server http://b:4620 cannot be reached by 1 of 1 agent (web-1): refused.',
    ]);
  });

  test('sources that stand still, cannot be read, went away, and nothing of those that read on', () => {
    const source = { unreadBytes: 2048n, forMs: 40_000n, reason: 'no progress' };
    const worst = [
      { ...source, name: '/a', condition: SourceCondition.STUCK },
      { ...source, name: '/b', condition: SourceCondition.FAILING },
      { ...source, name: '/c', condition: SourceCondition.VANISHED },
      { ...source, name: '/d', condition: SourceCondition.READING },
      { ...source, name: '/e', condition: 99 },
    ];
    const report = { sources: { worst, failedRecords: 1n }, problems: ['/b: no progress'] };
    const facts = wellFacts({ agents: [agent(report)] });
    expect(findTroubles(facts, NOW_MS)[0]).toMatchObject({ sinceMs: NOW_MS - 40_000 });
    expect(told(facts)).toEqual([
      'source_stuck: Source /a of agent web-1 stands still with 2.0 KiB not read: no progress.',
      'source_unreadable: Source /b of agent web-1 cannot be read (2.0 KiB wait): no progress.',
      'source_vanished: Source /c of agent web-1 is gone, 2.0 KiB of it were never read.',
      'lines_failed: At agent web-1 1 line became no record by an error of the program.',
    ]);
  });

  test('whatever an agent claims is told and bounded', () => {
    const most = 2n ** 64n - 1n;
    const queue = { writeErrorCode: 'disk_full', writeErrorMs: most, pausedMs: most, diskSizeBytes: most };
    const backlog = [{ urgency: 99, recordCount: most, oldestAgeMs: most }];
    const liar = agent({ queue, backlog, sentAtMs: most, problems: ['x'.repeat(100_000)] });
    const { problems } = new Health().look(wellFacts({ agents: [liar] }), NOW_MS);
    expect(problems.length).toBeGreaterThan(0);
    for (const { sinceMs, summary } of problems) {
      expect(BigInt(sinceMs)).toBeGreaterThanOrEqual(0n);
      expect(summary.length).toBeLessThan(500);
    }
  });
});

test('who agents are: each trouble of an agent once, since it began', () => {
  const fact = { agentId: 'a', sinceMs: NOW_MS - 9_000, count: 2 };
  const facts = wellFacts({
    identities: [
      { ...fact, kind: IdentityProblemKind.TWINS },
      { ...fact, kind: IdentityProblemKind.OTHER_KEY },
      { ...fact, kind: IdentityProblemKind.OTHER_KEY, sinceMs: NOW_MS - 20_000, count: 1 },
      { ...fact, kind: IdentityProblemKind.NO_KEY, count: 1 },
      { ...fact, kind: IdentityProblemKind.ROLLED_BACK, count: 1 },
      { ...fact, kind: IdentityProblemKind.UNSPECIFIED },
    ],
  });
  expect(findTroubles(facts, NOW_MS).map(({ sinceMs }) => sinceMs)).toEqual(
    [9_000, 20_000, 9_000, 9_000].map((agoMs) => NOW_MS - agoMs),
  );
  expect(told(facts)).toEqual([
    'identity_twins: 2 agents run as a at once. All their logs are taken.',
    'identity_other_key: Someone came as agent a with an unknown key (3 times). Those logs are taken.',
    'identity_no_key: Someone came as agent a without its key (1 time). Those logs are taken.',
    'agent_rolled_back: The data directory of agent a went back (1 time): lines may be there twice.',
  ]);
});

test('searches that were sent away', () => {
  expect(told({ searches: { running: 4, waiting: 60, refusedLately: 7 } })).toEqual([
    'searches_refused: 7 searches were sent away in the last minute: 4 run and 60 wait.',
  ]);
});

test('a common cause at thousands of agents is one thing to read, and counted whole', () => {
  const agents = Array.from({ length: 5000 }, (_, index) =>
    agent({}, { agentId: `agent-${index}`, connected: false, lastSeenMs: NOW_MS - MINUTE_MS }),
  );
  const { problems, counts } = new Health().look(wellFacts({ agents }), NOW_MS);
  expect(problems).toHaveLength(MAX_TOLD_PER_CODE);
  expect(counts.get('agent_gone')).toBe(5000);
  expect(MAX_TOLD).toBeGreaterThan(MAX_TOLD_PER_CODE);
});

test('errors stand above warnings, and causes above what follows from them', () => {
  const ranks = TROUBLE_CODES.map((code) => TROUBLES[code].severity);
  expect(ranks).toEqual([...ranks].sort());
  const store = { available: false, error: 'x', errorCode: 'not_reachable' } as const;
  const facts = {
    store,
    lanes: [lane(40_000)],
    waiting: [waiting(40_000)],
    agents: [agent({ problems: ['p'] })],
  };
  expect(told(facts).map((line) => line.split(':')[0])).toEqual([
    'store_away',
    'loading_stalled',
    'agent_problem',
  ]);
});

test('files that were damaged while they were in use: what to do, since when, and no word of a full journal', () => {
  const damage = { reason: 'the journal in /data was damaged: MDB_CORRUPTED', sinceMs: NOW_MS };
  const queue = { writeErrorCode: 'state_corrupt', writeError: 'the queue q cannot be read: MDB_BAD_TXN' };
  const agents = [agent({ queue })];
  expect(told({ journal: { ...wellFacts().journal, roomBytes: 0, damage }, agents })).toEqual([
    'journal_damaged: The journal cannot be used: the journal in /data was damaged: MDB_CORRUPTED.',
    expect.stringMatching(
      /^agent_queue_damaged: Agent .* cannot use its queue: the queue q cannot be read: MDB_BAD_TXN\.$/,
    ),
  ]);
});
