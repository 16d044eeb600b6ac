/**
 * What agents say of themselves: the latest report of each agent that was seen, for people to look at.
 *
 * Invariants: at most `capacity` agents are kept, the longest unseen disconnected one goes first; no report holds
 * more than MAX_REPORT_ROWS of anything.
 */
import type { AgentId, TimeMs } from '@sluice/protocol/model';
import type { AgentReport } from '@sluice/wire/gen/uplink_pb';
import { MAX_REPORT_ROWS } from './limits.ts';

export interface KnownAgent {
  readonly agentId: AgentId;
  readonly hostName: string;
  readonly connected: boolean;
  readonly lastSeenMs: TimeMs;
  /** When the report came; 0 until the first one did. */
  readonly reportedMs: TimeMs | 0;
  /** Undefined until the first one came. */
  readonly report: AgentReport | undefined;
}

export class ReportBook {
  readonly #capacity: number;
  /** In the order of last seen, longest unseen first. */
  readonly #agents = new Map<AgentId, KnownAgent>();

  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  connected(agentId: AgentId, hostName: string, atMs: TimeMs): void {
    const { report, reportedMs = 0 } = this.#agents.get(agentId) ?? {};
    this.#put({ agentId, hostName, connected: true, lastSeenMs: atMs, reportedMs, report });
    if (this.#agents.size <= this.#capacity) return;
    for (const known of this.#agents.values()) {
      if (known.connected) continue;
      this.#agents.delete(known.agentId);
      return;
    }
  }

  disconnected(agentId: AgentId, atMs: TimeMs): void {
    const known = this.#agents.get(agentId);
    if (known !== undefined) this.#put({ ...known, connected: false, lastSeenMs: atMs });
  }

  reported(agentId: AgentId, report: AgentReport, atMs: TimeMs): void {
    const known = this.#agents.get(agentId);
    if (known === undefined) return;
    cut(report.backlog);
    cut(report.servers);
    for (const server of report.servers) cut(server.channels);
    cut(report.recentUses);
    cut(report.recentNotices);
    cut(report.problems);
    if (report.sources !== undefined) cut(report.sources.worst);
    this.#put({ ...known, lastSeenMs: atMs, reportedMs: atMs, report });
  }

  list(): KnownAgent[] {
    return [...this.#agents.values()];
  }

  #put(known: KnownAgent): void {
    this.#agents.delete(known.agentId);
    this.#agents.set(known.agentId, known);
  }
}

function cut(rows: unknown[]): void {
  if (rows.length > MAX_REPORT_ROWS) rows.length = MAX_REPORT_ROWS;
}
