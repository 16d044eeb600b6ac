/**
 * What one server said that was wrong, for people: each kind of problem once, with how often it came.
 *
 * Invariants: at most MAX_PEER_PROBLEMS are remembered, the longest unseen goes first; each is told until it did not come for
 * PEER_PROBLEM_SHOWN_MS. Times are of a clock that only counts on, in ms.
 */
import { readText } from '@sluice/wire/convert/fields';
import { MAX_PEER_PROBLEMS, PEER_PROBLEM_SHOWN_MS } from './limits.ts';

interface PeerProblem {
  /** The latest one, in words. */
  readonly text: string;
  readonly times: number;
  readonly atMs: number;
}

export class PeerProblems {
  /** By kind, the longest unseen first. */
  readonly #problems = new Map<string, PeerProblem>();

  /**
   * @param kind what stays the same of it
   * @param text may hold what the peer said, and is cut
   * @returns whether it is news: what comes again and again is logged once
   */
  add(kind: string, text: string, nowMs: number): boolean {
    this.#forget(nowMs);
    const before = this.#problems.get(kind);
    this.#problems.delete(kind);
    this.#problems.set(kind, { text: readText(text), times: (before?.times ?? 0) + 1, atMs: nowMs });
    if (this.#problems.size > MAX_PEER_PROBLEMS) {
      for (const oldest of this.#problems.keys()) {
        this.#problems.delete(oldest);
        break;
      }
    }
    return before === undefined;
  }

  /** One sentence each. */
  texts(nowMs: number): string[] {
    this.#forget(nowMs);
    return [...this.#problems.values()].map(({ text, times }) =>
      times === 1 ? text : `${text} (${times} times of late)`,
    );
  }

  #forget(nowMs: number): void {
    for (const [kind, { atMs }] of this.#problems) {
      if (nowMs - atMs < PEER_PROBLEM_SHOWN_MS) return;
      this.#problems.delete(kind);
    }
  }
}
