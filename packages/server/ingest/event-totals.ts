/**
 * How much happened in the uplink of all agents, as they tell it since this server started: sums that only grow, whatever
 * agents come, go, start again or say.
 */
import { type UplinkEventCount, UplinkEventKind } from '@sluice/wire/gen/uplink_pb';

/** More than any agent does between two reports; one that says more must not spoil the sums. */
export const MAX_EVENTS_PER_REPORT = 10_000;

/** Kinds that are counted; those of a newer agent are not. */
const COUNTED: ReadonlySet<UplinkEventKind> = new Set(
  Object.values(UplinkEventKind).filter(
    (kind) => typeof kind === 'number' && kind !== UplinkEventKind.UNSPECIFIED,
  ),
);

export class EventTotals {
  readonly #totals = new Map<UplinkEventKind, number>();

  /** By kind; a kind that never happened is missing. */
  get all(): ReadonlyMap<UplinkEventKind, number> {
    return this.#totals;
  }

  /**
   * An agent told its totals.
   * @param before what it told last; undefined for an agent that was not known: what it did until now is not counted
   */
  told(before: readonly UplinkEventCount[] | undefined, now: readonly UplinkEventCount[]): void {
    if (before === undefined) return;
    for (const { kind, total } of now) {
      if (!COUNTED.has(kind)) continue;
      const known = before.find((count) => count.kind === kind)?.total ?? 0n;
      // Less than before: the agent started again.
      const news = total < known ? total : total - known;
      const counted = Number(news > MAX_EVENTS_PER_REPORT ? MAX_EVENTS_PER_REPORT : news);
      this.#totals.set(kind, (this.#totals.get(kind) ?? 0) + counted);
    }
  }
}
