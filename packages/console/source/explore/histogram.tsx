/**
 * Records over time, stacked by severity, with a brush that zooms. The chart is a canvas; what it says is also said in
 * words for those who cannot see it, and the line above it shows the bar under the pointer.
 */
import { useEffect, useRef, useState } from 'react';
import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';
import { formatCount, formatTime } from '../format/format.ts';
import { type Dictionary, useWords } from '../i18n/language.ts';
import { SEVERITIES } from '../severity/severity.ts';
import { msToNanos, type NanosRange, nanosToMs } from '../time/time-range.ts';
import { chartOptions, chartRows } from './histogram-chart.ts';
import { busiestBucket, type HistogramData } from './histogram-data.ts';

interface HistogramProperties {
  readonly data: HistogramData | undefined;
  readonly failed: boolean;
  readonly range: NanosRange;
  readonly theme: 'light' | 'dark';
  readonly zoomed: boolean;
  readonly onZoom: (startMs: number, endMs: number) => void;
  readonly onReset: () => void;
}

export function Histogram(properties: HistogramProperties): React.JSX.Element {
  const { data, failed, range, theme, zoomed } = properties;
  const words = useWords();
  const [hovered, setHovered] = useState<number | undefined>(undefined);
  const empty = data !== undefined && data.total === 0;
  return (
    <section className="histogram" aria-label={words.histogram}>
      <div className="legend">
        <Legend data={data} bucket={hovered} />
        <span className="spacer" />
        {zoomed ? (
          <button type="button" className="link" onClick={properties.onReset}>
            {words.resetZoom}{' '}
            <span className="key" aria-hidden="true">
              Esc
            </span>
          </button>
        ) : (
          data !== undefined && !empty && <span className="hint">{words.histogramHint}</span>
        )}
      </div>
      <div
        className="chart"
        role="img"
        aria-label={data === undefined ? words.loading : summary(data, words)}
      >
        {data !== undefined && !empty && (
          <Chart data={data} range={range} theme={theme} onZoom={properties.onZoom} onHover={setHovered} />
        )}
        {data === undefined && !failed && <div className="skeleton chart-skeleton" />}
        {empty && <p className="chart-empty">{words.histogramEmpty}</p>}
      </div>
    </section>
  );
}

interface ChartProperties {
  readonly data: HistogramData;
  readonly range: NanosRange;
  readonly theme: 'light' | 'dark';
  readonly onZoom: (startMs: number, endMs: number) => void;
  readonly onHover: (bucket: number | undefined) => void;
}

function Chart({ data, range, theme, onZoom, onHover }: ChartProperties): React.JSX.Element {
  const holder = useRef<HTMLDivElement>(null);
  const latest = useRef({ data, onZoom, onHover });
  useEffect(() => {
    latest.current = { data, onZoom, onHover };
  });
  useEffect(() => {
    const element = holder.current;
    if (element === null) return;
    const { data: shown } = latest.current;
    const startMs =
      range.startUnixNanos === undefined ? (shown.startsMs[0] ?? 0) : nanosToMs(range.startUnixNanos);
    const endMs =
      range.endUnixNanos === undefined
        ? (shown.startsMs.at(-1) ?? 0) + shown.stepMs
        : nanosToMs(range.endUnixNanos);
    const chart = new uPlot(
      chartOptions({
        width: element.clientWidth,
        height: element.clientHeight,
        theme,
        startMs,
        endMs,
        onZoom: (from, to) => latest.current.onZoom(from, to),
        onHover: (bucket) => latest.current.onHover(bucket),
      }),
      chartRows(data),
      element,
    );
    const observer = new ResizeObserver(() => {
      chart.setSize({ width: element.clientWidth, height: element.clientHeight });
    });
    observer.observe(element);
    return () => {
      observer.disconnect();
      chart.destroy();
      latest.current.onHover(undefined);
    };
  }, [data, range, theme]);
  return <div ref={holder} className="chart-holder" />;
}

/** The severities with their counts: of all bars, or of the one under the pointer. */
function Legend({
  data,
  bucket,
}: {
  readonly data: HistogramData | undefined;
  readonly bucket: number | undefined;
}): React.JSX.Element {
  const words = useWords();
  const startMs = bucket === undefined ? undefined : data?.startsMs[bucket];
  const present = SEVERITIES.filter((severity) => (data?.totals[severity] ?? 0) > 0).reverse();
  return (
    <>
      {present.map((severity) => (
        <span key={severity} className="legend-entry">
          <span className={`swatch severity-${severity}`} aria-hidden="true" />
          {words.severity[severity]} {/* As wide as the total, so that moving the pointer moves no words. */}
          <b style={{ minWidth: `${formatCount(data?.totals[severity] ?? 0).length}ch` }}>
            {formatCount(
              bucket === undefined
                ? (data?.totals[severity] ?? 0)
                : (data?.counts[SEVERITIES.indexOf(severity)]?.[bucket] ?? 0),
            )}
          </b>
        </span>
      ))}
      {startMs !== undefined && data !== undefined && (
        <span className="legend-time">{bucketName(startMs, data.stepMs)}</span>
      )}
    </>
  );
}

function bucketName(startMs: number, stepMs: number): string {
  const start = formatTime(msToNanos(startMs), { withDate: true });
  const end = formatTime(msToNanos(startMs + stepMs), { withDate: false });
  return stepMs % 1000 === 0 ? `${start.slice(0, -4)} – ${end.slice(0, -4)}` : `${start} – ${end}`;
}

function summary(data: HistogramData, words: Dictionary): string {
  const busiest = busiestBucket(data);
  if (busiest === undefined) return words.histogramEmpty;
  const parts = SEVERITIES.filter((severity) => data.totals[severity] > 0)
    .reverse()
    .map((severity) => `${words.severity[severity]} ${formatCount(data.totals[severity])}`)
    .join(', ');
  return words.histogramSummary(
    formatCount(data.total),
    parts,
    `${bucketName(busiest.startMs, data.stepMs)} (${formatCount(busiest.count)})`,
  );
}
