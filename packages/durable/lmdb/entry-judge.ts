/**
 * What the owner of an LMDB file knows of its entries: which of them say something, and which belong together. It judges bytes
 * as they stand in the file, before the library opens it, so that the library never works on an entry that is damaged, and no
 * decoder ever throws in the middle of its walks.
 *
 * A judge is made for one look at a file: it is shown all entries, then asked.
 */

/** An entry as it stands in the file. */
export interface SeenEntry {
  readonly key: Buffer;
  /** Empty when it was not read. */
  readonly value: Buffer;
  readonly valueBytes: number;
}

export interface EntryJudge {
  /** Of the databases that are copied from a damaged file, in the order in which they are shown. */
  readonly names: readonly string[];
  /** Whether values of this database are read that lie on pages of their own: a large one costs as much as its size. */
  readsValues(database: string): boolean;
  /** Takes note of an entry. Throws SluiceError `state_newer`. */
  see(database: string, entry: SeenEntry): void;
  /** All was seen. What of it cannot be used, in words that follow "cannot be read:"; undefined when all is good. */
  problem(): string | undefined;
  /** All was seen. Whether this entry of it is to be kept; of a damaged file, more than one may have the same key. */
  keeps(database: string, entry: SeenEntry): boolean;
}
