/** What is wrong, as one line and a list for people, and as the `health` of `sluice status --json`. */
import { isoTime } from '@sluice/host/iso-time';
import { formatDuration } from '@sluice/host/quantity-text';
import { type Health, type HealthProblem, ProblemSeverity } from '@sluice/wire/gen/query_pb';
import { printable, styled } from './terminal.ts';

/** Problems that the text shows; `--json` has all that the server tells. */
const SHOWN_PROBLEMS = 10;

export interface JsonHealth {
  /** `unknown` when the server does not tell. */
  status: 'ok' | 'warning' | 'error' | 'unknown';
  /** Worst first. */
  problems: {
    /** Stable; see docs/problems.md. */
    code: string;
    severity: 'warning' | 'error';
    since: string;
    subject: { kind: string; name: string };
    summary: string;
    action: string;
  }[];
  /** Those that are not listed too. */
  problemsTotal: number;
  /** Age of the oldest record that is known of and that no search finds yet. */
  oldestUnsearchableMs: number;
}

/** @returns whether the server says that all is well */
export function isHealthy(health: Health | undefined): boolean {
  return health !== undefined && health.problems.length === 0;
}

/** @returns the health in the shape of `--json` */
export function jsonHealth(health: Health | undefined): JsonHealth {
  if (health === undefined)
    return { status: 'unknown', problems: [], problemsTotal: 0, oldestUnsearchableMs: 0 };
  const [worst] = health.problems;
  return {
    status: worst === undefined ? 'ok' : severityOf(worst),
    problems: health.problems.map((problem) => ({
      code: problem.code,
      severity: severityOf(problem),
      since: isoTime(problem.sinceMs),
      subject: { kind: problem.subjectKind, name: problem.subject },
      summary: problem.summary,
      action: problem.action,
    })),
    problemsTotal: health.problemsTotal,
    oldestUnsearchableMs: Number(health.oldestUnsearchableMs),
  };
}

/** @returns one line that says it all, then each problem: since when, what is wrong, what to do */
export function healthLines(health: Health | undefined): string[] {
  if (health === undefined) return ['unknown: this server does not tell its health'];
  const [worst] = health.problems;
  const oldestMs = Number(health.oldestUnsearchableMs);
  if (worst === undefined) {
    const late =
      oldestMs === 0
        ? 'every record can be found'
        : `the oldest record not found yet is ${formatDuration(oldestMs)} old`;
    return [`${styled('green', 'ok:')} ${late}`];
  }
  const count = health.problemsTotal === 1 ? '1 problem' : `${health.problemsTotal} problems`;
  const shown = health.problems.slice(0, SHOWN_PROBLEMS);
  const lines = [
    `${styled(styleOf(worst), `${count}:`)} ${printable(worst.summary)}`,
    ...shown.flatMap((problem) => problemLines(problem, health.atMs)),
  ];
  const hidden = health.problemsTotal - shown.length;
  if (hidden > 0) lines.push(`  and ${hidden} more`);
  return lines;
}

function problemLines(problem: HealthProblem, nowMs: bigint): string[] {
  const severity = severityOf(problem).padEnd(7);
  const lasted = formatDuration(Math.max(0, Number(nowMs - problem.sinceMs)));
  return [
    `  ${styled(styleOf(problem), severity)}  ${printable(problem.summary)}`,
    `           since ${isoTime(problem.sinceMs)} (${lasted})  ${styled('dim', printable(problem.code))}`,
    `           ${printable(problem.action)}`,
  ];
}

function severityOf(problem: HealthProblem): 'warning' | 'error' {
  return problem.severity === ProblemSeverity.ERROR ? 'error' : 'warning';
}

function styleOf(problem: HealthProblem): 'red' | 'yellow' {
  return severityOf(problem) === 'error' ? 'red' : 'yellow';
}
