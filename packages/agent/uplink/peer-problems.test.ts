import { expect, test } from 'vitest';
import { MAX_PEER_PROBLEMS, PEER_PROBLEM_SHOWN_MS } from './limits.ts';
import { PeerProblems } from './peer-problems.ts';

test('a problem is told once, with how often it came, until it has not come for a while', () => {
  const problems = new PeerProblems();
  expect(problems.add('grant', 'priority 0', 0)).toBe(true);
  expect(problems.add('answer', 'never sent', 1)).toBe(true);
  expect(problems.add('grant', 'priority -1', 2)).toBe(false);
  expect(problems.texts(3)).toEqual(['never sent', 'priority -1 (2 times of late)']);
  expect(problems.texts(PEER_PROBLEM_SHOWN_MS + 1)).toEqual(['priority -1 (2 times of late)']);
  expect(problems.texts(PEER_PROBLEM_SHOWN_MS + 2)).toEqual([]);
  expect(problems.add('grant', 'priority 0', PEER_PROBLEM_SHOWN_MS + 3)).toBe(true);
});

test('U19: neither how many problems a server makes nor how long they are costs memory', () => {
  const problems = new PeerProblems();
  for (let kind = 0; kind < 10 * MAX_PEER_PROBLEMS; kind += 1)
    problems.add(String(kind), 'x'.repeat(100_000), kind);
  const texts = problems.texts(100);
  expect(texts).toHaveLength(MAX_PEER_PROBLEMS);
  expect(Math.max(...texts.map(({ length }) => length))).toBeLessThan(2000);
});
