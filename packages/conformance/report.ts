/** How results are shown: one line each, or one JSON document. */
import type { CheckResult } from './run-checks.ts';

const MARKS = { pass: 'pass', fail: 'FAIL', skip: 'skip' } as const;

/** A line for people. */
export function resultLine({ name, rules, title, outcome, seen }: CheckResult): string {
  return `${MARKS[outcome]}  ${name.padEnd(28)} ${rules.join(' ').padEnd(14)} ${title}\n      ${seen}`;
}

export function summaryLine(results: readonly CheckResult[]): string {
  const count = (outcome: CheckResult['outcome']): number =>
    results.filter((result) => result.outcome === outcome).length;
  return `${results.length} checks: ${count('pass')} passed, ${count('fail')} failed, ${count('skip')} skipped`;
}

/** For programs. Fields are only added; `kit` counts changes of what they mean. */
export function jsonReport(side: 'agent' | 'server', results: readonly CheckResult[]): string {
  const count = (outcome: CheckResult['outcome']): number =>
    results.filter((result) => result.outcome === outcome).length;
  const totals = { passed: count('pass'), failed: count('fail'), skipped: count('skip') };
  return JSON.stringify({ kit: 1, side, ...totals, checks: results }, undefined, 2);
}
