/** A server that is well, to be made ill in tests. */
import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { AgentReportSchema } from '@sluice/wire/gen/uplink_pb';
import type { AgentFacts, HealthFacts, LaneFacts, UnsearchableFacts } from './health-facts.ts';

export const NOW_MS = 1_800_000_000_000;

const MIB = 1024 * 1024;

/** @returns facts without any trouble, changed by `changes` */
export function wellFacts(changes: Partial<HealthFacts> = {}): HealthFacts {
  return {
    serverId: 's1',
    store: { available: true, error: '', errorCode: undefined },
    journal: {
      directory: '/var/lib/sluice/journal',
      diskFull: false,
      disk: { freeBytes: 50_000 * MIB, sizeBytes: 100_000 * MIB },
      heldRawBytes: 0,
      roomBytes: 512 * MIB,
      setAsideBlocks: 0,
      setAsideDroppedTotal: 0,
      lossTotals: { losses: 0, blocks: 0 },
      latestLoss: '',
      conflicts: [],
    },
    waiting: [],
    lanes: [],
    agents: [],
    identities: [],
    identityBook: { loss: undefined, writeFailure: undefined },
    searches: { running: 0, waiting: 0, refusedLately: 0 },
    ...changes,
  };
}

/** A class of which nothing failed, and something was confirmed so long ago. */
export function lane(progressAgoMs: number, changes: Partial<LaneFacts> = {}): LaneFacts {
  return { urgency: 'normal', progressMs: NOW_MS - progressAgoMs, problem: undefined, ...changes };
}

/** Records that came so long ago. */
export function waiting(receivedAgoMs: number, changes: Partial<UnsearchableFacts> = {}): UnsearchableFacts {
  const atMs = NOW_MS - receivedAgoMs;
  return {
    ...{ urgency: 'normal', agentId: 'web-1', records: 100, oldestObservedMs: atMs, oldestReceivedMs: atMs },
    ...changes,
  };
}

/** A connected agent that has just reported. */
export function agent(
  report: MessageInitShape<typeof AgentReportSchema>,
  changes: Partial<AgentFacts> = {},
): AgentFacts {
  return {
    ...{ agentId: 'web-1', connected: true, lastSeenMs: NOW_MS, reportedMs: NOW_MS },
    report: create(AgentReportSchema, report),
    ...changes,
  };
}
