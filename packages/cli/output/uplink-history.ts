/** What happened between agents and servers: as lines for people, and as the `history` of `sluice status --json`. */
import { isoTime } from '@sluice/host/iso-time';
import { formatBytes } from '@sluice/host/quantity-text';
import { type UplinkEvent, type UplinkEventCount, UplinkEventKind } from '@sluice/wire/gen/uplink_pb';
import { printable, styled } from './terminal.ts';

/** Events that the text shows of each; `--json` has all that are kept. */
const SHOWN_EVENTS = 6;

const KINDS = [
  ['request', UplinkEventKind.REQUEST],
  ['grant', UplinkEventKind.GRANT],
  ['refusal', UplinkEventKind.REFUSAL],
  ['recall', UplinkEventKind.RECALL],
  ['notice', UplinkEventKind.NOTICE],
  ['yield', UplinkEventKind.YIELD],
  ['hedge', UplinkEventKind.HEDGE],
  ['stall', UplinkEventKind.STALL],
  ['problem', UplinkEventKind.PROBLEM],
] as const;

const NAMES: ReadonlyMap<UplinkEventKind, string> = new Map(KINDS.map(([name, kind]) => [kind, name]));

/** An event, as `--json` shows it. */
export interface JsonUplinkEvent {
  at: string;
  /** request, grant, refusal, recall, notice, yield, hedge, stall, problem; unspecified for one that is newer than this program. */
  kind: string;
  reason: string;
  /** 0 and empty where it has none. */
  rawBytes: number;
  priorities: number[];
}

/** @returns the event without who the other side is */
export function jsonUplinkEvent(event: UplinkEvent): JsonUplinkEvent {
  return {
    at: isoTime(event.atMs),
    kind: nameOf(event.kind),
    reason: event.reason,
    rawBytes: Number(event.rawBytes),
    priorities: event.priorities,
  };
}

/** @returns how much of each kind happened since the start; every kind is there */
export function jsonHistoryTotals(totals: readonly UplinkEventCount[]): Record<string, number> {
  return Object.fromEntries(
    KINDS.map(([name, kind]) => [name, Number(totals.find((count) => count.kind === kind)?.total ?? 0n)]),
  );
}

/** @returns a line with the totals, and the latest of what is more than routine */
export function historyLines(history: readonly UplinkEvent[], totals: readonly UplinkEventCount[]): string[] {
  const told = KINDS.flatMap(([name, kind]) => {
    const total = totals.find((count) => count.kind === kind)?.total ?? 0n;
    return total === 0n ? [] : [`${total} ${total === 1n ? name : `${name}s`}`];
  });
  const latest = history.filter(({ kind }) => !isRoutine(kind)).slice(-SHOWN_EVENTS);
  return [...(told.length === 0 ? [] : [`  uplink ${told.join(', ')}`]), ...latest.map(eventLine)];
}

function eventLine(event: UplinkEvent): string {
  const { priorities, rawBytes } = event;
  const figures = [
    event.reason,
    ...(priorities.length === 0 ? [] : [`priority ${priorities.join(', ')}`]),
    ...(rawBytes === 0n ? [] : [formatBytes(Number(rawBytes))]),
  ].filter((text) => text !== '');
  const line = `    ${isoTime(event.atMs)} ${nameOf(event.kind)} ${event.peerId}: ${figures.join('; ')}`;
  return styled('yellow', printable(line));
}

/** Asking and being granted is what goes on all the time. */
function isRoutine(kind: UplinkEventKind): boolean {
  return kind === UplinkEventKind.REQUEST || kind === UplinkEventKind.GRANT;
}

function nameOf(kind: UplinkEventKind): string {
  return NAMES.get(kind) ?? 'unspecified';
}
