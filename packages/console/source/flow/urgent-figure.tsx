/** The figure that Sluice stands for, large: how old the oldest urgent record is that no server has acknowledged. */
import type { UrgentLag } from '@sluice/wire/gen/query_pb';
import { formatDuration } from '../format/format.ts';
import { revealControls } from '../format/visible-text.ts';
import { useWords } from '../i18n/language.ts';

/** What the slowest link that the uplink is made for may take: older is late, and looks so. */
const LATE_MS = 4_000n;

export function UrgentFigure({ urgentLag }: { readonly urgentLag: UrgentLag }): React.JSX.Element {
  const words = useWords();
  const { oldestMs, agentId } = urgentLag;
  return (
    <section className="card urgent-figure" data-late={isLate(urgentLag)}>
      <h2>{words.urgentLagTitle}</h2>
      <p className="urgent-value">{formatDuration(oldestMs)}</p>
      <p className="dim">
        {oldestMs === 0n ? words.urgentLagNone : words.urgentLagOf(revealControls(agentId))}
      </p>
    </section>
  );
}

/** It is worth to be seen from every page. */
export function isLate({ oldestMs }: UrgentLag): boolean {
  return oldestMs > LATE_MS;
}
