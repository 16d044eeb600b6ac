/**
 * How much happened in the uplink of all agents, as they tell it since this server started: sums that only grow, whatever
 * agents come, go, start again or say.
 */
import type { UplinkHappeningKind } from '@sluice/protocol/uplink-history';
import { readUplinkEventKind } from '@sluice/wire/convert/uplink-event';
import type { UplinkEventCount } from '@sluice/wire/gen/uplink_pb';

/** More than any agent does between two reports; one that says more must not spoil the sums. */
export const MAX_EVENTS_PER_REPORT = 10_000;

export class EventTotals {
  readonly #totals = new Map<UplinkHappeningKind, number>();

  /** By kind; a kind that never happened is missing. */
  get all(): ReadonlyMap<UplinkHappeningKind, number> {
    return this.#totals;
  }

  /**
   * An agent told its totals.
   * @param before what it told last; undefined for an agent that was not known: what it did until now is not counted
   */
  told(before: readonly UplinkEventCount[] | undefined, now: readonly UplinkEventCount[]): void {
    if (before === undefined) return;
    for (const { kind: number, total } of now) {
      const kind = readUplinkEventKind(number);
      if (kind === undefined) continue;
      const known = before.find((count) => count.kind === number)?.total ?? 0n;
      // Less than before: the agent started again.
      const news = total < known ? total : total - known;
      const counted = Number(news > MAX_EVENTS_PER_REPORT ? MAX_EVENTS_PER_REPORT : news);
      this.#totals.set(kind, (this.#totals.get(kind) ?? 0) + counted);
    }
  }
}
