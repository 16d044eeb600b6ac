import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { SEVERITIES, SEVERITY_COLORS, severityOf } from './severity.ts';

describe('severity', () => {
  it.each([
    [0, 'unspecified'],
    [1, 'trace'],
    [4, 'trace'],
    [5, 'debug'],
    [9, 'info'],
    [12, 'info'],
    [13, 'warn'],
    [17, 'error'],
    [20, 'error'],
    [21, 'fatal'],
    [24, 'fatal'],
    [25, 'unspecified'],
  ] as const)('number %i is %s', (number, severity) => {
    expect(severityOf(number)).toBe(severity);
  });

  it('has the same colours on the canvas as in the style sheet', () => {
    const css = readFileSync(new URL('../style/tokens.css', import.meta.url), 'utf8');
    for (const theme of ['light', 'dark'] as const) {
      for (const severity of SEVERITIES) {
        expect(css).toContain(`--severity-${severity}: ${SEVERITY_COLORS[theme][severity]};`);
      }
    }
  });
});
