/**
 * What agents say of themselves: the latest report of each agent that was seen, for people to look at. Several sessions of
 * one agent id each have their own: a stranger's report never stands for the real agent's.
 *
 * Invariants: at most `capacity` agents are kept besides the connected ones, the longest unseen goes first; no report holds
 * more than MAX_REPORT_ROWS of anything.
 */
import type { AgentId, TimeMs } from '@sluice/protocol/model';
import type { AgentReport } from '@sluice/wire/gen/uplink_pb';
import { identityText, isTrusted, type Standing } from '../identity/agent-identity.ts';
import type { AgentSession } from './agent-session.ts';
import { EventTotals } from './event-totals.ts';
import { MAX_REPORT_ROWS } from './limits.ts';
import { mergeHistory } from './reported-history.ts';

export interface KnownAgent {
  readonly agentId: AgentId;
  readonly hostName: string;
  readonly connected: boolean;
  readonly lastSeenMs: TimeMs;
  /** When the report came; 0 until the first one did. */
  readonly reportedMs: TimeMs | 0;
  /** Undefined until the first one came. */
  readonly report: AgentReport | undefined;
  readonly identity: KnownIdentity;
}

export interface KnownIdentity {
  readonly standing: Standing;
  /** As identityText. */
  readonly shown: string;
  readonly address: string;
  readonly epoch: number;
  readonly connectedSinceMs: number;
}

export class ReportBook {
  readonly #capacity: number;
  /** By session, in the order of their coming. */
  readonly #live = new Map<string, KnownAgent>();
  /** The sessions of each agent, in the order of their coming. */
  readonly #sessions = new Map<AgentId, Set<string>>();
  /** Agents that are not connected, longest unseen first. */
  readonly #gone = new Map<AgentId, KnownAgent>();
  /** What agents tell that happened in their uplink, over all of them. */
  readonly eventTotals: EventTotals = new EventTotals();

  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  connected(session: AgentSession, atMs: TimeMs): void {
    const { agentId, hostName } = session;
    const isSame = isTrusted(session.standing);
    const before = isSame ? (this.#latestOf(agentId) ?? this.#gone.get(agentId)) : undefined;
    const { report, reportedMs = 0 } = before ?? {};
    if (isSame) this.#gone.delete(agentId);
    const sessions = this.#sessions.get(agentId);
    if (sessions === undefined) this.#sessions.set(agentId, new Set([session.sessionId]));
    else sessions.add(session.sessionId);
    this.#live.set(session.sessionId, {
      ...{ agentId, hostName, connected: true, lastSeenMs: atMs, reportedMs, report },
      identity: identityOf(session),
    });
  }

  disconnected(session: AgentSession, atMs: TimeMs): void {
    const { agentId, sessionId } = session;
    const known = this.#live.get(sessionId);
    if (known === undefined) return;
    this.#live.delete(sessionId);
    const sessions = this.#sessions.get(agentId);
    sessions?.delete(sessionId);
    if (sessions?.size === 0) this.#sessions.delete(agentId);
    // Another session stands for the agent; a stranger stands for it only when nobody else is known.
    if (this.#latestOf(agentId) !== undefined) return;
    if (!isTrusted(session.standing) && this.#gone.has(agentId)) return;
    this.#gone.delete(agentId);
    this.#gone.set(agentId, { ...known, connected: false, lastSeenMs: atMs });
    if (this.#gone.size <= this.#capacity) return;
    for (const oldest of this.#gone.keys()) {
      this.#gone.delete(oldest);
      return;
    }
  }

  reported(session: AgentSession, report: AgentReport, atMs: TimeMs): void {
    const known = this.#live.get(session.sessionId);
    if (known === undefined) return;
    cut(report.backlog);
    cut(report.servers);
    for (const server of report.servers) cut(server.channels);
    cut(report.recentUses);
    cut(report.recentNotices);
    cut(report.problems);
    if (report.sources !== undefined) cut(report.sources.worst);
    cut(report.historyTotals);
    // What a stranger says under an agent's name is not counted.
    if (isTrusted(session.standing)) this.eventTotals.told(known.report?.historyTotals, report.historyTotals);
    report.history = mergeHistory(known.report?.history ?? [], report.history);
    this.#live.set(session.sessionId, { ...known, lastSeenMs: atMs, reportedMs: atMs, report });
  }

  /** The session stands otherwise than it did. */
  judged(session: AgentSession): void {
    const known = this.#live.get(session.sessionId);
    if (known !== undefined) this.#live.set(session.sessionId, { ...known, identity: identityOf(session) });
  }

  /** The agents that left, and the connected ones: of one id an entry for each session. */
  list(): KnownAgent[] {
    return [...this.#gone.values(), ...this.#live.values()];
  }

  /** A connected session that is what is pinned to the id. */
  #latestOf(agentId: AgentId): KnownAgent | undefined {
    let latest: KnownAgent | undefined;
    for (const sessionId of this.#sessions.get(agentId) ?? []) {
      const known = this.#live.get(sessionId);
      if (known !== undefined && isTrusted(known.identity.standing)) latest = known;
    }
    return latest;
  }
}

function identityOf({ standing, shown, connection, epoch, connectedSinceMs }: AgentSession): KnownIdentity {
  const address = connection?.remoteAddress ?? '';
  return { standing, shown: identityText(shown), address, epoch, connectedSinceMs };
}

function cut(rows: unknown[]): void {
  if (rows.length > MAX_REPORT_ROWS) rows.length = MAX_REPORT_ROWS;
}
