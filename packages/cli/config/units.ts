/**
 * Sizes, durations and times as people write them on a command line or in a configuration file.
 */
import { SluiceError } from '@sluice/base/error';

const BYTE_UNITS: ReadonlyMap<string, number> = new Map([
  ['', 1],
  ['b', 1],
  ['kb', 1e3],
  ['mb', 1e6],
  ['gb', 1e9],
  ['tb', 1e12],
  ['kib', 2 ** 10],
  ['mib', 2 ** 20],
  ['gib', 2 ** 30],
  ['tib', 2 ** 40],
]);

const DURATION_UNITS_MS: ReadonlyMap<string, number> = new Map([
  ['ms', 1],
  ['s', 1000],
  ['m', 60_000],
  ['h', 3_600_000],
  ['d', 86_400_000],
  ['w', 604_800_000],
]);

/**
 * @param text a size such as `64MiB`, `20MB` or `1048576`
 * @returns whole bytes
 * @throws SluiceError `usage` when it is no size
 */
export function parseBytes(text: string): number {
  const bytes = sizeOf(text);
  if (bytes === undefined) {
    throw new SluiceError('usage', `'${text}' is not a size`, {
      hint: 'Write for example 64MiB, 20MB or 1048576.',
    });
  }
  return bytes;
}

function sizeOf(text: string): number | undefined {
  const match = /^\s*(\d+(?:\.\d+)?)\s*([a-z]*)\s*$/i.exec(text);
  const unit = BYTE_UNITS.get((match?.[2] ?? '?').toLowerCase());
  return match === null || unit === undefined ? undefined : Math.round(Number(match[1]) * unit);
}

/**
 * @param text a size per second such as `20MB/s` or `512KiB/s`
 * @returns whole bytes per second
 * @throws SluiceError `usage` when it is none
 */
export function parseBytesPerSecond(text: string): number {
  const size = /^(.*)\/s\s*$/i.exec(text)?.[1];
  const bytesPerSecond = size === undefined ? undefined : sizeOf(size);
  if (bytesPerSecond === undefined) {
    throw new SluiceError('usage', `'${text}' is not a size per second`, {
      hint: 'Write for example 20MB/s or 512KiB/s.',
    });
  }
  return bytesPerSecond;
}

/**
 * @param text a duration such as `500ms`, `30s`, `15m`, `1h`, `7d`
 * @returns milliseconds
 * @throws SluiceError `usage` when it is no duration
 */
export function parseDurationMs(text: string): number {
  const match = /^\s*(\d+(?:\.\d+)?)\s*(ms|s|m|h|d|w)\s*$/i.exec(text);
  const unit = DURATION_UNITS_MS.get((match?.[2] ?? '?').toLowerCase());
  if (match === null || unit === undefined) {
    throw new SluiceError('usage', `'${text}' is not a duration`, {
      hint: 'Write for example 30s, 15m, 1h or 7d.',
    });
  }
  return Math.round(Number(match[1]) * unit);
}

/**
 * A moment: `now`, a duration before now (`1h`), or an ISO 8601 date or time (local zone when it names none).
 *
 * @param nowMs the present, ms since 1970
 * @returns ns since 1970
 * @throws SluiceError `usage` when it is no moment
 */
export function parseMomentNanos(text: string, nowMs: number): bigint {
  if (text === 'now') return BigInt(nowMs) * 1_000_000n;
  if (/^\s*\d+(?:\.\d+)?\s*(ms|s|m|h|d|w)\s*$/i.test(text)) {
    return BigInt(nowMs - parseDurationMs(text)) * 1_000_000n;
  }
  // An ISO date without a time is midnight in the local zone here, unlike in Date.parse.
  const iso = /^\d{4}-\d{2}-\d{2}$/.test(text) ? `${text}T00:00:00` : text;
  const parsedMs =
    /^\d{4}-\d{2}-\d{2}T/.test(iso.replace(' ', 'T')) && isDay(iso)
      ? Date.parse(iso.replace(' ', 'T'))
      : Number.NaN;
  if (Number.isNaN(parsedMs)) {
    throw new SluiceError('usage', `'${text}' is not a time`, {
      hint: 'Write a duration before now such as 1h or 7d, or a time such as 2026-01-31T12:00:00Z.',
    });
  }
  return BigInt(parsedMs) * 1_000_000n;
}

/** Whether the calendar has the day that the text begins with: `Date.parse` takes the 30th of February for 2 March. */
function isDay(text: string): boolean {
  const [, year, month, day] = /^(\d{4})-(\d{2})-(\d{2})/.exec(text) ?? [];
  const date = new Date(0);
  date.setUTCFullYear(Number(year), Number(month) - 1, Number(day));
  return date.getUTCMonth() + 1 === Number(month) && date.getUTCDate() === Number(day);
}

/**
 * @param text `host:port`, `[::1]:port`, `:port` or `port`
 * @returns host (loopback when none is given) and port (0..65535)
 * @throws SluiceError `usage`
 */
export function parseListen(text: string): { host: string; port: number } {
  const match = /^(?:(?:\[([0-9a-f:.]+)\]|([^:[\]]*)):)?(\d{1,5})$/i.exec(text.trim());
  const port = Number(match?.[3]);
  if (match === null || port > 65535) {
    throw new SluiceError('usage', `'${text}' is not an address to listen on`, {
      hint: 'Write host:port, for example 127.0.0.1:4620 or [::1]:4620.',
    });
  }
  return { host: match[1] ?? (match[2] || '127.0.0.1'), port };
}
