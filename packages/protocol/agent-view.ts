/** What the agent's machine tells people: servers, live channels, what waits, what was used and told lately. */
import type { Channel, Server } from './agent-state.ts';
import type {
  ChannelNumber,
  ClassBacklog,
  GrantId,
  PriorityViolationNotice,
  ServerId,
  TimeMs,
  UrgencyClass,
} from './model.ts';
import type { Numbered, UplinkHappening, UplinkHappeningKind } from './uplink-history.ts';

export interface AgentChannelView {
  readonly grantId: GrantId;
  readonly channel: ChannelNumber;
  readonly priority: number;
  readonly quotaBytes: number;
  readonly usedBytes: number;
  readonly expiresInMs: number;
  readonly stalled: boolean;
  readonly violating: boolean;
}

export interface AgentServerMachineView {
  readonly serverId: ServerId;
  readonly connected: boolean;
  readonly blocksInFlight: number;
  /** It owes an answer for too long: nothing is sent to it. */
  readonly stalled: boolean;
  /** Raw bytes per second that it acknowledges, as measured; 0 when unknown. */
  readonly acknowledgedBytesPerSecond: number;
  /** From a block's sending to its answer, smoothed; 0 when unknown. */
  readonly usualAnswerMs: number;
  /** Live channels, highest first. */
  readonly channels: readonly AgentChannelView[];
}

export interface ChannelUseView {
  readonly atMs: TimeMs;
  readonly serverId: ServerId;
  readonly grantId: GrantId;
  readonly channel: ChannelNumber;
  readonly priority: number;
  readonly urgency: UrgencyClass;
  readonly rawBytes: number;
  readonly recordCount: number;
  readonly violating: boolean;
}

export interface SentNoticeView {
  readonly atMs: TimeMs;
  readonly serverId: ServerId;
  readonly notice: PriorityViolationNotice;
}

/** What happened between the agent and a server, beside the blocks. */
export interface AgentHappening extends UplinkHappening {
  readonly serverId: ServerId;
}

/** What the machine tells people. Lists of recent things are bounded, oldest first. */
export interface AgentMachineView {
  readonly servers: readonly AgentServerMachineView[];
  /** What no server has acknowledged, per class that has any. */
  readonly backlog: readonly ClassBacklog[];
  /** Age of the oldest record that no server has acknowledged; 0 when there is none. */
  readonly lagMs: number;
  /** Age of the oldest urgent record that no server has acknowledged; 0 when there is none. */
  readonly urgentLagMs: number;
  /** Raw bytes that blocks should have at most, so that one takes the slowest link in use about a quarter of a second. */
  readonly blockBytesWanted: number;
  readonly recentUses: readonly ChannelUseView[];
  readonly recentNotices: readonly SentNoticeView[];
  readonly history: readonly Numbered<AgentHappening>[];
  /** How often each kind of it happened. */
  readonly historyTotals: ReadonlyMap<UplinkHappeningKind, number>;
  readonly noticesTotal: number;
  readonly recordsAcknowledgedTotal: number;
  readonly blocksSetAsideTotal: number;
}

/** @param channels of all servers: those in the order of use, and those that only wait for answers. */
export function viewServer(
  server: Server,
  channels: { readonly order: readonly Channel[]; readonly ending: ReadonlySet<Channel> },
  nowMs: TimeMs,
): AgentServerMachineView {
  const isOurs = ({ serverId }: Channel): boolean => serverId === server.serverId;
  const live = channels.order.filter(isOurs);
  const ending = [...channels.ending].filter(isOurs);
  const { stalled, pace } = server;
  return {
    serverId: server.serverId,
    connected: server.connected,
    blocksInFlight: [...live, ...ending].reduce((sum, { inFlight }) => sum + inFlight.size, 0),
    stalled,
    acknowledgedBytesPerSecond: Math.round(pace.rate * 1000),
    usualAnswerMs: Math.round(pace.usualMs ?? 0),
    channels: live.map((channel) => viewChannel(channel, nowMs)),
  };
}

function viewChannel(channel: Channel, nowMs: number): AgentChannelView {
  const { grant, priority, quotaBytes, usedBytes, violating } = channel;
  const { stalled } = channel.server;
  const expiresInMs = Math.max(0, grant.expiresAtMs - nowMs);
  return {
    ...{ grantId: grant.grantId, channel: channel.channel, priority, quotaBytes, usedBytes },
    ...{ expiresInMs, stalled, violating },
  };
}
