import { expect, test } from 'vitest';
import { type CostClass, costClassOf } from './cost-class.ts';
import { parseQuery } from './parse.ts';

test.each<readonly [query: string, expected: CostClass]>([
  ['*', 'narrow'],
  ['severity:>=warn service:api', 'narrow'],
  ['trace:0af7651916cd43dd8448eb211c80319c', 'narrow'],
  ['timeout', 'indexed'],
  ['"timed out"', 'indexed'],
  ['status:404', 'indexed'],
  ['status:*', 'indexed'],
  ['/timeout/', 'scan'],
  ['time*', 'scan'],
  ['超时', 'scan'],
  ['status:>=500', 'scan'],
  ['path:/^x/', 'scan'],
  ['-timeout', 'scan'],
  ['-severity:error', 'narrow'],
  ['timeout /x/', 'indexed'],
  ['timeout OR /x/', 'scan'],
  ['severity:error OR timeout', 'indexed'],
  ['severity:error /x/', 'scan'],
])('%s is %s', (query, expected) => {
  expect(costClassOf(parseQuery(query))).toBe(expected);
});
