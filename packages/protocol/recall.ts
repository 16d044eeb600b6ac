/**
 * U17: quota that lies unused while others wait for room is asked back. The agent answers with a request that closes the
 * channels, and says what it sent on them; until then the quota counts as outstanding, and blocks on it are taken.
 *
 * Invariants: each grant is recalled once; few at a time; what is being recalled is more than what is wanted by one grant at most;
 * quota of agents with nothing waiting stays theirs.
 */
import { Fifo } from './fifo.ts';
import { MAX_GRANTS_RECALLED_AT_ONCE, RECALL_UNUSED_MS } from './limits.ts';
import type { Agent, GivenGrant } from './server-state.ts';
import { leftBytes } from './server-state.ts';

interface Holding {
  readonly agent: Agent;
  readonly grant: GivenGrant;
  /** Not to be looked at before. */
  readonly dueMs: number;
}

export class Recall {
  readonly #holdings = new Fifo<Holding>();
  /** Recalled and still outstanding. */
  #recalledBytes = 0;
  #recalledGrants = 0;
  #dueMs = Number.POSITIVE_INFINITY;

  given(agent: Agent, grant: GivenGrant, nowMs: number): void {
    if (grant.isIdle) return;
    this.#forgetEnded();
    this.#holdings.put({ agent, grant, dueMs: nowMs + RECALL_UNUSED_MS });
  }

  /** Quota of the grant was used, or is not outstanding any more. */
  released(grant: GivenGrant, bytes: number): void {
    if (grant.recalledBytes === 0) return;
    grant.recalledBytes -= bytes;
    this.#recalledBytes -= bytes;
    if (grant.recalledBytes === 0) this.#recalledGrants -= 1;
  }

  /** The next grants to recall, so that `wantedBytes` are on their way back. They count as recalled from now on. */
  next(wantedBytes: number, nowMs: number): Holding[] {
    const recalled: Holding[] = [];
    this.#dueMs = Number.POSITIVE_INFINITY;
    this.#forgetEnded();
    for (let first = this.#holdings.first; first !== undefined; first = this.#holdings.first) {
      // Enough is on its way back: what comes of it is an event.
      if (this.#recalledBytes >= wantedBytes || this.#recalledGrants >= MAX_GRANTS_RECALLED_AT_ONCE) break;
      if (first.dueMs > nowMs) {
        this.#dueMs = first.dueMs;
        break;
      }
      this.#holdings.drop();
      const { agent, grant } = first;
      if (hasEnded(first)) continue;
      if (nowMs < grant.lastUsedMs + RECALL_UNUSED_MS) {
        this.#holdings.put({ agent, grant, dueMs: nowMs + RECALL_UNUSED_MS });
        continue;
      }
      grant.recalledBytes = leftBytes(grant);
      this.#recalledBytes += grant.recalledBytes;
      this.#recalledGrants += 1;
      recalled.push(first);
    }
    return recalled;
  }

  /** When there may be more to recall than there was at the latest {@link next}; Infinity when time alone does not tell. */
  get dueMs(): number {
    return this.#dueMs;
  }

  #forgetEnded(): void {
    for (let first = this.#holdings.first; first !== undefined; first = this.#holdings.first) {
      if (!hasEnded(first)) return;
      this.#holdings.drop();
    }
  }
}

function hasEnded({ agent, grant }: Holding): boolean {
  return agent.grants.get(grant.grantId) !== grant || leftBytes(grant) === 0;
}
