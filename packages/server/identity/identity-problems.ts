/** What is wrong with who agents are: typed facts for programs, and the same in words that say what to do. Pure. */

import type { MessageInitShape } from '@bufbuild/protobuf';
import { isoTime } from '@sluice/host/iso-time';
import type { AgentId } from '@sluice/protocol/model';
import type { IdentityProblemSchema } from '@sluice/wire/gen/query_pb';
import { IdentityProblemKind } from '@sluice/wire/gen/uplink_pb';
import { hasIdentity, identityText } from './agent-identity.ts';
import type { AgentRecord, OtherIdentity, Rollback } from './agent-record.ts';
import { MAX_PROBLEMS_TOLD, PROBLEM_SHOWN_MS } from './limits.ts';

type Problem = MessageInitShape<typeof IdentityProblemSchema>;

/** One of several runs of an agent. */
export interface TwinRun {
  readonly serverId: string;
  readonly hostName: string;
  readonly address: string;
  readonly epoch: number;
  readonly sinceMs: number;
}

/** Worst first: agents that disturb each other, then strangers, then what is over. */
const RANKS: readonly IdentityProblemKind[] = [
  IdentityProblemKind.TWINS,
  IdentityProblemKind.OTHER_KEY,
  IdentityProblemKind.NO_KEY,
  IdentityProblemKind.ROLLED_BACK,
];

/**
 * @param twins runs of the same agent and identity that are connected at the same time, by agent
 * @returns at most MAX_PROBLEMS_TOLD, the worst first
 */
export function identityProblems(
  records: Iterable<AgentRecord>,
  twins: ReadonlyMap<AgentId, readonly TwinRun[]>,
  nowMs: number,
): Problem[] {
  const problems: Problem[] = [];
  for (const [agentId, runs] of twins) problems.push(twinsProblem(agentId, runs, nowMs));
  for (const record of records) {
    for (const other of record.others) {
      // What was pinned before is no problem; what came here or at another server is.
      if (other.serverId === '' || nowMs - other.lastSeenMs > PROBLEM_SHOWN_MS) continue;
      problems.push(otherProblem(record, other));
    }
    const { rollback } = record;
    if (rollback !== undefined && nowMs - rollback.lastMs <= PROBLEM_SHOWN_MS)
      problems.push(rollbackProblem(record.agentId, rollback));
  }
  return problems
    .sort((one, other) => rankOf(one) - rankOf(other) || Number((other.lastMs ?? 0n) - (one.lastMs ?? 0n)))
    .slice(0, MAX_PROBLEMS_TOLD);
}

/** What an agent is told that runs beside another one. */
export function twinAdvice(agentId: AgentId, others: readonly TwinRun[]): string {
  return (
    `another agent runs as ${agentId}: ${others.map(runText).join('; ')}; its data directory is a copy of this one's, or ` +
    'this one is a copy of its: stop the copy, and start it with an empty data directory of its own (--data DIR)'
  );
}

export function otherKeyAdvice(agentId: AgentId, shown: string, pinned: string): string {
  return (
    `servers know ${agentId} by ${pinned}, and this agent came with ${shown}: its logs are taken; ` +
    `if its machine was installed anew: sluice agents accept ${agentId}; else give it a name of its own (--id)`
  );
}

export function rollbackText(agentId: AgentId, rollback: Rollback): string {
  const { lastMs, records, fromSequence, toSequence } = rollback;
  const lines =
    records === undefined
      ? 'lines that were sent since may be there twice'
      : `up to ${records} lines may be there twice`;
  return (
    `the data directory of agent ${agentId} went back to an earlier state (${timeText(lastMs)}, from block ${fromSequence} ` +
    `to ${toSequence}): ${lines}; nothing is lost; do not put copies of it back while logs are there`
  );
}

function twinsProblem(agentId: AgentId, runs: readonly TwinRun[], nowMs: number): Problem {
  const sorted = [...runs].sort((one, other) => one.sinceMs - other.sinceMs);
  // They are two since the second one came.
  const sinceMs = sorted[1]?.sinceMs ?? nowMs;
  return {
    agentId,
    kind: IdentityProblemKind.TWINS,
    sinceMs: BigInt(Math.round(sinceMs)),
    lastMs: BigInt(Math.round(nowMs)),
    // A run is seen by each server that it is connected to; the copies of a machine that was frozen have one epoch.
    count: BigInt(Math.max(2, new Set(runs.map(({ epoch }) => epoch)).size)),
    text:
      `several agents run as ${agentId}: ${sorted.map(runText).join('; ')}; all their logs are taken; ` +
      'stop the copy, and start it with an empty data directory of its own (--data DIR)',
  };
}

function otherProblem(record: AgentRecord, other: OtherIdentity): Problem {
  const { agentId, pin } = record;
  const at = `at ${timeText(other.lastSeenMs)} from ${placeText(other)} (server ${other.serverId})`;
  const isKeyless = !hasIdentity(other);
  return {
    agentId,
    kind: isKeyless ? IdentityProblemKind.NO_KEY : IdentityProblemKind.OTHER_KEY,
    sinceMs: BigInt(Math.round(other.firstSeenMs)),
    lastMs: BigInt(Math.round(other.lastSeenMs)),
    count: BigInt(Math.max(1, other.connections)),
    text: isKeyless
      ? `agent ${agentId} came without its key ${at}: an older program, or someone else under its name; its logs are taken`
      : `agent ${agentId} came with another ${other.certificate === undefined ? 'key' : 'certificate'} ${at}: ` +
        `${identityText(other)} instead of ${pin === undefined ? 'none' : identityText(pin)}; its logs are taken; ` +
        `if the machine was installed anew: sluice agents accept ${agentId}`,
  };
}

function rollbackProblem(agentId: AgentId, rollback: Rollback): Problem {
  return {
    agentId,
    kind: IdentityProblemKind.ROLLED_BACK,
    sinceMs: BigInt(Math.round(rollback.firstMs)),
    lastMs: BigInt(Math.round(rollback.lastMs)),
    count: BigInt(rollback.times),
    ...(rollback.records === undefined ? {} : { records: BigInt(rollback.records) }),
    text: rollbackText(agentId, rollback),
  };
}

function rankOf({ kind }: Problem): number {
  return RANKS.indexOf(kind ?? IdentityProblemKind.UNSPECIFIED);
}

function runText({ serverId, hostName, address, epoch, sinceMs }: TwinRun): string {
  return `on ${placeText({ hostName, address })} since ${timeText(sinceMs)} (server ${serverId}, run ${epoch})`;
}

function placeText({ hostName, address }: { readonly hostName: string; readonly address: string }): string {
  return hostName === '' ? address || 'an unknown host' : `${hostName} (${address})`;
}

/** To the second: people read it. */
function timeText(ms: number): string {
  return isoTime(ms).replace(/\.\d+Z$/, 'Z');
}
