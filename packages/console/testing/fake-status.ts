/**
 * A status with the situation that the flow view exists for: S1 holds lanes 1 and 3, S2 holds 2 and 4, so S2/2 is used
 * out of turn and S2 is told. It moves with time, so that the page has something to animate.
 */
import { create } from '@bufbuild/protobuf';
import { type GetStatusResponse, GetStatusResponseSchema } from '@sluice/wire/gen/query_pb';
import { SourceCondition, UrgencyClass } from '@sluice/wire/gen/uplink_pb';

const MIB = 1024 * 1024;

export interface FakeStatusOptions {
  readonly storeAvailable: boolean;
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
    violationsTotal: 3n,
    store: options.storeAvailable
      ? { available: true, version: '26.7' }
      : { available: false, error: 'connection refused: 127.0.0.1:8123' },
    servers: [
      {
        serverId: 'S1',
        answering: true,
        state: 'connected',
        channels: webServers[0]?.channels.map((state) => ({ agentId: 'web-01', channel: state })) ?? [],
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
            files: 12n,
            failing: 1n,
            unparsedLines: 3n,
            worst: [
              {
                path: '/var/log/postgresql/main.log',
                condition: SourceCondition.FAILING,
                forMs: 340_000n,
                reason: 'EACCES: permission denied',
                unreadBytes: BigInt(3 * MIB),
                readErrors: 17n,
              },
              {
                path: '/srv/app/events.jsonl',
                condition: SourceCondition.READING,
                reason: 'JSON nested deeper than 100',
                unparsedLines: 3n,
              },
            ],
          },
        },
      },
    ],
  });
}
