/** What LMDB says when its file is not what it wrote. */

/**
 * MDB_PAGE_NOTFOUND, MDB_CORRUPTED, MDB_PANIC, MDB_VERSION_MISMATCH, MDB_INVALID, MDB_TXN_FULL, MDB_CURSOR_FULL,
 * MDB_PAGE_FULL, MDB_INCOMPATIBLE, MDB_BAD_TXN, MDB_PROBLEM, MDB_BAD_CHECKSUM (lmdb.h). That pages and cursors overflow is
 * what a tree with a damaged depth looks like: none of our transactions comes near those limits.
 */
const DAMAGE_CODES: ReadonlySet<number> = new Set([
  -30_797, -30_796, -30_795, -30_794, -30_793, -30_788, -30_787, -30_786, -30_784, -30_782, -30_779, -30_778,
]);

/** Whether LMDB calls its file damaged. What the file system or a full disk says is something else. */
export function saysDamage(error: unknown): boolean {
  return (
    error instanceof Error &&
    'code' in error &&
    typeof error.code === 'number' &&
    DAMAGE_CODES.has(error.code)
  );
}
