import { create, fromJson } from '@bufbuild/protobuf';
import { type UplinkEventCount, UplinkEventCountSchema, UplinkEventKind } from '@sluice/wire/gen/uplink_pb';
import { expect, test } from 'vitest';
import { EventTotals, MAX_EVENTS_PER_REPORT } from './event-totals.ts';

const { HEDGE, STALL } = UplinkEventKind;

function counts(...rows: [kind: UplinkEventKind, total: bigint][]): UplinkEventCount[] {
  return rows.map(([kind, total]) => create(UplinkEventCountSchema, { kind, total }));
}

test('sums what agents tell, from when they are known', () => {
  const totals = new EventTotals();
  totals.told(undefined, counts([HEDGE, 50n]));
  totals.told(counts([HEDGE, 50n]), counts([HEDGE, 53n], [STALL, 1n]));
  totals.told(counts(), counts([HEDGE, 4n]));
  expect([...totals.all]).toEqual([
    ['hedge', 7],
    ['stall', 1],
  ]);
});

test('an agent that started again counts on, never down', () => {
  const totals = new EventTotals();
  totals.told(counts(), counts([HEDGE, 9n]));
  totals.told(counts([HEDGE, 9n]), counts([HEDGE, 2n]));
  expect(totals.all.get('hedge')).toBe(11);
});

test('what cannot be spoils no sum, and kinds of a newer agent make none', () => {
  const totals = new EventTotals();
  const newer = fromJson(UplinkEventCountSchema, { kind: 99, total: '3' });
  const told = counts([HEDGE, 2n ** 64n - 1n], [UplinkEventKind.UNSPECIFIED, 1n]);
  totals.told(counts(), [...told, newer]);
  expect([...totals.all]).toEqual([['hedge', MAX_EVENTS_PER_REPORT]]);
});
