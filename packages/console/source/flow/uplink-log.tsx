/** What happened between the agent and its servers, newest first, with why; one kind of it or all. */
import { useState } from 'react';
import { formatBytes, formatCount, formatTime } from '../format/format.ts';
import { revealControls } from '../format/visible-text.ts';
import { useWords } from '../i18n/language.ts';
import { msToNanos } from '../time/time-range.ts';
import { serverColorClass } from './server-color.ts';
import { EVENT_KINDS, type EventKind, type FlowEvent } from './uplink-events.ts';

interface UplinkLogProperties {
  readonly events: readonly FlowEvent[];
  readonly colors: ReadonlyMap<string, number>;
}

export function UplinkLog({ events, colors }: UplinkLogProperties): React.JSX.Element {
  const words = useWords();
  const [only, setOnly] = useState<EventKind | undefined>(undefined);
  if (events.length === 0) return <p className="dim">{words.eventsEmpty}</p>;
  const shown = events.filter(({ kind }) => only === undefined || kind === only);
  return (
    <>
      <div className="event-kinds">
        {EVENT_KINDS.map((kind) => {
          const count = events.filter((event) => event.kind === kind).length;
          return (
            <button
              key={kind}
              type="button"
              aria-pressed={kind === only}
              disabled={count === 0 && kind !== only}
              onClick={() => setOnly(kind === only ? undefined : kind)}
            >
              {words.eventKind[kind]} <span className="dim">{formatCount(count)}</span>
            </button>
          );
        })}
      </div>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: a scrollable region must be reachable by keyboard */}
      <ol className="events" tabIndex={0} aria-label={words.events}>
        {shown.map((event) => (
          <li key={event.key} className={serverColorClass(colors.get(event.serverId))}>
            <time>{formatTime(msToNanos(event.atMs), { withDate: false }).slice(0, -4)}</time>
            <span className="event-kind" data-kind={event.kind}>
              {words.eventKind[event.kind]}
            </span>
            <span className="event-server">{revealControls(event.serverId)}</span>
            <span className="event-text">
              {revealControls(words.eventReason(event.reason))}
              <span className="dim"> {figures(event, words.priority)}</span>
            </span>
          </li>
        ))}
      </ol>
      {shown.length === 0 && <p className="dim">{words.eventsEmpty}</p>}
    </>
  );
}

function figures({ rawBytes, priorities }: FlowEvent, priority: string): string {
  return [
    ...(rawBytes === 0n ? [] : [formatBytes(rawBytes)]),
    ...(priorities.length === 0 ? [] : [`${priority} ${priorities.join(', ')}`]),
  ].join(' · ');
}
