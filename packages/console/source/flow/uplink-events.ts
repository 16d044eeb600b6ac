/** What happened between an agent and its servers lately: asked, granted, refused, asked back, told, ... and why. Pure. */
import type { GetStatusResponse } from '@sluice/wire/gen/query_pb';
import { type UplinkEvent, UplinkEventKind } from '@sluice/wire/gen/uplink_pb';
import { compare } from './flow-model.ts';

export const EVENT_KINDS = [
  'request',
  'grant',
  'refusal',
  'recall',
  'notice',
  'yield',
  'hedge',
  'stall',
  'problem',
] as const;

export type EventKind = (typeof EVENT_KINDS)[number] | 'unspecified';

export interface FlowEvent {
  readonly key: string;
  readonly atMs: number;
  readonly kind: EventKind;
  readonly serverId: string;
  readonly reason: string;
  readonly rawBytes: bigint;
  readonly priorities: readonly number[];
}

const KINDS: ReadonlyMap<UplinkEventKind, EventKind> = new Map([
  [UplinkEventKind.REQUEST, 'request'],
  [UplinkEventKind.GRANT, 'grant'],
  [UplinkEventKind.REFUSAL, 'refusal'],
  [UplinkEventKind.RECALL, 'recall'],
  [UplinkEventKind.NOTICE, 'notice'],
  [UplinkEventKind.YIELD, 'yield'],
  [UplinkEventKind.HEDGE, 'hedge'],
  [UplinkEventKind.STALL, 'stall'],
  [UplinkEventKind.PROBLEM, 'problem'],
]);

/**
 * The events of one agent, newest first. The agent sees all its servers, so that its word is taken; of what a server says, only
 * what the agent cannot know is added, or everything when the agent tells nothing.
 */
export function collectEvents(status: GetStatusResponse, agentId: string): FlowEvent[] {
  const told = status.agents.find((agent) => agent.agentId === agentId)?.report?.history ?? [];
  const events = told.map((event) => toEvent(event, event.peerId, 'agent'));
  for (const server of status.servers) {
    for (const event of server.history) {
      const isNews = told.length === 0 || isOfServer(event.kind);
      if (event.peerId === agentId && isNews) events.push(toEvent(event, server.serverId, 'server'));
    }
  }
  return events.sort((a, b) => b.atMs - a.atMs || compare(b.key, a.key));
}

/** The agent is not told of it, or tells something else by the same name. */
function isOfServer(kind: UplinkEventKind): boolean {
  return kind === UplinkEventKind.YIELD || kind === UplinkEventKind.PROBLEM;
}

function toEvent(event: UplinkEvent, serverId: string, teller: string): FlowEvent {
  const { number, atMs, kind, reason, rawBytes, priorities } = event;
  return {
    key: `${teller}/${serverId}/${String(number).padStart(20, '0')}`,
    kind: KINDS.get(kind) ?? 'unspecified',
    atMs: Number(atMs),
    ...{ serverId, reason, rawBytes, priorities },
  };
}
