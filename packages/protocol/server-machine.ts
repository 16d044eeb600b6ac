/**
 * The server's uplink state machine: answers requests with grants within the journal's room, takes what it granted,
 * and acknowledges what is durable. The rules are in SPEC.md.
 *
 * Invariants: deterministic, no clock but the events' times; no grant is given that would bring the quota outstanding
 * plus the bytes being written above the journal's room; a block within a live grant is always taken; a block is
 * acknowledged only when durable.
 */

import { Admission } from './admission.ts';
import { BlockIntake } from './block-intake.ts';
import { timeMs } from './brand.ts';
import type { ConfiguredChannel } from './channel-allocation.ts';
import { checkChannels, DEFAULT_CHANNELS } from './channel-allocation.ts';
import { GrantBook } from './grant-book.ts';
import { FIRST_HELD_BYTES, MAX_RECENT_NOTICES, YIELD_MEMORY_MS } from './limits.ts';
import type { AgentId, PriorityViolationNotice, ServerId, TimeMs } from './model.ts';
import type { RankingOptions } from './ranking.ts';
import { Ranking } from './ranking.ts';
import type { RequestLineOptions } from './request-line.ts';
import { RequestLine } from './request-line.ts';
import type { ServerEffect, ServerEvent } from './server-events.ts';
import { ServerHistory } from './server-history.ts';
import type { Agent } from './server-state.ts';
import type { ReceivedNoticeView, ServerMachineView } from './server-view.ts';
import { viewAgent } from './server-view.ts';
import { StepEffects } from './step-effects.ts';
import { yieldShift } from './yielding.ts';

/** All but the id and the instance have defaults; times in ms. */
export interface ServerMachineOptions extends RequestLineOptions, RankingOptions {
  readonly serverId: ServerId;
  /** What each grant is allocated to. Default {@link DEFAULT_CHANNELS}. */
  readonly channels?: readonly ConfiguredChannel[];
  /**
   * What the journal takes when it is empty, in raw bytes: a server that starts with a full one is loaded from its first
   * grant on. Default: the most room that it ever had.
   */
  readonly journalBytes?: number;
  /** Quota that an agent may hold before it has sent anything, in raw bytes (U17). */
  readonly firstHeldBytes?: number;
  /** What a notice does (U11): `yield` ranks the next grants lower for a while, `ignore` only counts. */
  readonly onNotice?: 'ignore' | 'yield';
  readonly yieldMemoryMs?: number;
  /** The operator's limit on what is granted, in raw bytes per second (U17). Default: none. */
  readonly ingestLimitBytesPerSecond?: number;
}

export interface ServerMachine {
  /** Advances the machine by one event and returns what to do, in order. Never throws for what a peer says. */
  step(event: ServerEvent): ServerEffect[];
  view(nowMs: TimeMs): ServerMachineView;
}

/**
 * A machine that knows no agent and has no room yet.
 * @throws SluiceError config_invalid for channels that cannot be granted.
 */
export function createServerMachine(options: ServerMachineOptions): ServerMachine {
  return new ServerUplinkMachine(options);
}

class ServerUplinkMachine implements ServerMachine {
  readonly #options: ServerMachineOptions;
  readonly #channels: readonly ConfiguredChannel[];
  readonly #effects = new StepEffects<ServerEffect>();
  readonly #agents = new Map<AgentId, Agent>();
  readonly #admission: Admission;
  readonly #grants: GrantBook;
  readonly #intake: BlockIntake;
  readonly #ranking: Ranking;
  readonly #line: RequestLine;
  #draining = false;
  #noticesTotal = 0;
  readonly #recentNotices: ReceivedNoticeView[] = [];
  readonly #history = new ServerHistory();
  #nowMs = 0;
  #wakeMs = Number.POSITIVE_INFINITY;

  constructor(options: ServerMachineOptions) {
    this.#options = options;
    this.#channels = checkChannels(options.channels ?? DEFAULT_CHANNELS);
    this.#admission = new Admission(options.ingestLimitBytesPerSecond, options.journalBytes ?? 0);
    this.#grants = new GrantBook(this.#admission);
    this.#intake = new BlockIntake(this.#admission, this.#grants, this.#effects);
    this.#ranking = new Ranking(options, options.yieldMemoryMs ?? YIELD_MEMORY_MS);
    this.#line = new RequestLine(options, {
      channels: this.#channels,
      agents: this.#agents,
      admission: this.#admission,
      grants: this.#grants,
      intake: this.#intake,
      ranking: this.#ranking,
      effects: this.#effects,
    });
  }

  step(event: ServerEvent): ServerEffect[] {
    this.#effects.begin();
    this.#nowMs = Math.max(this.#nowMs, event.atMs);
    this.#admission.passTime(this.#nowMs);
    this.#ranking.passTime(this.#nowMs);
    this.#grants.expire(this.#nowMs);
    this.#take(event);
    this.#ranking.judgeLoad(this.#admission.fullness);
    this.#line.answer(this.#nowMs);
    this.#wake();
    this.#history.stepped(event, this.#effects.all, this.#nowMs);
    return this.#effects.all;
  }

  view(nowMs: TimeMs): ServerMachineView {
    return {
      serverId: this.#options.serverId,
      draining: this.#draining,
      roomBytes: this.#admission.roomBytes,
      drainBytesPerSecond: this.#admission.drainBytesPerSecond,
      loaded: this.#ranking.isLoaded,
      outstandingBytes: this.#grants.outstandingBytes,
      writingBytes: this.#intake.writingBytes,
      agents: [...this.#agents.values()].map((agent) =>
        viewAgent(agent, this.#ranking.shiftOf(agent, this.#nowMs), nowMs),
      ),
      noticesTotal: this.#noticesTotal,
      recentNotices: [...this.#recentNotices],
      history: this.#history.latest(),
      historyTotals: this.#history.totals(),
    };
  }

  #take(event: ServerEvent): void {
    switch (event.type) {
      case 'agent_connected':
        this.#disconnected(event.agentId);
        this.#agents.set(event.agentId, {
          ...{ agentId: event.agentId, isRemote: event.isRemote === true },
          ...{ grants: new Map(), request: undefined },
          heldMostBytes: this.#options.firstHeldBytes ?? FIRST_HELD_BYTES,
          ...{ outstandingBytes: 0, finishBytes: 0, startBytes: undefined, lineNumber: undefined },
        });
        return;
      case 'agent_disconnected':
        this.#disconnected(event.agentId);
        return;
      case 'request_received': {
        const agent = this.#agents.get(event.agentId);
        if (agent === undefined) return;
        for (const closed of event.request.closedChannels ?? []) this.#grants.close(agent, closed);
        this.#line.add(agent, event.request, this.#nowMs);
        return;
      }
      case 'notice_received':
        this.#noticed(event.agentId, event.notice);
        return;
      case 'block_arrived':
        this.#intake.arrived(this.#agents.get(event.agentId), event, this.#nowMs);
        return;
      case 'block_durable':
        this.#intake.written(event.blockId, undefined);
        return;
      case 'block_not_durable':
        this.#intake.written(event.blockId, event.reason);
        return;
      case 'journal_room_changed':
        this.#admission.roomChanged(event.roomBytes, this.#nowMs);
        return;
      case 'woken':
        // The wish is used up, also when the timer was a little early.
        this.#wakeMs = Number.POSITIVE_INFINITY;
        return;
      case 'draining':
        this.#drain();
        return;
      default:
        event satisfies never;
    }
  }

  #disconnected(agentId: AgentId): void {
    const agent = this.#agents.get(agentId);
    if (agent === undefined) return;
    this.#grants.endAll(agent);
    this.#line.remove(agent);
    this.#agents.delete(agentId);
  }

  #noticed(agentId: AgentId, notice: PriorityViolationNotice): void {
    this.#noticesTotal += 1;
    this.#recentNotices.push({ atMs: timeMs(this.#nowMs), agentId, notice });
    if (this.#recentNotices.length > MAX_RECENT_NOTICES) this.#recentNotices.shift();
    this.#effects.push({ type: 'record_notice', agentId, notice });
    const isOurs = this.#agents.get(agentId)?.grants.has(notice.grantId) === true;
    if ((this.#options.onNotice ?? 'yield') === 'ignore' || !isOurs) return;
    const shift = yieldShift(this.#channels, notice);
    this.#ranking.yieldTo(agentId, shift, this.#nowMs);
    if (shift === 0) return;
    const reason = `ranked ${shift} lower from the next grant on`;
    this.#history.add({ atMs: timeMs(this.#nowMs), agentId, kind: 'yield', reason });
  }

  #drain(): void {
    if (this.#draining) return;
    this.#draining = true;
    this.#line.drain();
    // What is on its way is still taken until the grants' grace is over.
    for (const { agentId, grants } of this.#agents.values()) {
      if (grants.size > 0) this.#effects.push({ type: 'revoke', agentId });
    }
  }

  #wake(): void {
    const wakeMs = Math.min(this.#grants.nextEndMs, this.#line.dueMs);
    if (!Number.isFinite(wakeMs)) return;
    if (this.#wakeMs > this.#nowMs && this.#wakeMs <= wakeMs) return;
    this.#wakeMs = Math.max(wakeMs, this.#nowMs + 1);
    this.#effects.push({ type: 'wake_at', atMs: timeMs(this.#wakeMs) });
  }
}
