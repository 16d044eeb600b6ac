/** What happened lately: the order in which channels were used, and the notices about it. Pure. */
import type { GetStatusResponse } from '@sluice/wire/gen/query_pb';
import type { PriorityViolationNotice } from '@sluice/wire/gen/uplink_pb';
import { compare } from './flow-model.ts';

/** Uses of one channel, one right after another. */
export interface UseRun {
  readonly key: string;
  readonly serverId: string;
  readonly priority: number;
  readonly blocks: number;
  readonly rawBytes: number;
  readonly recordCount: number;
  readonly violating: boolean;
  /** True when this run is the first violating use of its channel: its server was told at this moment. */
  readonly notified: boolean;
}

export interface FlowNotice {
  readonly key: string;
  readonly atMs: number;
  readonly agentId: string;
  readonly serverId: string;
  readonly priority: number;
  readonly outrankedBy: readonly {
    readonly serverId: string;
    readonly highestPriority: number;
    readonly heldPriorities: readonly number[];
  }[];
}

/** The order of use of one agent, oldest first, repeated uses of a channel put together. */
export function orderOfUse(status: GetStatusResponse, agentId: string): UseRun[] {
  const report = status.agents.find((agent) => agent.agentId === agentId)?.report;
  const uses = [...(report?.recentUses ?? [])].sort((a, b) => Number(a.atMs - b.atMs));
  const told = new Set<string>();
  const runs: UseRun[] = [];
  let last: { channel: string; violating: boolean } | undefined;
  for (const use of uses) {
    const channel = `${use.serverId}/${use.grantId}/${use.channel}`;
    const latest = runs.at(-1);
    if (latest !== undefined && last?.channel === channel && last.violating === use.violating) {
      runs[runs.length - 1] = {
        ...latest,
        blocks: latest.blocks + 1,
        rawBytes: latest.rawBytes + Number(use.rawBytes),
        recordCount: latest.recordCount + use.recordCount,
      };
      continue;
    }
    runs.push({
      key: `${use.atMs}/${channel}/${runs.length}`,
      serverId: use.serverId,
      priority: use.priority,
      blocks: 1,
      rawBytes: Number(use.rawBytes),
      recordCount: use.recordCount,
      violating: use.violating,
      notified: use.violating && !told.has(channel),
    });
    if (use.violating) told.add(channel);
    last = { channel, violating: use.violating };
  }
  return runs;
}

/** All notices, newest first. One that both its sender and its receiver report appears once. */
export function collectNotices(status: GetStatusResponse): FlowNotice[] {
  const found = new Map<string, FlowNotice>();
  const add = (
    atMs: bigint,
    agentId: string,
    serverId: string,
    notice: PriorityViolationNotice | undefined,
  ): void => {
    if (notice === undefined) return;
    const key = `${agentId}/${serverId}/${notice.grantId}/${notice.channel}`;
    if (found.has(key)) return;
    const { priority, outrankedBy } = notice;
    found.set(key, { key, atMs: Number(atMs), agentId, serverId, priority, outrankedBy });
  };
  for (const agent of status.agents) {
    for (const sent of agent.report?.recentNotices ?? []) {
      add(sent.atMs, agent.agentId, sent.serverId, sent.notice);
    }
  }
  for (const server of status.servers) {
    for (const received of server.recentNotices) {
      add(received.atMs, received.agentId, server.serverId, received.notice);
    }
  }
  return [...found.values()].sort((a, b) => b.atMs - a.atMs || compare(a.key, b.key));
}
