/** What happened between the agent web-01 and its servers, for the fake status: some of each kind, and text that is hostile. */
import type { MessageInitShape } from '@bufbuild/protobuf';
import {
  type UplinkEventCountSchema,
  UplinkEventKind,
  type UplinkEventSchema,
} from '@sluice/wire/gen/uplink_pb';

const MIB = 1024 * 1024;

const { REQUEST, GRANT, REFUSAL, RECALL, NOTICE, HEDGE, STALL, PROBLEM } = UplinkEventKind;

type Row = readonly [
  secondsAgo: number,
  kind: UplinkEventKind,
  peerId: string,
  reason: string,
  mebibytes?: number,
  priorities?: readonly number[],
];

const ROWS: readonly Row[] = [
  [61, REQUEST, 'S1', 'connected'],
  [60, REFUSAL, 'S2', 'overloaded, ask again in 1.2 s'],
  [42, STALL, 'S2', 'no answer for 1.1 s'],
  [41, HEDGE, 'S1', 'no answer from S2 for 0.4 s', 0.1],
  [33, PROBLEM, 'S2', '<img src=x onerror=alert(1)>\u202e answered no request'],
  [21, RECALL, 'S1', 'others wait for room', 2],
  [20, REQUEST, 'S2', 'quota runs out', 9],
  [19, GRANT, 'S2', 'answers request 12', 20, [2, 4]],
  [18, NOTICE, 'S2', 'outranked by S1 (3)', 0, [2]],
  [17, REQUEST, 'S1', 'quota runs out', 22],
  [16, GRANT, 'S1', 'answers request 13', 24, [1, 3]],
];

/** Oldest first. */
export function fakeEvents(nowMs: number): MessageInitShape<typeof UplinkEventSchema>[] {
  return ROWS.map(([secondsAgo, kind, peerId, reason, mebibytes = 0, priorities = []], index) => ({
    number: BigInt(index + 1),
    atMs: BigInt(Math.floor(nowMs - secondsAgo * 1000)),
    ...{ kind, peerId, reason },
    rawBytes: BigInt(Math.floor(mebibytes * MIB)),
    priorities: [...priorities],
  }));
}

export const fakeEventTotals: MessageInitShape<typeof UplinkEventCountSchema>[] = [
  { kind: REQUEST, total: 14n },
  { kind: GRANT, total: 12n },
  { kind: REFUSAL, total: 1n },
  { kind: HEDGE, total: 1n },
];
