/** Who agents are, as the stable object of `sluice agents list --json` and as lines for people. */

import { isoTime } from '@sluice/host/iso-time';
import type { KnownAgent, ListAgentsResponse } from '@sluice/wire/gen/agents_pb';
import { type AgentIdentity, type IdentityProblem, IdentityStanding } from '@sluice/wire/gen/query_pb';
import { IdentityProblemKind } from '@sluice/wire/gen/uplink_pb';
import { printable, styled } from './terminal.ts';

/** As `--json` has them, and for people. */
const STANDINGS: ReadonlyMap<IdentityStanding, readonly [word: string, text: string]> = new Map([
  [IdentityStanding.UNPROVEN, ['unproven', 'unproven']],
  [IdentityStanding.PROVEN, ['proven', 'proven']],
  [IdentityStanding.OTHER_KEY, ['other_key', 'another key']],
  [IdentityStanding.NO_KEY, ['no_key', 'without its key']],
]);
const UNKNOWN = ['unknown', 'unknown'] as const;

const KINDS: ReadonlyMap<IdentityProblemKind, string> = new Map([
  [IdentityProblemKind.TWINS, 'twins'],
  [IdentityProblemKind.OTHER_KEY, 'other_key'],
  [IdentityProblemKind.NO_KEY, 'no_key'],
  [IdentityProblemKind.ROLLED_BACK, 'rolled_back'],
]);

/** A problem with who an agent is, as `--json` shows it. */
export interface JsonIdentityProblem {
  agent: string;
  kind: string;
  since: string;
  last: string;
  count: number;
  records: number | null;
  text: string;
}

/** The identity of one session, as `--json` shows it. */
export interface JsonIdentity {
  standing: string;
  shown: string;
  host: string;
  address: string;
  epoch: number;
  since: string;
}

/** The stable shape of `sluice agents list --json`. */
export interface JsonAgents {
  agents: {
    id: string;
    connected: boolean;
    lastSeen: string;
    pinned: string;
    pinnedAt: string;
    pinnedBy: string;
    changes: { at: string; pinned: string; by: string }[];
    others: {
      shown: string;
      firstSeen: string;
      lastSeen: string;
      connections: number;
      host: string;
      address: string;
      server: string;
    }[];
    runs: (JsonIdentity & { server: string })[];
  }[];
  problems: JsonIdentityProblem[];
  notRemembered: number;
}

export function jsonAgents(answer: ListAgentsResponse): JsonAgents {
  return {
    agents: answer.agents.map((agent) => ({
      id: agent.agentId,
      connected: agent.connected,
      lastSeen: isoTime(agent.lastSeenMs),
      pinned: agent.pinned,
      pinnedAt: agent.pinned === '' ? '' : isoTime(agent.pinnedAtMs),
      pinnedBy: agent.pinnedBy,
      changes: agent.changes.map(({ atMs, pinned, by }) => ({ at: isoTime(atMs), pinned, by })),
      others: agent.others.map((other) => ({
        shown: other.shown,
        firstSeen: isoTime(other.firstSeenMs),
        lastSeen: isoTime(other.lastSeenMs),
        connections: Number(other.connections),
        ...{ host: other.hostName, address: other.address, server: other.serverId },
      })),
      runs: agent.runs.flatMap(({ serverId, identity }) =>
        identity === undefined ? [] : [{ server: serverId, ...jsonIdentity(identity) }],
      ),
    })),
    problems: answer.problems.map(jsonIdentityProblem),
    notRemembered: Number(answer.notRememberedTotal),
  };
}

export function jsonIdentity(identity: AgentIdentity): JsonIdentity {
  return {
    standing: (STANDINGS.get(identity.standing) ?? UNKNOWN)[0],
    shown: identity.shown,
    host: identity.hostName,
    address: identity.address,
    epoch: Number(identity.epoch),
    since: isoTime(identity.connectedSinceMs),
  };
}

export function jsonIdentityProblem(problem: IdentityProblem): JsonIdentityProblem {
  return {
    agent: problem.agentId,
    kind: KINDS.get(problem.kind) ?? 'unknown',
    since: isoTime(problem.sinceMs),
    last: isoTime(problem.lastMs),
    count: Number(problem.count),
    records: problem.records === undefined ? null : Number(problem.records),
    text: problem.text,
  };
}

export function agentsLines(answer: ListAgentsResponse): string[] {
  const lines = answer.problems.map((problem) => styled('yellow', printable(problem.text)));
  if (answer.notRememberedTotal > 0n)
    lines.push(
      styled('yellow', `${answer.notRememberedTotal} connections of agents for which there was no room`),
    );
  return [...lines, ...answer.agents.flatMap(agentLines)];
}

/** @returns one line for a session, behind the agent's own */
export function identityLine(identity: AgentIdentity): string {
  const { standing, shown, hostName, address, epoch, connectedSinceMs } = identity;
  const text =
    `${(STANDINGS.get(standing) ?? UNKNOWN)[1]}: ${shown}; ${hostName} (${address}), run ${epoch}, ` +
    `since ${isoTime(connectedSinceMs)}`;
  const isWrong = standing === IdentityStanding.OTHER_KEY || standing === IdentityStanding.NO_KEY;
  return isWrong ? styled('yellow', printable(text)) : printable(text);
}

function agentLines(agent: KnownAgent): string[] {
  const state = agent.connected ? 'connected' : `last seen ${isoTime(agent.lastSeenMs)}`;
  const pinned =
    agent.pinned === ''
      ? 'nothing is pinned'
      : `${agent.pinned} (${agent.pinnedBy}, ${isoTime(agent.pinnedAtMs)})`;
  const lines = [`agent    ${styled('bold', printable(agent.agentId))}  ${state}`, `  ${printable(pinned)}`];
  for (const { serverId, identity } of agent.runs)
    if (identity !== undefined) lines.push(`  at ${printable(serverId)}: ${identityLine(identity)}`);
  for (const other of agent.others) {
    const from =
      other.hostName === '' ? '' : ` from ${other.hostName} (${other.address}) at ${other.serverId}`;
    lines.push(`  other: ${printable(`${other.shown}, last ${isoTime(other.lastSeenMs)}${from}`)}`);
  }
  return lines;
}
