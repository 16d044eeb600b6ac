/**
 * A status with the situation that the flow view exists for: S1 holds channels 1 and 3, S2 holds 2 and 4, so S2/2 is used
 * out of turn and S2 is told. It moves with time, so that the page has something to animate.
 */
import { create, type MessageInitShape } from '@bufbuild/protobuf';
import {
  type GetStatusResponse,
  GetStatusResponseSchema,
  type HealthSchema,
  ProblemSeverity,
} from '@sluice/wire/gen/query_pb';
import { SourceCondition, UplinkEventKind, UrgencyClass } from '@sluice/wire/gen/uplink_pb';
import { fakeEvents, fakeEventTotals } from './fake-uplink.ts';

const MIB = 1024 * 1024;

export interface FakeStatusOptions {
  readonly storeAvailable: boolean;
  /** Problems of every kind in the list. */
  readonly unwell?: boolean;
  readonly totalRecords: number;
}

export function makeStatus(nowMs: number, options: FakeStatusOptions): GetStatusResponse {
  const phase = (nowMs / 1000) % 20;
  const used = (quotaMib: number, from: number, to: number): bigint =>
    BigInt(Math.floor(quotaMib * MIB * Math.max(0, Math.min(1, (phase - from) / (to - from)))));
  const notice = {
    grantId: 'g-S2-17',
    channel: 1,
    priority: 2,
    outrankedBy: [{ serverId: 'S1', highestPriority: 1, heldPriorities: [3] }],
  };
  const channel = (
    grantId: string,
    number: number,
    priority: number,
    quotaMib: number,
    usedBytes: bigint,
  ) => ({
    grantId,
    channel: number,
    priority,
    quotaBytes: BigInt(quotaMib * MIB),
    usedBytes,
    expiresInMs: BigInt(Math.floor((20 - phase) * 1000)),
    stalled: false,
    violating: priority === 2 && usedBytes > 0n,
  });
  const webServers = [
    {
      address: 'http://127.0.0.1:4620',
      serverId: 'S1',
      connected: true,
      blocksInFlight: 2,
      channels: [channel('g-S1-21', 1, 1, 16, used(16, -3, 6)), channel('g-S1-21', 2, 3, 8, used(8, 11, 15))],
    },
    {
      address: 'http://127.0.0.1:4621',
      serverId: 'S2',
      connected: true,
      blocksInFlight: 1,
      stalled: true,
      acknowledgedBytesPerSecond: BigInt(3 * MIB),
      usualAnswerMs: 240n,
      channels: [channel('g-S2-17', 1, 2, 12, used(12, 6, 11)), channel('g-S2-17', 2, 4, 8, used(8, 15, 20))],
    },
    {
      address: 'http://10.0.0.9:4620',
      serverId: '',
      connected: false,
      error: 'connection refused',
      channels: [],
    },
  ];
  const backlog = (urgent: number, elevated: number, normal: number, bulk: number) =>
    (
      [
        [UrgencyClass.URGENT, urgent, 180],
        [UrgencyClass.ELEVATED, elevated, 900],
        [UrgencyClass.NORMAL, normal, 4200],
        [UrgencyClass.BULK, bulk, 42_000],
      ] as const
    ).map(([urgency, records, oldest]) => ({
      urgency,
      recordCount: BigInt(records),
      rawBytes: BigInt(records * 310),
      oldestAgeMs: BigInt(records === 0 ? 0 : oldest),
    }));
  const order: readonly (readonly [string, string, number, number, boolean])[] = [
    ['S1', 'g-S1-21', 1, 1, false],
    ['S1', 'g-S1-21', 1, 1, false],
    ['S1', 'g-S1-21', 1, 1, false],
    ['S2', 'g-S2-17', 1, 2, true],
    ['S2', 'g-S2-17', 1, 2, true],
    ['S1', 'g-S1-21', 2, 3, false],
    ['S2', 'g-S2-17', 2, 4, false],
    ['S2', 'g-S2-17', 2, 4, false],
  ];
  const startedMs = nowMs - phase * 1000;
  return create(GetStatusResponseSchema, {
    health: makeHealth(nowMs, options),
    violationsTotal: 3n,
    urgentLag:
      phase < 2 || options.unwell === true
        ? { oldestMs: options.unwell === true ? 6_400n : 180n, agentId: 'web-01' }
        : {},
    store: options.storeAvailable
      ? { available: true, version: '26.7' }
      : { available: false, error: 'connection refused: 127.0.0.1:8123' },
    servers: [
      {
        serverId: 'S1',
        answering: true,
        state: 'connected',
        channels: webServers[0]?.channels.map((state) => ({ agentId: 'web-01', channel: state })) ?? [],
        admission: {
          outstandingBytes: BigInt(31 * MIB),
          writingBytes: BigInt(2 * MIB),
          drainBytesPerSecond: BigInt(18 * MIB),
          waitingAgents: 1,
          loweredAgents: 1,
          loaded: options.unwell === true,
        },
        history: [
          {
            number: 4n,
            atMs: BigInt(Math.floor(startedMs - 9_000)),
            kind: UplinkEventKind.YIELD,
            peerId: 'web-01',
            reason: 'a notice named priority 3',
            priorities: [4, 6],
          },
        ],
        journal: {
          blocks: 14n,
          rawBytes: BigInt(22 * MIB),
          roomBytes: BigInt(1002 * MIB),
          recordsLoadedTotal: BigInt(options.totalRecords),
        },
      },
      {
        serverId: 'S2',
        state: 'connected',
        violationsTotal: 3n,
        recentNotices: [{ atMs: BigInt(Math.floor(startedMs - 15_000)), agentId: 'db-01', notice }],
      },
    ],
    agents: [
      {
        agentId: 'web-01',
        connected: true,
        lastSeenMs: BigInt(Math.floor(nowMs - 300)),
        urgentLagMs: phase < 2 ? 180n : 0n,
        admission: { outstandingBytes: BigInt(24 * MIB), requestWaits: true, loweredBy: 3 },
        report: {
          hostName: 'web-01.example',
          backlog: backlog(phase < 2 ? 12 : 0, 240, 9200, 182_000),
          unreadBytes: BigInt(148 * MIB),
          lagMs: 4200n,
          servers: webServers,
          recentUses: order.map(([serverId, grantId, number, priority, violating], index) => ({
            atMs: BigInt(Math.floor(startedMs + index * 1800)),
            serverId,
            grantId,
            channel: number,
            priority,
            violating,
            urgency: index === 0 ? UrgencyClass.URGENT : index < 4 ? UrgencyClass.NORMAL : UrgencyClass.BULK,
            rawBytes: BigInt(2 * MIB),
            recordCount: 6800,
          })),
          recentNotices: [{ atMs: BigInt(Math.floor(startedMs + 3 * 1800)), serverId: 'S2', notice }],
          noticesTotal: 2n,
          history: fakeEvents(startedMs),
          historyTotals: fakeEventTotals,
          recordsAcknowledgedTotal: 1_842_113n,
          problems: ['http://10.0.0.9:4620: connection refused; trying again'],
        },
      },
      {
        agentId: 'db-01',
        connected: true,
        lastSeenMs: BigInt(Math.floor(nowMs - 800)),
        report: {
          hostName: 'db-01.example',
          backlog: backlog(0, 0, 0, 0),
          servers: [{ address: 'http://127.0.0.1:4620', serverId: 'S1', connected: true, channels: [] }],
          recordsAcknowledgedTotal: 92_004n,
          problems: ['/var/log/postgresql/main.log: EACCES: permission denied'],
          sources: {
            streams: 12n,
            failing: 1n,
            unparsedRecords: 3n,
            worst: [
              {
                kind: 'file',
                name: '/var/log/postgresql/main.log',
                condition: SourceCondition.FAILING,
                forMs: 340_000n,
                reason: 'EACCES: permission denied',
                unreadBytes: BigInt(3 * MIB),
                readErrors: 17n,
              },
              {
                kind: 'file',
                name: '/srv/app/events.jsonl',
                condition: SourceCondition.READING,
                reason: 'JSON nested deeper than 100',
                unparsedRecords: 3n,
              },
            ],
          },
        },
      },
    ],
  });
}

/** All is well, the store is away, or many things are wrong at once. */
function makeHealth(
  nowMs: number,
  { storeAvailable, unwell = false }: FakeStatusOptions,
): MessageInitShape<typeof HealthSchema> {
  const atMs = BigInt(Math.floor(nowMs));
  const reason = 'no answer from the store at http://127.0.0.1:8123: connect ECONNREFUSED 127.0.0.1:8123.';
  const away = {
    code: 'store_away',
    severity: ProblemSeverity.ERROR,
    sinceMs: atMs - 754_000n,
    subjectKind: 'store',
    subject: 'store',
    summary: `The store is not available: ${reason}`,
    action: 'Start the store, or mend its address or password. Logs wait in the journal and with the agents.',
    values: { subject: 'store', reason },
  };
  const gone = Array.from({ length: 6 }, (_, index) => ({
    code: 'agent_gone',
    severity: ProblemSeverity.WARNING,
    sinceMs: atMs - 90_061_000n,
    subjectKind: 'agent',
    subject: `web-${index}`,
    summary: `Agent web-${index} is gone. When it was last seen, 7 records waited there.`,
    action: 'See whether the machine and the agent run and reach this server. Its files wait in place.',
    values: { subject: `web-${index}`, records: '7' },
  }));
  if (!unwell) return { atMs, problems: storeAvailable ? [] : [away], problemsTotal: storeAvailable ? 0 : 1 };
  const newer = {
    ...away,
    code: 'of_a_newer_server',
    subject: '<b>x</b>',
    summary: 'Something <b>new</b> is wrong.',
  };
  return {
    atMs,
    problems: [away, newer, ...gone],
    problemsTotal: 40,
    oldestUnsearchableMs: 754_300n,
  };
}
