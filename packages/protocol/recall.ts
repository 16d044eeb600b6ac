/**
 * U17: quota that lies unused while other agents wait for room is asked back. The agent answers with a request that closes the
 * channels, and says what it sent on them; until then the quota counts as outstanding, and blocks on it are taken. An agent that
 * does not answer in time is silent: what it holds of the grant is taken back.
 *
 * Invariants: each grant is recalled once; of one that has no quota left nothing is held; few at a time; what is being
 * recalled is more than what is wanted by one grant at most; quota of agents with nothing waiting stays theirs.
 */
import { Fifo } from '@sluice/base/collections/fifo';
import { MAX_GRANTS_RECALLED_AT_ONCE, RECALL_ANSWER_MS, RECALL_UNUSED_MS } from './limits.ts';
import type { Agent, GivenGrant, Recallable } from './server-state.ts';
import { leftBytes } from './server-state.ts';

export class Recall {
  /** Those with quota left that were not asked back, in the order in which they are looked at. */
  readonly #recallables = new Fifo<Recallable>();
  /** Those that were asked back and have quota outstanding, with the time by which they are to be given back. */
  readonly #recalled = new Fifo<Recallable>();
  /** Recalled and still outstanding. */
  #recalledBytes = 0;
  #recalledGrants = 0;
  #dueMs = Number.POSITIVE_INFINITY;

  given(agent: Agent, grant: GivenGrant, nowMs: number): void {
    if (grant.isIdle) return;
    grant.recallable = this.#recallables.add({ agent, grant, dueMs: nowMs + RECALL_UNUSED_MS });
  }

  /** So much quota of the grant was used, or taken back. */
  released(grant: GivenGrant, bytes: number): void {
    if (leftBytes(grant) === 0) this.#forget(grant);
    if (grant.recalledBytes === 0) return;
    grant.recalledBytes -= bytes;
    this.#recalledBytes -= bytes;
    if (grant.recalledBytes > 0) return;
    this.#recalledGrants -= 1;
    if (grant.recalled !== undefined) this.#recalled.remove(grant.recalled);
    grant.recalled = undefined;
  }

  /** The grant has ended: nothing of it is waited for, whatever it held. */
  ended(grant: GivenGrant): void {
    this.#forget(grant);
    if (grant.recalled === undefined) return;
    this.#recalled.remove(grant.recalled);
    grant.recalled = undefined;
  }

  /** When the next one that was asked back is taken back; Infinity when there is none. */
  get takenBackAtMs(): number {
    return this.#recalled.first?.dueMs ?? Number.POSITIVE_INFINITY;
  }

  /** The next one that was asked back and not given back in time; its quota is to be released. */
  unanswered(nowMs: number): Recallable | undefined {
    const { first } = this.#recalled;
    return first !== undefined && first.dueMs <= nowMs ? first : undefined;
  }

  /** The next grants to recall, so that `wantedBytes` are on their way back. They count as recalled from now on. */
  next(wantedBytes: number, nowMs: number): Recallable[] {
    const recalled: Recallable[] = [];
    this.#dueMs = Number.POSITIVE_INFINITY;
    for (let first = this.#recallables.first; first !== undefined; first = this.#recallables.first) {
      // Enough is on its way back: what comes of it is an event.
      if (this.#recalledBytes >= wantedBytes || this.#recalledGrants >= MAX_GRANTS_RECALLED_AT_ONCE) break;
      if (first.dueMs > nowMs) {
        this.#dueMs = first.dueMs;
        break;
      }
      const { agent, grant } = first;
      this.#forget(grant);
      if (nowMs < grant.lastUsedMs + RECALL_UNUSED_MS) {
        this.given(agent, grant, nowMs);
        continue;
      }
      grant.recalledBytes = leftBytes(grant);
      this.#recalledBytes += grant.recalledBytes;
      this.#recalledGrants += 1;
      grant.recalled = this.#recalled.add({ agent, grant, dueMs: nowMs + RECALL_ANSWER_MS });
      recalled.push(first);
    }
    return recalled;
  }

  /** When there may be more to recall than there was at the latest {@link next}; Infinity when time alone does not tell. */
  get dueMs(): number {
    return this.#dueMs;
  }

  #forget(grant: GivenGrant): void {
    if (grant.recallable !== undefined) this.#recallables.remove(grant.recallable);
    grant.recallable = undefined;
  }
}
