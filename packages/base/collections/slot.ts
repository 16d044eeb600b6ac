/**
 * One item's place in a collection that it can be taken out of wherever it lies. What was taken out stays where it was,
 * dead, until it comes up or the dead crowd the collection: so taking out costs O(1), and memory follows what lives.
 */

/** Handed out when the item is put in; given back to take it out. */
export interface Slot<T> {
  readonly item: T;
  isLive: boolean;
}

/** Dead items that a collection holds beyond as many as live in it: fewer are not worth a sweep. */
export const MAX_DEAD_SLOTS = 64;

/** Whether so many slots for so few living items are to be swept. Half of them are dead then: O(1) each. */
export function isCrowded(slotCount: number, liveCount: number): boolean {
  return slotCount > 2 * liveCount + MAX_DEAD_SLOTS;
}
