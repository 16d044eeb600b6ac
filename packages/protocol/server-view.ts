/** What the server's machine tells people: its agents, their live channels, admission, notices. */
import type { AgentId, ChannelNumber, GrantId, PriorityViolationNotice, ServerId, TimeMs } from './model.ts';
import type { ServerHappening } from './server-history.ts';
import type { Agent } from './server-state.ts';
import type { Numbered, UplinkHappeningKind } from './uplink-history.ts';

export interface ServerChannelView {
  readonly grantId: GrantId;
  readonly channel: ChannelNumber;
  readonly priority: number;
  readonly quotaBytes: number;
  readonly usedBytes: number;
  readonly expiresInMs: number;
}

export interface ServerAgentView {
  readonly agentId: AgentId;
  readonly channels: readonly ServerChannelView[];
  /** Quota granted and not used. */
  readonly outstandingBytes: number;
  /** A request waits for room. */
  readonly requestDeferred: boolean;
  /** How far its channels are moved down at present (U11). */
  readonly yieldedBy: number;
}

export interface ReceivedNoticeView {
  readonly atMs: TimeMs;
  readonly agentId: AgentId;
  readonly notice: PriorityViolationNotice;
}

export interface ServerMachineView {
  readonly serverId: ServerId;
  readonly draining: boolean;
  readonly roomBytes: number;
  /** What leaves the journal per second, as measured; 0 when unknown. */
  readonly drainBytesPerSecond: number;
  /** The journal is mostly full: the next grants rank lower. */
  readonly loaded: boolean;
  readonly outstandingBytes: number;
  /** Taken and not durable yet. */
  readonly writingBytes: number;
  readonly agents: readonly ServerAgentView[];
  readonly noticesTotal: number;
  /** Bounded, oldest first. */
  readonly recentNotices: readonly ReceivedNoticeView[];
  /** What happened lately, bounded, oldest first. */
  readonly history: readonly Numbered<ServerHappening>[];
  /** How often each kind of it happened. */
  readonly historyTotals: ReadonlyMap<UplinkHappeningKind, number>;
}

/** @param yieldedBy how far the agent's channels are moved down at present. */
export function viewAgent(agent: Agent, yieldedBy: number, nowMs: TimeMs): ServerAgentView {
  const channels: ServerChannelView[] = [];
  for (const grant of agent.grants.values()) {
    if (grant.expiresAtMs <= nowMs) continue;
    for (const { granted, quotaBytes, usedBytes } of grant.channels) {
      const { channel, priority } = granted;
      const expiresInMs = grant.expiresAtMs - nowMs;
      channels.push({ grantId: grant.grantId, channel, priority, quotaBytes, usedBytes, expiresInMs });
    }
  }
  const { agentId, outstandingBytes } = agent;
  return { agentId, channels, outstandingBytes, requestDeferred: agent.request !== undefined, yieldedBy };
}
