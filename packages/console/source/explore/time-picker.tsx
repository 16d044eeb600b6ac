/** Chooses the time range: the usual ones at a click, exact times behind the last button. */
import { type RefObject, useEffect, useId, useState } from 'react';
import { formatTime } from '../format/format.ts';
import { type Dictionary, useWords } from '../i18n/language.ts';
import { Icon } from '../shell/icons.tsx';
import {
  formatRange,
  msToNanos,
  parseRange,
  RELATIVE_CHOICES,
  type TimeRange,
  toLocalInput,
} from '../time/time-range.ts';

interface TimePickerProperties extends ExactTimesProperties {
  /** The menu; the key of the page that opens it needs it. */
  readonly ref: RefObject<HTMLDetailsElement | null>;
}

interface ExactTimesProperties {
  readonly range: TimeRange;
  /** The present of the current run: what the exact times start from. */
  readonly nowMs: number;
  readonly onRange: (range: TimeRange) => void;
}

export function TimePicker({ ref: menu, range, nowMs, onRange }: TimePickerProperties): React.JSX.Element {
  const words = useWords();
  const shown = formatRange(range);
  useEffect(() => {
    const onPointerDown = (event: PointerEvent): void => {
      const { current } = menu;
      if (current?.open === true && event.target instanceof Node && !current.contains(event.target))
        current.open = false;
    };
    window.addEventListener('pointerdown', onPointerDown);
    return () => window.removeEventListener('pointerdown', onPointerDown);
  }, [menu]);
  const choose = (next: TimeRange): void => {
    if (menu.current !== null) menu.current.open = false;
    onRange(next);
  };
  return (
    <details
      ref={menu}
      className="time-picker"
      onKeyDown={(event) => {
        if (event.key !== 'Escape' || menu.current?.open !== true) return;
        event.preventDefault();
        event.stopPropagation();
        menu.current.open = false;
        menu.current.querySelector('summary')?.focus();
      }}
      onBlur={(event) => {
        if (
          menu.current !== null &&
          event.relatedTarget !== null &&
          !menu.current.contains(event.relatedTarget)
        ) {
          menu.current.open = false;
        }
      }}
    >
      <summary aria-label={`${words.timeRange}: ${rangeLabel(range, words)}`}>
        <Icon name="clock" />
        <span>{rangeLabel(range, words)}</span>
        <Icon name="chevron" />
      </summary>
      <div className="menu">
        {[...RELATIVE_CHOICES, 'all'].map((choice) => (
          <button
            key={choice}
            type="button"
            aria-pressed={choice === shown}
            onClick={() => {
              const next = parseRange(choice);
              if (next !== undefined) choose(next);
            }}
          >
            {choice === 'all' ? words.allTime : words.rangeName(choice)}
          </button>
        ))}
        <ExactTimes key={shown} range={range} nowMs={nowMs} onRange={choose} />
      </div>
    </details>
  );
}

/** How long before now the exact times start when nothing else is known: an hour. */
const DEFAULT_SPAN_MS = 3_600_000;

function ExactTimes({ range, nowMs, onRange }: ExactTimesProperties): React.JSX.Element {
  const words = useWords();
  const id = useId();
  const spanMs = range.kind === 'relative' ? range.seconds * 1000 : DEFAULT_SPAN_MS;
  const [from, setFrom] = useState(toLocalInput(range.kind === 'absolute' ? range.startMs : nowMs - spanMs));
  const [to, setTo] = useState(toLocalInput(range.kind === 'absolute' ? range.endMs : nowMs));
  const startMs = new Date(from).getTime();
  const endMs = new Date(to).getTime();
  const valid = Number.isFinite(startMs) && Number.isFinite(endMs) && startMs < endMs;
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        if (valid) onRange({ kind: 'absolute', startMs, endMs });
      }}
    >
      <label htmlFor={`${id}-from`}>{words.absoluteFrom}</label>
      <input
        id={`${id}-from`}
        type="datetime-local"
        step="1"
        value={from}
        onChange={(event) => setFrom(event.target.value)}
      />
      <label htmlFor={`${id}-to`}>{words.absoluteTo}</label>
      <input
        id={`${id}-to`}
        type="datetime-local"
        step="1"
        value={to}
        onChange={(event) => setTo(event.target.value)}
      />
      <button type="submit" disabled={!valid}>
        {words.apply}
      </button>
    </form>
  );
}

function rangeLabel(range: TimeRange, words: Dictionary): string {
  switch (range.kind) {
    case 'all':
      return words.allTime;
    case 'relative':
      return words.rangeName(formatRange(range));
    case 'absolute': {
      const sameDay = new Date(range.startMs).toDateString() === new Date(range.endMs).toDateString();
      const start = formatTime(msToNanos(range.startMs), { withDate: true }).slice(5, -4);
      const end = formatTime(msToNanos(range.endMs), { withDate: !sameDay });
      return `${start} – ${sameDay ? end.slice(0, -4) : end.slice(5, -4)}`;
    }
    default:
      return range satisfies never;
  }
}
