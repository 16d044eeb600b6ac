/**
 * M2: sends the upload requests that are due (request-policy.ts says when), with what they close (U1, U2, U3).
 *
 * Invariants: each connected server is judged by itself; request numbers count up over all servers.
 */
import type { AgentEffect } from './agent-events.ts';
import type { AgentHistory } from './agent-history.ts';
import type { Server } from './agent-state.ts';
import type { Backlog } from './backlog.ts';
import { requestId, timeMs } from './brand.ts';
import type { ChannelBook } from './channel-book.ts';
import type { KnownServers } from './known-servers.ts';
import { MAX_REQUESTS_REMEMBERED } from './limits.ts';
import type { UploadRequest } from './model.ts';
import { MAX_CLOSED_CHANNELS, URGENCY_CLASSES } from './model.ts';
import type { Need, RequestTimes } from './request-policy.ts';
import { needOf, remainsOf, requestDueMs, requestReason } from './request-policy.ts';
import type { StepEffects } from './step-effects.ts';

export interface RequestSenderOptions extends RequestTimes {
  readonly windowBytes: number;
}

/** The parts of the agent that a request speaks of. */
export interface AskingParts {
  readonly servers: KnownServers;
  readonly channels: ChannelBook;
  readonly backlog: Backlog;
  readonly history: AgentHistory;
  readonly effects: StepEffects<AgentEffect>;
}

export class RequestSender {
  readonly #options: RequestSenderOptions;
  readonly #parts: AskingParts;
  #requestNumbers = 0;

  constructor(options: RequestSenderOptions, parts: AskingParts) {
    this.#options = options;
    this.#parts = parts;
  }

  /** Asks each server that is due. @returns whether remains of quota were closed: what stood behind them may go elsewhere */
  send(nowMs: number): boolean {
    let hasClosed = false;
    for (const server of this.#parts.servers.all()) {
      const need = this.#need(server, nowMs);
      if (requestDueMs(server, need, this.#options, nowMs) > nowMs) continue;
      hasClosed = this.#ask(server, need, nowMs) || hasClosed;
    }
    return hasClosed;
  }

  /** When the next server is to be asked; Infinity when none is connected. */
  dueMs(nowMs: number): number {
    let dueMs = Number.POSITIVE_INFINITY;
    for (const server of this.#parts.servers.all()) {
      dueMs = Math.min(dueMs, requestDueMs(server, this.#need(server, nowMs), this.#options, nowMs));
    }
    return dueMs;
  }

  #ask(server: Server, need: Need, nowMs: number): boolean {
    const { channels, backlog, history, effects } = this.#parts;
    const reason = requestReason(server, need, this.#options, nowMs);
    const remains = remainsOf(server, backlog);
    for (const channel of remains) channels.end(channel);
    this.#requestNumbers += 1;
    server.askedIds.push(this.#requestNumbers);
    if (server.askedIds.length > MAX_REQUESTS_REMEMBERED) server.askedIds.shift();
    server.waitingSinceMs = nowMs;
    server.lastRequestAtMs = nowMs;
    server.recalled = false;
    server.askedRank = need.unfitRank ?? URGENCY_CLASSES.length;
    const { serverId } = server;
    const firsts = backlog.waitingRanks.flatMap((rank) => backlog.firstsAt(serverId, rank));
    server.askedBytes = Math.min(...firsts.map(({ header }) => header.rawBytes));
    const closedChannels = server.closedChannels.splice(0, MAX_CLOSED_CHANNELS);
    const request: UploadRequest = {
      requestId: requestId(this.#requestNumbers),
      backlog: backlog.unsent(nowMs),
      ...(closedChannels.length === 0 ? {} : { closedChannels }),
    };
    effects.push({ type: 'send_request', serverId, request });
    const { unsentBytes: rawBytes } = backlog;
    history.happened({ atMs: timeMs(nowMs), serverId, kind: 'request', reason, rawBytes });
    return remains.length > 0;
  }

  #need(server: Server, nowMs: number): Need {
    return needOf(server, this.#parts.backlog, this.#options.windowBytes, nowMs);
  }
}
