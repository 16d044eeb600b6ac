/** Judges the facts of a moment, and tells over time what is wrong. Pure. */
import type { UrgencyClass } from '@sluice/protocol/model';
import { agentTroubles } from './agent-troubles.ts';
import type { HealthFacts } from './health-facts.ts';
import { HealthTracker } from './health-tracker.ts';
import { identityBookTroubles, identityTroubles } from './identity-troubles.ts';
import { journalTroubles } from './journal-troubles.ts';
import { loadingTroubles, stillForMs } from './loading-troubles.ts';
import type { Finding, Problem } from './problem.ts';
import { searchTroubles } from './search-troubles.ts';
import { storeTroubles } from './store-troubles.ts';
import type { TroubleCode } from './troubles.ts';
import { type Unsearchable, unsearchable } from './unsearchable.ts';
import { type UrgentLag, urgentLag } from './urgent-lag.ts';

/** Problems of one code that are told one by one; a common cause at thousands of agents is one thing to read. */
export const MAX_TOLD_PER_CODE = 10;
/** Problems that are told one by one. */
export const MAX_TOLD = 50;

/** How it stands at a moment. */
export interface HealthView {
  readonly atMs: number;
  /** Worst first, at most {@link MAX_TOLD}, and {@link MAX_TOLD_PER_CODE} of one code. */
  readonly problems: readonly Problem[];
  /** All problems by code, those that are not told one by one too. */
  readonly counts: ReadonlyMap<TroubleCode, number>;
  readonly unsearchable: Unsearchable;
  readonly urgentLag: UrgentLag;
  /** For each class of which something waits in the journal, how long nothing was loaded. */
  readonly stillForMs: ReadonlyMap<UrgencyClass, number>;
}

/** Finds every trouble that the facts show. */
export function findTroubles(facts: HealthFacts, nowMs: number): Finding[] {
  return [
    ...storeTroubles(facts.store),
    ...journalTroubles(facts.journal, facts.serverId),
    ...loadingTroubles(facts, nowMs),
    ...agentTroubles(facts.agents, nowMs),
    ...identityTroubles(facts.identities),
    ...identityBookTroubles(facts.identityBook, facts.serverId),
    ...searchTroubles(facts),
  ];
}

export class Health {
  readonly #tracker = new HealthTracker();

  /** @param nowMs not before that of the call before */
  look(facts: HealthFacts, nowMs: number): HealthView {
    const problems = this.#tracker.step(findTroubles(facts, nowMs), nowMs);
    const counts = new Map<TroubleCode, number>();
    const told: Problem[] = [];
    for (const problem of problems) {
      const count = (counts.get(problem.code) ?? 0) + 1;
      counts.set(problem.code, count);
      if (count <= MAX_TOLD_PER_CODE && told.length < MAX_TOLD) told.push(problem);
    }
    return {
      ...{ atMs: nowMs, problems: told, counts },
      stillForMs: stillForMs(facts, nowMs),
      unsearchable: unsearchable(facts.waiting, facts.agents, nowMs),
      urgentLag: urgentLag(facts.agents, nowMs),
    };
  }
}
