/**
 * What happened in the uplink: protocol -> wire. The other direction is for people's eyes alone, who get what a peer says, cut.
 */
import { create } from '@bufbuild/protobuf';
import {
  type Numbered,
  UPLINK_HAPPENING_KINDS,
  type UplinkHappening,
  type UplinkHappeningKind,
} from '@sluice/protocol/uplink-history';
import {
  type UplinkEvent,
  type UplinkEventCount,
  UplinkEventCountSchema,
  UplinkEventKind,
  UplinkEventSchema,
} from '@sluice/wire/gen/uplink_pb';

/** The number of each kind on the wire. */
const NUMBERS: Readonly<Record<UplinkHappeningKind, UplinkEventKind>> = {
  request: UplinkEventKind.REQUEST,
  grant: UplinkEventKind.GRANT,
  refusal: UplinkEventKind.REFUSAL,
  recall: UplinkEventKind.RECALL,
  notice: UplinkEventKind.NOTICE,
  yield: UplinkEventKind.YIELD,
  hedge: UplinkEventKind.HEDGE,
  stall: UplinkEventKind.STALL,
  problem: UplinkEventKind.PROBLEM,
};

/** @param peerId of whom it happened with: a server's id or an agent's */
export function writeUplinkEvent(happening: Numbered<UplinkHappening>, peerId: string): UplinkEvent {
  const { number, atMs, kind, reason, rawBytes = 0, priorities = [] } = happening;
  return create(UplinkEventSchema, {
    number: BigInt(number),
    atMs: BigInt(Math.max(0, Math.trunc(atMs))),
    kind: NUMBERS[kind],
    ...{ peerId, reason },
    rawBytes: BigInt(Math.min(Math.max(0, Math.trunc(rawBytes)), Number.MAX_SAFE_INTEGER)),
    priorities: [...priorities],
  });
}

/** The totals of a history as messages. */
export function writeUplinkEventCounts(totals: ReadonlyMap<UplinkHappeningKind, number>): UplinkEventCount[] {
  return [...totals].map(([kind, total]) =>
    create(UplinkEventCountSchema, { kind: NUMBERS[kind], total: BigInt(total) }),
  );
}

/** The kind of a number; undefined for one that is newer than this program. */
export function readUplinkEventKind(number: UplinkEventKind): UplinkHappeningKind | undefined {
  return UPLINK_HAPPENING_KINDS.find((kind) => NUMBERS[kind] === number);
}
