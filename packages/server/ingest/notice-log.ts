/** The latest priority violation notices, for people to look at (U11). */
import type { AgentId, PriorityViolationNotice, TimeMs } from '@sluice/protocol/model';
import { MAX_NOTICES_KEPT } from './limits.ts';

/** A notice as it was received. */
export interface KeptNotice {
  readonly atMs: TimeMs;
  readonly agentId: AgentId;
  readonly notice: PriorityViolationNotice;
}

export class NoticeLog {
  readonly #latest: KeptNotice[] = [];
  #total = 0;

  /** Oldest first, at most MAX_NOTICES_KEPT. */
  get latest(): readonly KeptNotice[] {
    return this.#latest;
  }

  get total(): number {
    return this.#total;
  }

  add(notice: KeptNotice): void {
    this.#total += 1;
    this.#latest.push(notice);
    if (this.#latest.length > MAX_NOTICES_KEPT) this.#latest.shift();
  }
}
