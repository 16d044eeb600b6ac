/** How the histogram is drawn: options and rows for uPlot. */
import { defined } from '@sluice/base/defined';
import uPlot from 'uplot';
import { SEVERITIES, SEVERITY_COLORS } from '../severity/severity.ts';
import type { HistogramData } from './histogram-data.ts';

export interface ChartChoices {
  readonly width: number;
  readonly height: number;
  readonly theme: 'light' | 'dark';
  readonly startMs: number;
  readonly endMs: number;
  readonly onZoom: (startMs: number, endMs: number) => void;
  readonly onHover: (bucket: number | undefined) => void;
}

/** A drag shorter than this is a click that slipped. */
const MIN_BRUSH_PIXELS = 4;

/** Between two labels of the time axis: the widest one, a whole date, and some air. */
const LABEL_SPACE_PIXELS = 84;
const DAY_SECONDS = 86_400;

const AXIS_COLORS = {
  light: { text: '#5c6675', grid: '#e8ebf0' },
  dark: { text: '#8c97a8', grid: '#262c36' },
} as const;

/** Times in seconds, then the stacks from the tallest to the lowest: each is drawn over the one before. */
export function chartRows(data: HistogramData): uPlot.AlignedData {
  return [data.startsMs.map((ms) => ms / 1000), ...data.stacks.map((stack) => [...stack]).reverse()];
}

export function chartOptions(choices: ChartChoices): uPlot.Options {
  const colors = AXIS_COLORS[choices.theme];
  const bars = uPlot.paths.bars?.({ size: [0.86, 48], align: 1 });
  const axis: uPlot.Axis = {
    stroke: colors.text,
    font: '11px system-ui, sans-serif',
    grid: { stroke: colors.grid, width: 1 },
    ticks: { show: false },
  };
  return {
    width: choices.width,
    height: choices.height,
    padding: [6, 8, 0, 0],
    legend: { show: false },
    cursor: {
      y: false,
      points: { show: false },
      drag: { x: true, y: false, setScale: false, dist: MIN_BRUSH_PIXELS },
    },
    scales: {
      x: { range: [choices.startMs / 1000, Math.max(choices.endMs, choices.startMs + 1) / 1000] },
      y: { range: (_chart, _min, max) => [0, Math.max(1, max * 1.05)] },
    },
    axes: [
      { ...axis, size: 22, gap: 4, space: LABEL_SPACE_PIXELS, grid: { show: false }, values: timeLabels },
      {
        ...axis,
        size: 46,
        gap: 6,
        splits: (chart) => yLabels(chart.scales.y?.max ?? 1),
        values: (_chart, splits) => splits.map(shortCount),
      },
    ],
    series: [
      {},
      ...[...SEVERITIES].reverse().map(
        (severity): uPlot.Series => ({
          fill: SEVERITY_COLORS[choices.theme][severity],
          width: 0,
          points: { show: false },
          ...defined({ paths: bars }),
        }),
      ),
    ],
    hooks: {
      setCursor: [
        (chart) => {
          const left = chart.cursor.left ?? -1;
          choices.onHover(left < 0 ? undefined : bucketAt(chart, left));
        },
      ],
      setSelect: [
        (chart) => {
          const { left, width } = chart.select;
          if (width < MIN_BRUSH_PIXELS) return;
          const startMs = Math.floor(chart.posToVal(left, 'x') * 1000);
          const endMs = Math.ceil(chart.posToVal(left + width, 'x') * 1000);
          chart.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
          if (endMs > startMs) choices.onZoom(startMs, endMs);
        },
      ],
    },
  };
}

/** Bars stand to the right of their time, so the bar under the pointer is the last that starts before it. */
function bucketAt(chart: uPlot, left: number): number | undefined {
  const seconds = chart.posToVal(left, 'x');
  const starts = chart.data[0];
  let found: number | undefined;
  for (let index = 0; index < starts.length; index += 1) {
    if ((starts[index] ?? 0) > seconds) break;
    found = index;
  }
  return found;
}

function yLabels(max: number): number[] {
  const step = niceStep(max / 2);
  return Array.from({ length: Math.floor(max / step) + 1 }, (_, index) => index * step);
}

/** The largest of 1, 2, 2.5, 5 times a power of ten that is not above `value`; whole numbers only. */
function niceStep(value: number): number {
  if (value <= 1) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  const best = [5, 2.5, 2, 1].find((factor) => factor * power <= value) ?? 1;
  return Math.max(1, Math.floor(best * power));
}

function shortCount(value: number): string {
  if (value >= 1e6) return `${Number((value / 1e6).toFixed(1))} M`;
  if (value >= 1e3) return `${Number((value / 1e3).toFixed(1))} k`;
  return String(value);
}

/** Hours and minutes within a day, dates beyond: numbers only, so that they read the same in every language. */
function timeLabels(chart: uPlot, splits: number[]): string[] {
  const spanSeconds = (chart.scales.x?.max ?? 0) - (chart.scales.x?.min ?? 0);
  const two = (value: number): string => String(value).padStart(2, '0');
  return splits.map((seconds) => {
    const date = new Date(seconds * 1000);
    const day = `${two(date.getMonth() + 1)}-${two(date.getDate())}`;
    const minute = `${two(date.getHours())}:${two(date.getMinutes())}`;
    if (spanSeconds > 200 * DAY_SECONDS) return `${date.getFullYear()}-${day}`;
    if (spanSeconds > 3 * DAY_SECONDS) return day;
    if (spanSeconds > DAY_SECONDS) return `${day} ${minute}`;
    if (spanSeconds > 600) return minute;
    return `${minute}:${two(date.getSeconds())}`;
  });
}
