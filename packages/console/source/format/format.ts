/** Numbers, sizes, durations and times as people read them. Pure, and of fixed shape so that columns stay aligned. */

const KIB = 1024;
const BYTE_UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'] as const;
const NANOS_PER_SECOND = 1_000_000_000n;

/** `1,234,567`. */
export function formatCount(value: bigint | number): string {
  return value.toLocaleString('en-US');
}

/** `532 B`, `1.4 MiB`: at most three digits before the point, one behind it from KiB on. */
export function formatBytes(value: bigint | number): string {
  let size = Number(value);
  let unit = 0;
  while (size >= KIB && unit < BYTE_UNITS.length - 1) {
    size /= KIB;
    unit += 1;
  }
  const digits = unit === 0 || size >= 100 ? 0 : 1;
  return `${size.toFixed(digits)} ${BYTE_UNITS[unit] ?? ''}`;
}

/** `850 ms`, `12.3 s`, `4 m 10 s`, `3 h 5 m`, `2 d 4 h`. */
export function formatDuration(value: bigint | number): string {
  const ms = Math.max(0, Math.round(Number(value)));
  if (ms < 1000) return `${ms} ms`;
  if (ms < 60_000) return `${(Math.floor(ms / 100) / 10).toFixed(1)} s`;
  const seconds = Math.floor(ms / 1000);
  if (seconds < 3600) return `${Math.floor(seconds / 60)} m ${seconds % 60} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 1440) return `${Math.floor(minutes / 60)} h ${minutes % 60} m`;
  const hours = Math.floor(minutes / 60);
  return `${Math.floor(hours / 24)} d ${hours % 24} h`;
}

export type Zone = 'local' | 'utc';

/** `08:09:10.123` of the day, or with `withDate` `2026-06-07 08:09:10.123`. */
export function formatTime(
  nanos: bigint,
  options: { readonly withDate: boolean; readonly zone?: Zone },
): string {
  const ms = Number(nanos / 1_000_000n);
  const utc = options.zone === 'utc';
  // A date in local time is the same instant moved by the zone's offset and read as UTC.
  const shifted = utc ? ms : ms - new Date(ms).getTimezoneOffset() * 60_000;
  if (!Number.isFinite(shifted) || Math.abs(shifted) > 8.64e15) return String(nanos);
  const text = new Date(shifted).toISOString();
  const time = text.slice(text.indexOf('T') + 1, -1);
  return options.withDate ? `${text.slice(0, text.indexOf('T'))} ${time}` : time;
}

/** The exact instant in UTC with nanoseconds: `2026-06-07T08:09:10.123456789Z`. */
export function formatInstant(nanos: bigint): string {
  const rest = ((nanos % NANOS_PER_SECOND) + NANOS_PER_SECOND) % NANOS_PER_SECOND;
  const seconds = Number((nanos - rest) / NANOS_PER_SECOND);
  const base = new Date(seconds * 1000).toISOString().slice(0, -5);
  return `${base}.${String(rest).padStart(9, '0')}Z`;
}
