import { expect, test } from 'vitest';
import { WaitingLine } from './waiting-line.ts';

const inOrder = (line: WaitingLine<string>): string[] => {
  const served: string[] = [];
  for (let next = line.first; next !== undefined; next = line.first) {
    served.push(next);
    line.remove(next);
  }
  return served;
};

test('WaitingLine: served by rank, then by what was given before, by what is due, then by number', () => {
  const line = new WaitingLine<string>();
  line.add('later', { rank: 1, served: 5, due: 0, number: 2 });
  line.add('bulk', { rank: 2, served: 0, due: 0, number: 1 });
  line.add('earlier', { rank: 1, served: 5, due: 0, number: 1 });
  line.add('poor', { rank: 1, served: 4, due: 0, number: 9 });
  line.add('due', { rank: 1, served: 5, due: -1, number: 8 });
  line.add('urgent', { rank: 0, served: 99, due: 0, number: 3 });
  expect(line.size).toBe(6);
  expect(inOrder(line)).toEqual(['urgent', 'poor', 'due', 'earlier', 'later', 'bulk']);
  expect([line.first, line.longestWaiting, line.size]).toEqual([undefined, undefined, 0]);
});

test('WaitingLine: an item that is added again moves in the order, is in once, and has waited as long as before', () => {
  const line = new WaitingLine<string>();
  line.add('a', { rank: 1, served: 0, due: 0, number: 1 });
  line.add('b', { rank: 1, served: 0, due: 0, number: 2 });
  line.add('a', { rank: 2, served: 0, due: 0, number: 1 });
  expect([line.size, line.first, line.longestWaiting]).toEqual([2, 'b', 'a']);
  line.remove('a');
  line.remove('a');
  expect([line.size, line.first, line.longestWaiting]).toEqual([1, 'b', 'b']);
  line.add('a', { rank: 0, served: 0, due: 0, number: 3 });
  expect([line.first, line.longestWaiting]).toEqual(['a', 'b']);
});
