/**
 * M6: the priorities of several channels of one server, as an order: priority, then arrival of the grant, then channel number.
 *
 * Invariants: a list is always sorted; it holds each channel once.
 */
import type { Channel } from './agent-state.ts';

/** Negative when a comes before b; both are of one server. A total order: no two channels are equal. */
export function compareOfServer(a: Channel, b: Channel): number {
  if (a.priority !== b.priority) return a.priority - b.priority;
  if (a.grant.arrival !== b.grant.arrival) return a.grant.arrival - b.grant.arrival;
  return a.channel - b.channel;
}

/** Puts a channel into its place in a list that is sorted by `compare`. */
export function insertChannel(
  order: Channel[],
  channel: Channel,
  compare: (a: Channel, b: Channel) => number = compareOfServer,
): void {
  let index = order.length;
  for (; index > 0; index -= 1) {
    const before = order[index - 1];
    if (before === undefined || compare(before, channel) <= 0) break;
  }
  order.splice(index, 0, channel);
}

/** Takes a channel out of a list, if it is in it. */
export function removeChannel(order: Channel[], channel: Channel): void {
  const index = order.indexOf(channel);
  if (index >= 0) order.splice(index, 1);
}
