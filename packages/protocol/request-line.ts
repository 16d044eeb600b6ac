/**
 * The server's line of upload requests: which one is answered next, how much it is granted, and when it is refused (U3, U17).
 *
 * Invariants: no grant brings the quota outstanding plus the bytes being written above the journal's room; a request is
 * answered once, with a grant or a refusal, at the latest when its deferral is over.
 */
import { WaitingLine } from '@sluice/base/collections/waiting-line';
import type { Admission } from './admission.ts';
import type { BlockIntake } from './block-intake.ts';
import { grantId } from './brand.ts';
import type { ConfiguredChannel } from './channel-allocation.ts';
import {
  allocateChannels,
  firstBlockBytes,
  idleBytes,
  laneBlockBytes,
  waitingBytes,
  wantedBytes,
} from './channel-allocation.ts';
import type { GrantBook } from './grant-book.ts';
import {
  DEFER_TIMEOUT_MS,
  DRAINING_RETRY_AFTER_MS,
  GRANT_GRACE_MS,
  GRANT_LIFETIME_MS,
  MAX_AGE_COUNTED_MS,
  MOST_RETRY_AFTER_MS,
  RETRY_AFTER_MS,
} from './limits.ts';
import type { ClassBacklog, GrantId, RefusalReason, UploadRequest } from './model.ts';
import { MAX_BLOCK_RAW_BYTES } from './model.ts';
import type { Ranking } from './ranking.ts';
import type { ServerEffect } from './server-events.ts';
import type { Agent, GivenGrant } from './server-state.ts';
import { leftBytes } from './server-state.ts';
import type { StepEffects } from './step-effects.ts';

export interface RequestLineOptions {
  /** Unique for each start of the process: no grant id is ever given twice. */
  readonly instance: string;
  readonly grantLifetimeMs?: number;
  readonly grantGraceMs?: number;
  readonly deferTimeoutMs?: number;
}

/** The parts of the server that a grant touches. */
export interface GrantingParts {
  readonly channels: readonly ConfiguredChannel[];
  /** All that are connected. */
  readonly agents: { readonly size: number };
  readonly admission: Admission;
  readonly grants: GrantBook;
  readonly intake: BlockIntake;
  readonly ranking: Ranking;
  readonly effects: StepEffects<ServerEffect>;
}

export class RequestLine {
  readonly #options: RequestLineOptions;
  readonly #parts: GrantingParts;
  readonly #line = new WaitingLine<Agent>();
  #lineNumbers = 0;
  /** How far the line has come, in bytes given to each that stood in it all the time. */
  #reachedBytes = 0;
  #grantNumbers = 0;
  #isDraining = false;

  constructor(options: RequestLineOptions, parts: GrantingParts) {
    this.#options = options;
    this.#parts = parts;
  }

  /** A request came in. One that replaces another keeps its place. */
  add(agent: Agent, request: UploadRequest, nowMs: number): void {
    agent.request = { request, sinceMs: agent.request?.sinceMs ?? nowMs };
    this.#lineNumbers += 1;
    agent.lineNumber ??= this.#lineNumbers;
    // A newcomer stands where the others are, not ahead of them because it was given nothing before.
    agent.startBytes ??= Math.max(agent.finishBytes, this.#reachedBytes);
    this.#line.add(agent, {
      ...{ rank: lineRank(request), served: agent.startBytes, number: agent.lineNumber },
      due: dueMs(request, nowMs),
    });
  }

  remove(agent: Agent): void {
    this.#line.remove(agent);
  }

  /** From now on every request is refused (U21). */
  drain(): void {
    this.#isDraining = true;
  }

  /** U17: grants what there is to those that wait; what cannot be granted waits, and is refused after a while. */
  answer(nowMs: number): void {
    this.#serve(nowMs);
    let hasRefused = false;
    for (let agent = this.#line.longestWaiting; agent !== undefined; agent = this.#line.longestWaiting) {
      if (this.#isDraining) this.#refuse(agent, 'draining', DRAINING_RETRY_AFTER_MS);
      else if (nowMs >= this.#deferredUntilMs(agent)) {
        this.#refuse(agent, 'overloaded', this.#retryAfterMs());
      } else break;
      hasRefused = true;
    }
    // An agent behind a refused one may want little enough.
    if (hasRefused) this.#serve(nowMs);
    this.#askBack(nowMs);
  }

  /** When the passing of time alone lets something be answered; Infinity when none waits. */
  get dueMs(): number {
    const longest = this.#line.longestWaiting;
    if (longest === undefined) return Number.POSITIVE_INFINITY;
    const { admission, grants } = this.#parts;
    return Math.min(this.#deferredUntilMs(longest), admission.limitFreeAtMs, grants.recallDueMs);
  }

  /** Grants in the order of the line, until the next one cannot be granted what it needs. */
  #serve(nowMs: number): void {
    while (!this.#isDraining) {
      const agent = this.#line.first;
      if (agent === undefined || !this.#serveOne(agent, nowMs)) break;
    }
  }

  /** Grants the first in the line its share; false when there is not enough for it. */
  #serveOne(agent: Agent, nowMs: number): boolean {
    const { channels, agents, admission, intake, grants } = this.#parts;
    const backlog = agent.request?.request.backlog ?? [];
    const promisedBytes = intake.writingBytes + grants.outstandingBytes;
    const { usableBytes } = admission;
    const idleQuotaBytes = idleBytes(usableBytes, agents.size);
    const isIdle = waitingBytes(backlog) === 0;
    const needBytes = isIdle ? 0 : firstBlockBytes(backlog);
    // One that holds what it does not send gets no more, whatever it asks for.
    const mayHoldBytes = Math.floor(agent.heldMostBytes - agent.outstandingBytes);
    if (mayHoldBytes < (isIdle ? idleQuotaBytes : needBytes)) {
      this.#refuse(agent, 'holds_enough', RETRY_AFTER_MS);
      return true;
    }
    const availableBytes = usableBytes - promisedBytes;
    const equalBytes = Math.floor(availableBytes / agents.size);
    const usefulBytes = wantedBytes(channels, backlog, agent.outstandingBytes, idleQuotaBytes, equalBytes);
    const wantBytes = Math.min(usefulBytes, mayHoldBytes);
    const { limitBytes } = admission;
    if (availableBytes >= Math.max(1, isIdle ? wantBytes : needBytes) && (isIdle || limitBytes > 0)) {
      const shareBytes = Math.floor(Math.min(availableBytes / this.#line.size, limitBytes));
      const totalBytes = isIdle ? wantBytes : Math.max(needBytes, Math.min(wantBytes, shareBytes));
      this.#grant(agent, totalBytes, needBytes, isIdle, nowMs);
      return true;
    }
    const roomBytes = Math.min(admission.roomBytes - promisedBytes, mayHoldBytes);
    return this.#serveUrgent(agent, backlog, roomBytes, nowMs);
  }

  /** Urgent backlog may have all of the journal's room, and go ahead of the operator's limit. */
  #serveUrgent(agent: Agent, backlog: readonly ClassBacklog[], roomBytes: number, nowMs: number): boolean {
    const { channels, admission } = this.#parts;
    const urgentBytes = backlog.find(({ urgency }) => urgency === 'urgent')?.rawBytes ?? 0;
    const urgentNeedBytes = Math.min(urgentBytes, MAX_BLOCK_RAW_BYTES);
    if (urgentBytes === 0 || roomBytes < urgentNeedBytes || !admission.lendsToUrgent) return false;
    const mostBytes = Math.min(roomBytes, channels[0]?.quotaBytes ?? 0);
    const totalBytes = Math.min(mostBytes, Math.max(urgentNeedBytes, urgentBytes));
    this.#grant(agent, totalBytes, urgentNeedBytes, false, nowMs);
    return true;
  }

  /** Gives a grant of `totalBytes`; an idle agent's counts against the limit only as it is used. */
  #grant(agent: Agent, totalBytes: number, needBytes: number, isIdle: boolean, nowMs: number): void {
    const request = agent.request?.request;
    if (request === undefined) return;
    const { channels: configured, ranking, grants, effects } = this.#parts;
    const fit = { firstBytes: needBytes, laneBytes: laneBlockBytes(request.backlog) };
    const channels = allocateChannels(configured, totalBytes, ranking.shiftOf(agent, nowMs), fit);
    const lifetimeMs = this.#options.grantLifetimeMs ?? GRANT_LIFETIME_MS;
    const expiresAtMs = nowMs + lifetimeMs;
    const grant: GivenGrant = {
      grantId: this.#newGrantId(),
      isIdle,
      channels: channels.map((granted) => ({ granted, quotaBytes: granted.quotaBytes, usedBytes: 0 })),
      expiresAtMs,
      takenUntilMs: expiresAtMs + (this.#options.grantGraceMs ?? GRANT_GRACE_MS),
      lastUsedMs: nowMs,
      recalledBytes: 0,
      ...{ end: undefined, recallable: undefined, recalled: undefined },
    };
    const startBytes = agent.startBytes ?? 0;
    this.#reachedBytes = Math.max(this.#reachedBytes, startBytes);
    agent.finishBytes = startBytes + (isIdle ? 0 : leftBytes(grant));
    agent.request = undefined;
    agent.startBytes = undefined;
    agent.lineNumber = undefined;
    this.#line.remove(agent);
    grants.give(agent, grant, nowMs);
    effects.push({
      type: 'send_grant',
      agentId: agent.agentId,
      grant: { grantId: grant.grantId, requestId: request.requestId, channels, lifetimeMs },
    });
  }

  #refuse(agent: Agent, refusalReason: RefusalReason, retryAfterMs: number): void {
    const request = agent.request?.request;
    this.#line.remove(agent);
    agent.request = undefined;
    if (request === undefined) return;
    const grant = { grantId: this.#newGrantId(), requestId: request.requestId, channels: [], lifetimeMs: 0 };
    this.#parts.effects.push({
      type: 'send_grant',
      agentId: agent.agentId,
      grant: { ...grant, refusalReason, retryAfterMs },
    });
  }

  /** U17: while others wait for room, quota that lies unused is asked back: as much as they need for a first block each. */
  #askBack(nowMs: number): void {
    const first = this.#line.first;
    if (first === undefined) return;
    const { agents, admission, grants, effects } = this.#parts;
    const idleQuotaBytes = idleBytes(admission.usableBytes, agents.size);
    const needBytes = Math.max(idleQuotaBytes, firstBlockBytes(first.request?.request.backlog ?? []));
    for (const { agent, grant } of grants.askBack(this.#line.size * needBytes, nowMs)) {
      effects.push({ type: 'revoke', agentId: agent.agentId, grantId: grant.grantId });
    }
  }

  /** The more wait, the later the refused come back: their requests stay few however many they are. */
  #retryAfterMs(): number {
    return Math.min(MOST_RETRY_AFTER_MS, RETRY_AFTER_MS + this.#line.size - 1);
  }

  #deferredUntilMs(agent: Agent): number {
    return (agent.request?.sinceMs ?? 0) + (this.#options.deferTimeoutMs ?? DEFER_TIMEOUT_MS);
  }

  #newGrantId(): GrantId {
    this.#grantNumbers += 1;
    return grantId(`${this.#options.instance}-${this.#grantNumbers}`);
  }
}

/**
 * When the oldest urgent record came, by the agent's word: decides among equals only, so a false one gains little (U17). 0 without
 * urgent backlog: then the one that asked first comes first, and keeps its place over refusals.
 */
function dueMs({ backlog }: UploadRequest, nowMs: number): number {
  const urgent = backlog.find(({ urgency }) => urgency === 'urgent');
  return urgent === undefined ? 0 : nowMs - Math.min(urgent.oldestAgeMs, MAX_AGE_COUNTED_MS);
}

/** Urgent backlog first, then agents that want little because nothing waits, then the rest. */
function lineRank({ backlog }: UploadRequest): number {
  if (backlog.some(({ urgency }) => urgency === 'urgent')) return 0;
  return backlog.length === 0 ? 1 : 2;
}
