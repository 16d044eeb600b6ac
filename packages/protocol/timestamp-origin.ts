/** How the event time of a record came to be: words, and their numbers in blocks and in the store. */
export const TIMESTAMP_ORIGIN_NUMBERS = {
  /** Nobody said: the block is of a format without this column. */
  unknown: 0,
  /** The record states it, with its zone. */
  read: 1,
  /** The record states it without a zone or a year: those of the agent's computer were taken. */
  assumed: 2,
  /** The record states none, and got that of the record before it. No agent writes this yet. */
  inherited: 3,
  /** The record states none, or one that cannot be: it is when the agent read the record. */
  clock: 4,
} as const;

export type TimestampOrigin = keyof typeof TIMESTAMP_ORIGIN_NUMBERS;

/** The largest number of an origin. */
export const MAX_TIMESTAMP_ORIGIN_NUMBER: number = Math.max(...Object.values(TIMESTAMP_ORIGIN_NUMBERS));

const ORIGINS: ReadonlyMap<number, TimestampOrigin> = new Map([
  [TIMESTAMP_ORIGIN_NUMBERS.unknown, 'unknown'],
  [TIMESTAMP_ORIGIN_NUMBERS.read, 'read'],
  [TIMESTAMP_ORIGIN_NUMBERS.assumed, 'assumed'],
  [TIMESTAMP_ORIGIN_NUMBERS.inherited, 'inherited'],
  [TIMESTAMP_ORIGIN_NUMBERS.clock, 'clock'],
]);

/** The word of a number; `unknown` for one that no version wrote. */
export function timestampOriginOf(number: number): TimestampOrigin {
  return ORIGINS.get(number) ?? 'unknown';
}
