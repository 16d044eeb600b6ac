/** Troubles of who agents are: several under one name, an unknown key, a data directory that came back older. */
import { IdentityProblemKind } from '@sluice/wire/gen/uplink_pb';
import type { IdentityBookFacts, IdentityFacts } from './health-facts.ts';
import type { Finding, Subject } from './problem.ts';
import { sentence } from './store-troubles.ts';
import type { TroubleCode } from './troubles.ts';

const CODES: ReadonlyMap<IdentityProblemKind, TroubleCode> = new Map([
  [IdentityProblemKind.TWINS, 'identity_twins'],
  [IdentityProblemKind.OTHER_KEY, 'identity_other_key'],
  [IdentityProblemKind.NO_KEY, 'identity_no_key'],
  [IdentityProblemKind.ROLLED_BACK, 'agent_rolled_back'],
]);

/** @returns each trouble of an agent once, however many strangers came under its name */
export function identityTroubles(identities: readonly IdentityFacts[]): Finding[] {
  const found = new Map<string, { fact: IdentityFacts; sinceMs: number; count: number }>();
  for (const fact of identities) {
    const key = `${fact.kind} ${fact.agentId}`;
    const before = found.get(key);
    found.set(key, {
      fact,
      sinceMs: Math.min(before?.sinceMs ?? fact.sinceMs, fact.sinceMs),
      count: (before?.count ?? 0) + fact.count,
    });
  }
  return [...found.values()].flatMap(({ fact, sinceMs, count }): Finding[] => {
    const code = CODES.get(fact.kind);
    if (code === undefined) return [];
    const values = { count: String(count) };
    return [{ code, subject: { kind: 'agent', name: fact.agentId }, sinceMs, values }];
  });
}

/** @returns what is wrong with the file in which the server remembers who agents are */
export function identityBookTroubles({ loss, writeFailure }: IdentityBookFacts, serverId: string): Finding[] {
  const subject: Subject = { kind: 'server', name: serverId };
  const finding = (code: TroubleCode, reason: string | undefined): Finding[] =>
    reason === undefined ? [] : [{ code, subject, values: { reason: sentence(reason) } }];
  return [...finding('identity_book_lost', loss), ...finding('identity_book_unwritable', writeFailure)];
}
