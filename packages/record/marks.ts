/**
 * The attributes that the agent itself sets, and how it keeps its word: a field of a line that has such a name is kept
 * under another one, so that nobody who writes a log line can say where it came from or what became of it.
 */

/** Where the line was read. */
export const FILE_PATH = 'log.file.path';
/** Fields that found no room in the record. */
export const DROPPED_COUNT = 'dropped_attributes_count';
/** All marks of the agent begin so. */
const OWN_PREFIX = 'sluice.';
/** The line could not be read as what it seems to be, and is all in the body; the value says why. */
export const UNPARSED = 'sluice.unparsed';
/** The line states this time, which cannot be that of an event; the record has the time of reading instead. */
export const TIME_REFUSED = 'sluice.time.refused';

/** What a line's own field is called whose name the agent keeps for itself: `line.log.file.path`. */
const FOREIGN_PREFIX = 'line.';

/**
 * @param key the name that the line gives
 * @param ownKeys further names that the agent sets on records of this source
 * @returns the name to keep it under
 */
export function foreignKey(key: string, ownKeys: readonly string[]): string {
  return isOwn(key, ownKeys) ? `${FOREIGN_PREFIX}${key}` : key;
}

/** Most names differ in their first letter from all of the agent's, and no more is looked at. */
function isOwn(key: string, ownKeys: readonly string[]): boolean {
  switch (key.charCodeAt(0)) {
    case S:
      if (key.startsWith(OWN_PREFIX)) return true;
      break;
    case L:
      if (key === FILE_PATH) return true;
      break;
    case D:
      if (key === DROPPED_COUNT) return true;
      break;
    default:
  }
  // The first one is the file's path.
  return ownKeys.length > 1 && ownKeys.includes(key);
}

const S = OWN_PREFIX.charCodeAt(0);
const L = FILE_PATH.charCodeAt(0);
const D = DROPPED_COUNT.charCodeAt(0);
