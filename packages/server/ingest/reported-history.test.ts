import { create, fromJson, type MessageInitShape } from '@bufbuild/protobuf';
import { type UplinkEvent, UplinkEventKind, UplinkEventSchema } from '@sluice/wire/gen/uplink_pb';
import { expect, test } from 'vitest';
import { MAX_OTHER_EVENTS, MAX_REASON_LENGTH, MAX_ROUTINE_EVENTS, mergeHistory } from './reported-history.ts';

function event(number: number, fields: MessageInitShape<typeof UplinkEventSchema> = {}): UplinkEvent {
  return create(UplinkEventSchema, { number: BigInt(number), kind: UplinkEventKind.REFUSAL, ...fields });
}

const OF_A_NEWER_AGENT = fromJson(UplinkEventSchema, { kind: 99 }).kind;

const numbers = (events: readonly UplinkEvent[]): number[] => events.map(({ number }) => Number(number));

test('reports are put together, and what was told before stands there once', () => {
  const known = mergeHistory([], [event(1), event(2), event(3)]);
  expect(numbers(mergeHistory(known, [event(4)]))).toEqual([1, 2, 3, 4]);
  expect(numbers(mergeHistory(known, [event(2), event(3), event(4)]))).toEqual([1, 2, 3, 4]);
  expect(numbers(mergeHistory(known, []))).toEqual([1, 2, 3]);
});

test('an agent that starts again begins anew', () => {
  expect(numbers(mergeHistory([event(7), event(8)], [event(1)]))).toEqual([1]);
});

test('requests and grants push nothing else out', () => {
  const routine = Array.from({ length: 500 }, (_, index) =>
    event(index + 2, { kind: index % 2 === 0 ? UplinkEventKind.REQUEST : UplinkEventKind.GRANT }),
  );
  let known = mergeHistory([], [event(1)]);
  for (const each of routine) known = mergeHistory(known, [each]);
  expect(known).toHaveLength(1 + MAX_ROUTINE_EVENTS);
  expect(numbers(known).slice(0, 1)).toEqual([1]);
  expect(numbers(known).at(-1)).toBe(501);
});

test('whatever is told is bounded, of events of unknown kinds too', () => {
  const told = Array.from({ length: 300 }, (_, index) =>
    event(300 - index, {
      kind: OF_A_NEWER_AGENT,
      reason: 'r'.repeat(1_000),
      peerId: 'p'.repeat(1_000),
      priorities: Array.from({ length: 20 }, () => 7),
    }),
  );
  const kept = mergeHistory([], told);
  expect(kept).toHaveLength(MAX_OTHER_EVENTS);
  for (const { reason, peerId, priorities } of kept) {
    expect([reason.length, peerId.length, priorities.length]).toEqual([MAX_REASON_LENGTH, 128, 16]);
  }
});
