import { expect, test } from 'vitest';
import { timeMs } from './brand.ts';
import {
  MAX_HAPPENING_PRIORITIES,
  MAX_OTHER_HAPPENINGS,
  MAX_REASON_LENGTH,
  MAX_ROUTINE_HAPPENINGS,
} from './limits.ts';
import { type UplinkHappening, type UplinkHappeningKind, UplinkHistory } from './uplink-history.ts';

function happening(kind: UplinkHappeningKind, fields: Partial<UplinkHappening> = {}): UplinkHappening {
  return { atMs: timeMs(1), kind, reason: 'why', ...fields };
}

test('what happened stands there in its order, numbered, and is counted', () => {
  const history = new UplinkHistory();
  for (const kind of ['request', 'refusal', 'request', 'grant'] as const) history.add(happening(kind));
  expect(history.latest().map(({ number, kind }) => `${number} ${kind}`)).toEqual([
    '1 request',
    '2 refusal',
    '3 request',
    '4 grant',
  ]);
  expect([...history.totals()]).toEqual([
    ['request', 2],
    ['refusal', 1],
    ['grant', 1],
  ]);
  expect(history.total('yield')).toBe(0);
});

test('requests and grants push nothing else out, and nothing grows', () => {
  const history = new UplinkHistory();
  history.add(happening('refusal'));
  for (let count = 0; count < 1_000; count += 1)
    history.add(happening(count % 2 === 0 ? 'request' : 'grant'));
  expect(history.latest()).toHaveLength(1 + MAX_ROUTINE_HAPPENINGS);
  expect(history.latest()[0]).toMatchObject({ number: 1, kind: 'refusal' });
  for (let count = 0; count < 1_000; count += 1) history.add(happening('problem'));
  expect(history.latest()).toHaveLength(MAX_OTHER_HAPPENINGS + MAX_ROUTINE_HAPPENINGS);
  expect(history.latest().at(-1)?.number).toBe(2_001);
});

test('what a peer may have said is cut', () => {
  const history = new UplinkHistory();
  history.add(
    happening('problem', { reason: 'x'.repeat(10_000), priorities: Array.from({ length: 900 }, () => 3) }),
  );
  const [kept] = history.latest();
  expect(kept?.reason).toHaveLength(MAX_REASON_LENGTH);
  expect(kept?.priorities).toHaveLength(MAX_HAPPENING_PRIORITIES);
});

test('what was handed out does not change', () => {
  const history = new UplinkHistory();
  const before = [history.latest(), history.totals()] as const;
  history.add(happening('stall'));
  expect([before[0].length, before[1].size]).toEqual([0, 0]);
});
