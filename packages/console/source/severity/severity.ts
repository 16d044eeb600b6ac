/**
 * Severities in the OpenTelemetry ranges: their order, short names and colours. The colours grow in weight with the
 * severity and differ in lightness as well as in hue, so they can be told apart without colour vision; a badge always
 * carries its letters too.
 */

/** From the least to the most severe; also the order of stacking in the histogram. */
export const SEVERITIES = ['unspecified', 'trace', 'debug', 'info', 'warn', 'error', 'fatal'] as const;
export type Severity = (typeof SEVERITIES)[number];

/** What stands in the badge. */
export const SEVERITY_LABELS: Readonly<Record<Severity, string>> = {
  unspecified: '—',
  trace: 'TRACE',
  debug: 'DEBUG',
  info: 'INFO',
  warn: 'WARN',
  error: 'ERROR',
  fatal: 'FATAL',
};

/** Colours for canvases, which know no style sheet; `style/tokens.css` has the same values for everything else. */
export const SEVERITY_COLORS: Readonly<Record<'light' | 'dark', Readonly<Record<Severity, string>>>> = {
  light: {
    unspecified: '#d3d7de',
    trace: '#c3c9d4',
    debug: '#9aa6b8',
    info: '#5b9bd5',
    warn: '#e9a820',
    error: '#d5452c',
    fatal: '#7a1f6b',
  },
  dark: {
    unspecified: '#3c4350',
    trace: '#4a5364',
    debug: '#66738a',
    info: '#4d94d8',
    warn: '#e8b23a',
    error: '#f06a4f',
    fatal: '#d98ad0',
  },
};

/** The range that a severity number (0 to 24) falls into. */
export function severityOf(severityNumber: number): Severity {
  if (severityNumber < 1 || severityNumber > 24) return 'unspecified';
  return SEVERITIES[Math.ceil(severityNumber / 4)] ?? 'unspecified';
}
