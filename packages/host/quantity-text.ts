/** Sizes and lengths of time as people read them. */

/**
 * @param bytes a count of bytes
 * @returns for people: `0 B`, `1.5 MiB`
 */
export function formatBytes(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${unit === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${units[unit] ?? 'B'}`;
}

/**
 * @param milliseconds a length of time
 * @returns for people: `0 s`, `350 ms`, `12 s`, `5 m`, `3.2 h`
 */
export function formatDuration(milliseconds: number): string {
  if (milliseconds === 0) return '0 s';
  if (milliseconds < 1000) return `${Math.round(milliseconds)} ms`;
  if (milliseconds < 120_000) return `${Math.round(milliseconds / 1000)} s`;
  if (milliseconds < 7_200_000) return `${Math.round(milliseconds / 60_000)} m`;
  return `${(milliseconds / 3_600_000).toFixed(1)} h`;
}
