/**
 * Follows findings over time: a trouble becomes a problem when it has lasted, and ends when it has been over for a while.
 * Pure: time comes with the findings.
 *
 * Invariants: `sinceMs` of a problem never changes while it lasts; at most MAX_TRACKED troubles are followed, the worst
 * of them first; what is told is sorted, worst first.
 */
import { describeProblem, type Finding, type Problem } from './problem.ts';
import { TROUBLE_CODES, TROUBLES, type TroubleCode } from './troubles.ts';

/** Troubles that are followed at once: each of the agents that a server may have, with two. */
export const MAX_TRACKED = 10_000;

interface Tracked {
  finding: Finding;
  sinceMs: number;
  /** When it was last found. */
  lastMs: number;
  raised: boolean;
}

const RANKS: ReadonlyMap<TroubleCode, number> = new Map(TROUBLE_CODES.map((code, rank) => [code, rank]));

export class HealthTracker {
  readonly #tracked = new Map<string, Tracked>();

  /**
   * @param findings what the facts show now; of a trouble that one subject has twice, as twins may, the later one is told
   * @param nowMs not before the time of the call before
   * @returns what is wrong, worst first, then the longest
   */
  step(findings: readonly Finding[], nowMs: number): Problem[] {
    const followed = findings.length <= MAX_TRACKED ? findings : worstFirst(findings).slice(0, MAX_TRACKED);
    for (const finding of followed) this.#found(finding, nowMs);
    const problems: Problem[] = [];
    for (const [key, tracked] of this.#tracked) {
      const kind = TROUBLES[tracked.finding.code];
      const isFound = tracked.lastMs === nowMs;
      if (isFound && nowMs - tracked.sinceMs >= kind.raiseAfterMs) tracked.raised = true;
      if (!isFound && (!tracked.raised || nowMs - tracked.lastMs >= kind.endAfterMs))
        this.#tracked.delete(key);
      else if (tracked.raised) problems.push(describeProblem(tracked.finding, tracked.sinceMs));
    }
    return problems.sort(compareProblems);
  }

  #found(finding: Finding, nowMs: number): void {
    const key = `${finding.code} ${finding.subject.kind} ${finding.subject.name}`;
    const known = this.#tracked.get(key);
    if (known === undefined) {
      // What was known before it was found may be over already: the list stays bounded by what is found now.
      if (this.#tracked.size >= MAX_TRACKED) return;
      const sinceMs = sinceOf(finding, nowMs);
      this.#tracked.set(key, { finding, sinceMs, lastMs: nowMs, raised: false });
      return;
    }
    known.finding = finding;
    known.lastMs = nowMs;
    // It ended and began anew between two looks.
    if (!known.raised && finding.sinceMs !== undefined) known.sinceMs = sinceOf(finding, nowMs);
  }
}

/** Whatever an agent claims: a moment that has been. */
function sinceOf(finding: Finding, nowMs: number): number {
  return Math.max(0, Math.min(Math.round(finding.sinceMs ?? nowMs), nowMs));
}

function worstFirst(findings: readonly Finding[]): Finding[] {
  return [...findings].sort((one, other) => compareCodes(one.code, other.code));
}

function compareCodes(one: TroubleCode, other: TroubleCode): number {
  const isError = (code: TroubleCode): number => (TROUBLES[code].severity === 'error' ? 0 : 1);
  return isError(one) - isError(other) || (RANKS.get(one) ?? 0) - (RANKS.get(other) ?? 0);
}

function compareProblems(one: Problem, other: Problem): number {
  return (
    compareCodes(one.code, other.code) ||
    one.sinceMs - other.sinceMs ||
    (one.subject.name < other.subject.name ? -1 : 1)
  );
}
