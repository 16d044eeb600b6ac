/** Troubles of searches: more than this server takes. */
import type { HealthFacts } from './health-facts.ts';
import type { Finding } from './problem.ts';

export function searchTroubles({ searches, serverId }: HealthFacts): Finding[] {
  const { running, waiting, refusedLately } = searches;
  if (refusedLately === 0) return [];
  const values = { refused: String(refusedLately), running: String(running), waiting: String(waiting) };
  return [{ code: 'searches_refused', subject: { kind: 'server', name: serverId }, values }];
}
