/**
 * What the agent's machine remembers for people alone: totals, the latest uses and notices, and what happened between it and
 * its servers. Nothing is decided by it.
 *
 * Invariants: lists are bounded, oldest first; totals only grow.
 */
import type { AgentHappening, AgentMachineView, ChannelUseView, SentNoticeView } from './agent-view.ts';
import { MAX_RECENT_NOTICES, MAX_RECENT_USES } from './limits.ts';
import { noticeReason, UplinkHistory } from './uplink-history.ts';

export class AgentHistory {
  readonly #uses: ChannelUseView[] = [];
  readonly #notices: SentNoticeView[] = [];
  readonly #happenings = new UplinkHistory<AgentHappening>();
  #noticesTotal = 0;
  #recordsAcknowledgedTotal = 0;
  #blocksSetAsideTotal = 0;

  used(use: ChannelUseView): void {
    keep(this.#uses, use, MAX_RECENT_USES);
  }

  noticed(notice: SentNoticeView): void {
    this.#noticesTotal += 1;
    keep(this.#notices, notice, MAX_RECENT_NOTICES);
    const { atMs, serverId } = notice;
    const { priority } = notice.notice;
    const reason = noticeReason(notice.notice);
    this.happened({ ...{ atMs, serverId, kind: 'notice', reason }, priorities: [priority] });
  }

  happened(happening: AgentHappening): void {
    this.#happenings.add(happening);
  }

  acknowledged(recordCount: number): void {
    this.#recordsAcknowledgedTotal += recordCount;
  }

  setAside(): void {
    this.#blocksSetAsideTotal += 1;
  }

  /** Copies of the lists: what was handed out does not change. */
  view(): Omit<AgentMachineView, 'servers' | 'backlog' | 'lagMs' | 'urgentLagMs' | 'blockBytesWanted'> {
    return {
      recentUses: [...this.#uses],
      recentNotices: [...this.#notices],
      history: this.#happenings.latest(),
      historyTotals: this.#happenings.totals(),
      noticesTotal: this.#noticesTotal,
      recordsAcknowledgedTotal: this.#recordsAcknowledgedTotal,
      blocksSetAsideTotal: this.#blocksSetAsideTotal,
    };
  }
}

function keep<T>(list: T[], item: T, most: number): void {
  list.push(item);
  if (list.length > most) list.shift();
}
