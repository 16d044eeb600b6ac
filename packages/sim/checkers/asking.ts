/**
 * U1, U2, U3: every connected server is asked at once and never forgotten, whatever the others do; a refusal is waited out,
 * and not by all in the same moment.
 */
import {
  MAX_RETRY_AFTER_MS,
  MAX_USELESS_GRANT_PAUSE_MS,
  MIN_REQUEST_INTERVAL_MS,
  MIN_RETRY_AFTER_MS,
  REFRESH_INTERVAL_MS,
  REQUEST_TIMEOUT_MS,
  RETRY_JITTER_FRACTION,
} from '@sluice/protocol/limits';
import type { ServerId } from '@sluice/protocol/model';
import type { Observation } from '../world.ts';
import type { Checker } from './checker.ts';
import { CheckFailure } from './checker.ts';

/** So many refusals in a row, each waited out to the millisecond, are no accident. */
const SUSPICIOUS_WAITS = 3;
/** Longest pause after useless grants, with its random part. */
const MOST_PAUSE_MS = MAX_USELESS_GRANT_PAUSE_MS * (1 + RETRY_JITTER_FRACTION);
/** Times are rounded up to whole ms. */
const ROUNDING_MS = 1;

interface Asked {
  readonly requests: Set<number>;
  lastMs: number;
  /** A refusal that was not followed by a request yet. */
  refused: { readonly atMs: number; readonly waitMs: number } | undefined;
  /** Until when a grant of no use may be waited out. */
  uselessUntilMs: number;
}

interface Asker {
  readonly servers: Map<ServerId, Asked>;
  nowMs: number;
  isStopping: boolean;
  /** Refusals that were waited out without any random part, and with one. */
  bareWaits: number;
  jitteredWaits: number;
}

export class AskingChecker implements Checker {
  readonly #agents = new Map<string, Asker>();

  observe(observation: Observation): void {
    if (observation.type === 'agent_started') {
      this.#agents.set(observation.name, {
        ...{ servers: new Map(), nowMs: 0, isStopping: false, bareWaits: 0, jitteredWaits: 0 },
      });
    }
    if (observation.type !== 'agent_step') return;
    const asker = this.#agents.get(observation.name);
    if (asker !== undefined) step(asker, observation);
  }
}

function step(asker: Asker, { name, event, effects }: Extract<Observation, { type: 'agent_step' }>): void {
  asker.nowMs = Math.max(asker.nowMs, event.atMs);
  if (event.type === 'stopping') asker.isStopping = true;
  if (event.type === 'server_disconnected') asker.servers.delete(event.serverId);
  if (event.type === 'server_connected') {
    const lastMs = Number.NEGATIVE_INFINITY;
    const uselessUntilMs = Number.NEGATIVE_INFINITY;
    asker.servers.set(event.serverId, { requests: new Set(), lastMs, refused: undefined, uselessUntilMs });
  }
  if (event.type === 'grant_received' && event.grant.channels.length > 0) {
    const asked = asker.servers.get(event.serverId);
    // One of which nothing can be made is waited out like a refusal, for as long as such grants let it grow.
    if (asked?.requests.has(event.grant.requestId) === true)
      asked.uselessUntilMs = asker.nowMs + MOST_PAUSE_MS;
  }
  if (event.type === 'grant_received' && event.grant.channels.length === 0) {
    const asked = asker.servers.get(event.serverId);
    if (asked?.requests.has(event.grant.requestId) === true) {
      const waitMs = Math.min(
        MAX_RETRY_AFTER_MS,
        Math.max(MIN_RETRY_AFTER_MS, event.grant.retryAfterMs ?? 0),
      );
      asked.refused = { atMs: asker.nowMs, waitMs };
    }
  }
  if (event.type === 'grant_received') forget(asker, event.serverId, event.grant.requestId);
  for (const effect of effects) {
    if (effect.type === 'send_request') request(name, asker, effect.serverId, effect.request.requestId);
  }
  if (asker.isStopping) return;
  for (const [serverId, { lastMs, refused, uselessUntilMs }] of asker.servers) {
    const mostMs = Math.ceil((refused?.waitMs ?? 0) * (1 + RETRY_JITTER_FRACTION));
    const dueMs = Math.max(
      lastMs + Math.max(REFRESH_INTERVAL_MS, REQUEST_TIMEOUT_MS),
      (refused?.atMs ?? Number.NEGATIVE_INFINITY) + mostMs,
      uselessUntilMs,
    );
    if (dueMs <= asker.nowMs) fail(`${name} does not ask ${serverId}, last asked at ${lastMs}`);
  }
}

/** An answer settles its request and those before it. */
function forget(asker: Asker, serverId: ServerId, requestId: number): void {
  const requests = asker.servers.get(serverId)?.requests;
  if (requests?.has(requestId) !== true) return;
  for (const asked of requests) if (asked <= requestId) requests.delete(asked);
}

function request(name: string, asker: Asker, serverId: ServerId, requestId: number): void {
  const asked = asker.servers.get(serverId);
  if (asked === undefined) fail(`${name} asks ${serverId}, which is not connected`);
  const { nowMs } = asker;
  if (nowMs < asked.lastMs + MIN_REQUEST_INTERVAL_MS) fail(`${name} asks ${serverId} without a pause`);
  if (asked.refused !== undefined) {
    const waitedMs = nowMs - asked.refused.atMs;
    if (waitedMs < asked.refused.waitMs) fail(`${name} asks ${serverId} too soon after a refusal`);
    if (waitedMs <= asked.refused.waitMs + ROUNDING_MS) asker.bareWaits += 1;
    else if (waitedMs <= asked.refused.waitMs * (1 + RETRY_JITTER_FRACTION)) asker.jitteredWaits += 1;
    if (asker.jitteredWaits === 0 && asker.bareWaits >= SUSPICIOUS_WAITS)
      fail(`${name} comes back after refusals without any random pause`);
  }
  asked.refused = undefined;
  asked.lastMs = nowMs;
  asked.requests.add(requestId);
}

function fail(message: string): never {
  throw new CheckFailure('asking', message);
}
