import type { AgentId } from '@sluice/protocol/model';
import {
  ANONYMOUS,
  agentPrincipal,
  type Principal,
  storeClientPrincipal,
  TOKEN_HOLDER,
} from '@sluice/protocol/principal';
import { Condition } from '@sluice/query/condition';
import { expect, test } from 'vitest';
import { scopeOf } from './search-scope.ts';

const agent = agentPrincipal('web-1' as AgentId, { key: undefined, certificate: undefined });

test.each<[Principal, Condition]>([
  [ANONYMOUS, Condition.everything],
  [TOKEN_HOLDER, Condition.everything],
  [agent, Condition.nothing],
  [storeClientPrincipal('socket'), Condition.nothing],
])('who the API lets in sees the records, and nobody else: %j', (principal, condition) => {
  expect(scopeOf(principal).condition).toBe(condition);
  expect(scopeOf(principal).settings).toMatchObject({ readonly: '1' });
});
