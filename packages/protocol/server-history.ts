/** What the server's machine remembers for people alone of its dealings with agents: read off its events and effects. */

import { timeMs } from './brand.ts';
import { waitingBytes } from './channel-allocation.ts';
import type { AgentId, Grant, UploadRequest } from './model.ts';
import type { ServerEffect, ServerEvent } from './server-events.ts';
import { noticeReason, type UplinkHappening, UplinkHistory } from './uplink-history.ts';

export interface ServerHappening extends UplinkHappening {
  readonly agentId: AgentId;
}

type Told = Omit<ServerHappening, 'atMs'>;

export class ServerHistory extends UplinkHistory<ServerHappening> {
  /** A step is over: `event` came, `effects` are what follows. */
  stepped(event: ServerEvent, effects: readonly ServerEffect[], nowMs: number): void {
    const atMs = timeMs(nowMs);
    const asked = event.type === 'request_received' ? requested(event.agentId, event.request) : undefined;
    if (asked !== undefined) this.add({ atMs, ...asked });
    for (const effect of effects) {
      const told = toldBy(effect);
      if (told !== undefined) this.add({ atMs, ...told });
    }
  }
}

function requested(agentId: AgentId, { requestId, backlog, closedChannels = [] }: UploadRequest): Told {
  const classes = backlog.map(({ urgency }) => urgency).join(', ');
  const waits = classes === '' ? 'nothing waits' : `${classes} waits`;
  const closes = closedChannels.length === 0 ? '' : `; closes ${closedChannels.length} channels`;
  return {
    ...{ agentId, kind: 'request', rawBytes: waitingBytes(backlog) },
    reason: `request ${requestId}: ${waits}${closes}`,
  };
}

function toldBy(effect: ServerEffect): Told | undefined {
  switch (effect.type) {
    case 'send_grant':
      return granted(effect.agentId, effect.grant);
    case 'revoke': {
      const { agentId, grantId } = effect;
      const reason = grantId === undefined ? 'the server leaves' : `grant ${grantId}: others wait for room`;
      return { agentId, kind: 'recall', reason };
    }
    case 'record_notice': {
      const { agentId, notice } = effect;
      return { agentId, kind: 'notice', reason: noticeReason(notice), priorities: [notice.priority] };
    }
    case 'refuse_block': {
      const { agentId, refusal } = effect;
      return { agentId, kind: 'problem', reason: `a block was refused: ${refusal.reason}` };
    }
    case 'journal_block':
    case 'acknowledge_block':
    case 'wake_at':
      return undefined;
    default:
      return effect satisfies never;
  }
}

function granted(agentId: AgentId, grant: Grant): Told {
  const { requestId, channels, refusalReason = 'no reason', retryAfterMs = 0 } = grant;
  if (channels.length === 0)
    return { agentId, kind: 'refusal', reason: `${refusalReason}, again in ${retryAfterMs} ms` };
  return {
    ...{ agentId, kind: 'grant', reason: `answers request ${requestId}` },
    rawBytes: channels.reduce((sum, { quotaBytes }) => sum + quotaBytes, 0),
    priorities: channels.map(({ priority }) => priority),
  };
}
