/**
 * `severity:error`, `severity:>=warn`, `severity:info..warn`: by OpenTelemetry's severity ranges (1-4 trace, 5-8
 * debug, 9-12 info, 13-16 warn, 17-20 error, 21-24 fatal; 0 unspecified). A number is the exact severity number; any
 * other text is the severity's own text, case-insensitively. Comparisons never match an unspecified severity.
 */
import type { CompareOperator, Match } from '../ast.ts';
import { queryError } from '../query-error.ts';
import { likeLiteral, sqlString } from '../sql-text.ts';
import { regexSql } from './regex.ts';

const RANGES: ReadonlyMap<string, readonly [first: number, last: number]> = new Map([
  ['unspecified', [0, 0]],
  ['unknown', [0, 0]],
  ['trace', [1, 4]],
  ['debug', [5, 8]],
  ['info', [9, 12]],
  ['information', [9, 12]],
  ['warn', [13, 16]],
  ['warning', [13, 16]],
  ['error', [17, 20]],
  ['err', [17, 20]],
  ['fatal', [21, 24]],
  ['critical', [21, 24]],
]);
const HIGHEST_SEVERITY = 24;

export function severitySql(match: Match, position: number): string {
  switch (match.kind) {
    case 'exists':
      return 'SeverityNumber > 0';
    case 'compare':
      return compareSeverity(match.operator, rangeOf(match.value, position));
    case 'range': {
      const low = match.low === undefined ? 1 : rangeOf(match.low, position)[0];
      const high = match.high === undefined ? HIGHEST_SEVERITY : rangeOf(match.high, position)[1];
      return between(Math.max(1, low), high);
    }
    case 'regex':
      return regexSql('SeverityText', match.pattern);
    case 'phrase':
      return namedSeverity(match.text);
    case 'word':
      if (match.parts.length === 1) return namedSeverity(match.parts.join(''));
      return `lower(SeverityText) LIKE ${sqlString(match.parts.map(likeLiteral).join('%').toLowerCase())}`;
    default:
      return match satisfies never;
  }
}

function namedSeverity(name: string): string {
  const range = knownRange(name);
  return range === undefined
    ? `lower(SeverityText) = ${sqlString(name.toLowerCase())}`
    : between(range[0], range[1]);
}

function compareSeverity(operator: CompareOperator, [first, last]: readonly [number, number]): string {
  switch (operator) {
    case '>=':
      return `SeverityNumber >= ${Math.max(1, first)}`;
    case '>':
      return `SeverityNumber > ${last}`;
    case '<':
      return between(1, first - 1);
    case '<=':
      return between(1, last);
    default:
      return operator satisfies never;
  }
}

function between(first: number, last: number): string {
  return first === last ? `SeverityNumber = ${first}` : `SeverityNumber BETWEEN ${first} AND ${last}`;
}

function knownRange(name: string): readonly [number, number] | undefined {
  const number = /^\d{1,2}$/.test(name) ? Number(name) : HIGHEST_SEVERITY + 1;
  return number <= HIGHEST_SEVERITY ? [number, number] : RANGES.get(name.toLowerCase());
}

function rangeOf(name: string, position: number): readonly [number, number] {
  const range = knownRange(name);
  if (range === undefined) {
    throw queryError(
      `expected a severity (trace, debug, info, warn, error, fatal or 0 to 24) instead of '${name.slice(0, 40).toWellFormed()}'`,
      position,
    );
  }
  return range;
}
