/** Troubles on the way from the journal into the store. */
import { formatBytes, formatDuration } from '@sluice/host/quantity-text';
import type { UrgencyClass } from '@sluice/protocol/model';
import type { HealthFacts, LaneFacts } from './health-facts.ts';
import type { Finding, Subject } from './problem.ts';
import { STORE_NAME, sentence } from './store-troubles.ts';

/**
 * Loading stands still when blocks wait and nothing was confirmed for so long: several times what the laziest lane waits
 * between two inserts, and less than a person takes to wonder where the logs are.
 */
const STALLED_AFTER_MS = 15_000;
/** What has waited in the journal for longer is late although loading goes on. */
const SLOW_AFTER_MS = 60_000;

/** What stands still, and what is late without standing still. */
export function loadingTroubles(facts: HealthFacts, nowMs: number): Finding[] {
  const stalled = stalledLanes(facts, nowMs);
  const slow = slowLoading(facts, new Set(stalled.map(({ urgency }) => urgency)), nowMs);
  return [
    ...storeDiskFull(facts.lanes),
    ...(stalled.length === 0 ? [] : [stalledFinding(facts, stalled)]),
    ...slow,
  ];
}

function storeDiskFull(lanes: readonly LaneFacts[]): Finding[] {
  const problem = lanes.find((lane) => lane.problem?.storeDiskFull)?.problem;
  if (problem === undefined) return [];
  const values = { reason: sentence(problem.message) };
  return [{ code: 'store_disk_full', subject: { kind: 'store', name: STORE_NAME }, values }];
}

/** @returns for each class of which something waits, how long nothing was loaded */
export function stillForMs(
  { lanes, waiting }: HealthFacts,
  nowMs: number,
): ReadonlyMap<UrgencyClass, number> {
  const urgencies = new Set(waiting.map(({ urgency }) => urgency));
  return new Map(
    lanes
      .filter(({ urgency }) => urgencies.has(urgency))
      .map(({ urgency, progressMs }) => [urgency, Math.max(0, nowMs - progressMs)]),
  );
}

/** @returns the lanes of which something waits, and nothing was loaded for a while */
function stalledLanes(facts: HealthFacts, nowMs: number): LaneFacts[] {
  const stillMs = stillForMs(facts, nowMs);
  return facts.lanes.filter(({ urgency }) => (stillMs.get(urgency) ?? 0) >= STALLED_AFTER_MS);
}

function stalledFinding({ waiting, journal, store, serverId }: HealthFacts, lanes: LaneFacts[]): Finding {
  const urgencies = lanes.map(({ urgency }) => urgency);
  const records = sum(waiting.filter(({ urgency }) => urgencies.includes(urgency)));
  const problem = lanes.find((lane) => lane.problem !== undefined)?.problem?.message;
  const reason = problem ?? (store.available ? 'an insert is under way and is not confirmed' : store.error);
  return {
    code: 'loading_stalled',
    subject: { kind: 'server', name: serverId },
    sinceMs: Math.min(...lanes.map(({ progressMs }) => progressMs)),
    values: {
      records: String(records),
      urgencies: urgencies.join(', '),
      reason: sentence(reason),
      room: formatBytes(journal.roomBytes),
    },
  };
}

function slowLoading(facts: HealthFacts, stalled: ReadonlySet<string>, nowMs: number): Finding[] {
  const waiting = facts.waiting.filter(({ urgency }) => !stalled.has(urgency));
  const oldestMs = waiting.reduce((oldest, entry) => Math.min(oldest, entry.oldestReceivedMs), nowMs);
  if (nowMs - oldestMs < SLOW_AFTER_MS) return [];
  const subject: Subject = { kind: 'server', name: facts.serverId };
  const values = { records: String(sum(waiting)), age: formatDuration(nowMs - oldestMs) };
  return [{ code: 'loading_slow', subject, values }];
}

function sum(waiting: readonly { readonly records: number }[]): number {
  return waiting.reduce((total, { records }) => total + records, 0);
}
