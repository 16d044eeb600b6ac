/**
 * What happened between agents and servers, beside the blocks, for people to look at: each side of the uplink keeps its own.
 * Nothing is decided by it.
 *
 * Invariants: bounded; oldest first; what goes on all the time pushes nothing else out; numbers and totals only grow.
 */
import {
  MAX_HAPPENING_PRIORITIES,
  MAX_OTHER_HAPPENINGS,
  MAX_REASON_LENGTH,
  MAX_ROUTINE_HAPPENINGS,
} from './limits.ts';
import type { PriorityViolationNotice, TimeMs } from './model.ts';

export const UPLINK_HAPPENING_KINDS = [
  'request',
  'grant',
  'refusal',
  'recall',
  'notice',
  'yield',
  'hedge',
  'stall',
  'problem',
] as const;

export type UplinkHappeningKind = (typeof UPLINK_HAPPENING_KINDS)[number];

/** One line of a history: what, and why. Each side adds who the other one is. */
export interface UplinkHappening {
  readonly atMs: TimeMs;
  readonly kind: UplinkHappeningKind;
  /** In words for people. */
  readonly reason: string;
  /** Of a request what waits, of a grant its quota, of a recall what is taken back, of a hedge the block: in raw bytes. */
  readonly rawBytes?: number;
  /** Of a grant those of its channels, of a notice that of the channel. */
  readonly priorities?: readonly number[];
}

/** Counts up over all that happened, from 1. */
export type Numbered<T> = T & { readonly number: number };

export class UplinkHistory<T extends UplinkHappening> {
  readonly #routine: Numbered<T>[] = [];
  readonly #other: Numbered<T>[] = [];
  readonly #totals = new Map<UplinkHappeningKind, number>();
  #latestNumber = 0;

  /** Keeps it. Reasons and lists that are too long are cut: they may come from a peer. */
  add(happening: T): void {
    this.#latestNumber += 1;
    const { kind, reason, priorities } = happening;
    const kept = {
      ...happening,
      number: this.#latestNumber,
      reason: reason.slice(0, MAX_REASON_LENGTH),
      ...(priorities === undefined ? {} : { priorities: priorities.slice(0, MAX_HAPPENING_PRIORITIES) }),
    };
    this.#totals.set(kind, this.total(kind) + 1);
    if (kind === 'request' || kind === 'grant') keep(this.#routine, kept, MAX_ROUTINE_HAPPENINGS);
    else keep(this.#other, kept, MAX_OTHER_HAPPENINGS);
  }

  /** How often it happened. */
  total(kind: UplinkHappeningKind): number {
    return this.#totals.get(kind) ?? 0;
  }

  /** A copy, oldest first. */
  latest(): Numbered<T>[] {
    return [...this.#routine, ...this.#other].sort((a, b) => a.number - b.number);
  }

  /** A copy; a kind that never happened is missing. */
  totals(): ReadonlyMap<UplinkHappeningKind, number> {
    return new Map(this.#totals);
  }
}

/** Who outranks, in words. */
export function noticeReason({ outrankedBy }: PriorityViolationNotice): string {
  const names = outrankedBy.map(
    ({ serverId, heldPriorities }) => `${serverId} (${heldPriorities.join(', ')})`,
  );
  return `outranked by ${names.join(', ')}`;
}

function keep<T>(list: T[], item: T, most: number): void {
  list.push(item);
  if (list.length > most) list.shift();
}
