/**
 * What a log file's name says of the service that writes it.
 */
import path from 'node:path';

/** What compression, rotation and habit append. */
const SUFFIXES: readonly RegExp[] = [
  /\.(gz|zst|bz2|xz)$/i,
  /\.(log|txt|json|jsonl|ndjson|out|err|old|bak)$/i,
  /[.-]\d{8}(-\d+)?$/,
  /[.-]\d{4}-\d{2}-\d{2}([T-]\d{2})?$/,
  /\.\d{1,4}$/,
];

/** Names that say which log it is, not whose: then the directory says whose. */
const GENERIC = new Set([
  'access',
  'error',
  'stdout',
  'stderr',
  'current',
  'output',
  'log',
  'logs',
  'out',
  'err',
]);

/** `/var/log/nginx/access.log.2.gz`: `nginx`; `/var/log/dpkg.log-20260101`: `dpkg`. */
export function serviceFromPath(file: string): string {
  let name = path.basename(file);
  for (let changed = true; changed; ) {
    changed = false;
    for (const suffix of SUFFIXES) {
      const shorter = name.replace(suffix, '');
      if (shorter !== '' && shorter !== name) {
        name = shorter;
        changed = true;
      }
    }
  }
  if (!GENERIC.has(name.toLowerCase())) return name;
  const directory = path.basename(path.dirname(file));
  return directory === '' || GENERIC.has(directory.toLowerCase()) ? name : directory;
}
