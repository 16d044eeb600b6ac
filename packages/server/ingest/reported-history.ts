/**
 * What an agent tells of the uplink's history: each report carries what is new, and here it is put together.
 *
 * Invariants: at most {@link MAX_ROUTINE_EVENTS} requests and grants and {@link MAX_OTHER_EVENTS} other events are kept of an
 * agent, the latest; no text or list in them is longer than what an honest agent says.
 */
import { MAX_CHANNELS_PER_GRANT, MAX_ID_BYTES } from '@sluice/protocol/model';
import { type UplinkEvent, UplinkEventKind } from '@sluice/wire/gen/uplink_pb';

/** A busy agent asks several times in a second: so many tell how it goes, and push nothing else out. */
export const MAX_ROUTINE_EVENTS = 24;
/** Refusals, recalls, notices, ...: what people look for afterwards. Thousands of agents have so many each. */
export const MAX_OTHER_EVENTS = 40;
/** Longest reason, in UTF-16 units; the rest is cut. */
export const MAX_REASON_LENGTH = 200;

/**
 * @param known of the reports before
 * @param told of a new report; oldest first, as an honest agent tells it
 * @returns both, oldest first. An event that was told before, or by an earlier life of the agent, is there once.
 */
export function mergeHistory(known: readonly UplinkEvent[], told: readonly UplinkEvent[]): UplinkEvent[] {
  const [first] = told;
  const earlier = first === undefined ? known : known.filter(({ number }) => number < first.number);
  return boundHistory([...earlier, ...told.map(cutEvent)]);
}

/** The latest of each sort, in the order in which they stand. */
function boundHistory(events: readonly UplinkEvent[]): UplinkEvent[] {
  let routine = 0;
  let other = 0;
  return events
    .toReversed()
    .filter(({ kind }) => {
      if (kind === UplinkEventKind.REQUEST || kind === UplinkEventKind.GRANT) {
        routine += 1;
        return routine <= MAX_ROUTINE_EVENTS;
      }
      other += 1;
      return other <= MAX_OTHER_EVENTS;
    })
    .reverse();
}

/** Cuts what is longer than it can be; changes the event. */
function cutEvent(event: UplinkEvent): UplinkEvent {
  event.peerId = event.peerId.slice(0, MAX_ID_BYTES);
  event.reason = event.reason.slice(0, MAX_REASON_LENGTH);
  if (event.priorities.length > MAX_CHANNELS_PER_GRANT) event.priorities.length = MAX_CHANNELS_PER_GRANT;
  return event;
}
