/** What a source asks to be kept: where it is to go on reading. */

/** A read position of one source. `value` is JSON; undefined forgets the key. */
export interface CheckpointChange {
  readonly key: string;
  readonly value: unknown;
}
