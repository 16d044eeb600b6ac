/**
 * One item's place in a collection, so that it can be removed wherever it stands. Removal is lazy: the handle of a removed
 * item stays where it was until it comes to the front, or until the collection sweeps. So removal costs O(1), and memory
 * follows what is still in.
 */

/** Returned by `add`; given to `remove`. */
export interface Handle<T> {
  readonly item: T;
  isRemoved: boolean;
}

/** Removed handles that a collection keeps beyond as many as are still in: fewer are not worth a sweep. */
export const MAX_REMOVED_HANDLES = 64;

/** Whether a collection of `handleCount` handles, `size` of them still in, sweeps. At least half go: O(1) each. */
export function needsSweep(handleCount: number, size: number): boolean {
  return handleCount > 2 * size + MAX_REMOVED_HANDLES;
}
