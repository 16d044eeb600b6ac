/**
 * The time range of a view: relative to now, absolute, or everything. Pure: the present comes in as an argument.
 *
 * Invariant: `parseRange(formatRange(range))` is the same range.
 */

export type TimeRange =
  | { readonly kind: 'relative'; readonly seconds: number }
  | { readonly kind: 'absolute'; readonly startMs: number; readonly endMs: number }
  | { readonly kind: 'all' };

/** What the API takes: nanoseconds since 1970, an absent side is open. */
export interface NanosRange {
  readonly startUnixNanos?: bigint;
  readonly endUnixNanos?: bigint;
}

/** The choices of the picker, in order. */
export const RELATIVE_CHOICES = ['15m', '1h', '24h', '7d'] as const;
export const DEFAULT_RANGE: TimeRange = { kind: 'relative', seconds: 3600 };

const NANOS_PER_MS = 1_000_000n;
const SECONDS_PER_UNIT: ReadonlyMap<string, number> = new Map([
  ['s', 1],
  ['m', 60],
  ['h', 3600],
  ['d', 86_400],
  ['w', 604_800],
]);
/** Ten years: a longer relative range is a typing mistake, and `all` says it better. */
const MAX_RELATIVE_SECONDS = 315_360_000;

/**
 * A range from its text in the address: `15m`, `2h`, `7d`, `all`, or `FROM..TO` in ISO 8601.
 * Returns undefined for anything else.
 */
export function parseRange(text: string): TimeRange | undefined {
  if (text === 'all') return { kind: 'all' };
  const relative = /^(\d{1,9})([smhdw])$/.exec(text);
  if (relative !== null) {
    const seconds = Number(relative[1]) * (SECONDS_PER_UNIT.get(relative[2] ?? '') ?? 0);
    if (seconds < 1 || seconds > MAX_RELATIVE_SECONDS) return undefined;
    return { kind: 'relative', seconds };
  }
  const sides = text.split('..');
  if (sides.length !== 2) return undefined;
  const startMs = parseMoment(sides[0] ?? '');
  const endMs = parseMoment(sides[1] ?? '');
  if (!Number.isFinite(startMs) || !Number.isFinite(endMs) || endMs <= startMs) return undefined;
  return { kind: 'absolute', startMs, endMs };
}

/** Milliseconds since 1970, NaN for what is no time: `Date.parse` takes the 30th of February for 2 March. */
function parseMoment(text: string): number {
  const [, year, month, day] = /^(\d{4})-(\d{2})-(\d{2})/.exec(text) ?? [];
  if (day !== undefined) {
    const date = new Date(0);
    date.setUTCFullYear(Number(year), Number(month) - 1, Number(day));
    if (date.getUTCMonth() + 1 !== Number(month) || date.getUTCDate() !== Number(day)) return Number.NaN;
  }
  return Date.parse(text);
}

/** The text of a range for the address; {@link parseRange} reads it. */
export function formatRange(range: TimeRange): string {
  switch (range.kind) {
    case 'all':
      return 'all';
    case 'relative':
      return formatSeconds(range.seconds);
    case 'absolute':
      return `${new Date(range.startMs).toISOString()}..${new Date(range.endMs).toISOString()}`;
    default:
      return range satisfies never;
  }
}

/** The bounds to ask the API for, when the present is `nowMs`. */
export function resolveRange(range: TimeRange, nowMs: number): NanosRange {
  switch (range.kind) {
    case 'all':
      return {};
    case 'relative':
      return { startUnixNanos: msToNanos(nowMs - range.seconds * 1000), endUnixNanos: msToNanos(nowMs) };
    case 'absolute':
      return { startUnixNanos: msToNanos(range.startMs), endUnixNanos: msToNanos(range.endMs) };
    default:
      return range satisfies never;
  }
}

/** Milliseconds since 1970 as nanoseconds; parts of a millisecond are dropped. */
export function msToNanos(ms: number): bigint {
  return BigInt(Math.floor(ms)) * NANOS_PER_MS;
}

/** Nanoseconds since 1970 as milliseconds, rounded down. */
export function nanosToMs(nanos: bigint): number {
  const ms = nanos / NANOS_PER_MS;
  return Number(nanos < 0n && ms * NANOS_PER_MS !== nanos ? ms - 1n : ms);
}

/** A local time as `<input type="datetime-local">` wants it, with seconds. */
export function toLocalInput(ms: number): string {
  const date = new Date(ms);
  const two = (value: number): string => String(value).padStart(2, '0');
  return `${String(date.getFullYear()).padStart(4, '0')}-${two(date.getMonth() + 1)}-${two(date.getDate())}T${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
}

function formatSeconds(seconds: number): string {
  if (seconds <= SECONDS_PER_DAY && seconds % 3600 === 0) return `${seconds / 3600}h`;
  if (seconds % SECONDS_PER_DAY === 0) return `${seconds / SECONDS_PER_DAY}d`;
  if (seconds % 3600 === 0) return `${seconds / 3600}h`;
  if (seconds % 60 === 0) return `${seconds / 60}m`;
  return `${seconds}s`;
}

const SECONDS_PER_DAY = 86_400;
