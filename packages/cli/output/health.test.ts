import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { HealthSchema, ProblemSeverity } from '@sluice/wire/gen/query_pb';
import { expect, test } from 'vitest';
import { healthLines, isHealthy, jsonHealth } from './health.ts';

const NOW_MS = BigInt(Date.UTC(2026, 0, 2, 3, 4, 5));

function health(changes: MessageInitShape<typeof HealthSchema>) {
  return create(HealthSchema, { atMs: NOW_MS, ...changes });
}

const away = {
  code: 'store_away',
  severity: ProblemSeverity.ERROR,
  sinceMs: NOW_MS - 754_000n,
  subjectKind: 'store',
  subject: 'store',
  summary: 'The store is not available: no answer.',
  action: 'Start the store.',
};

test('all is well', () => {
  expect(healthLines(health({}))).toEqual(['ok: every record can be found']);
  expect(healthLines(health({ oldestUnsearchableMs: 350n }))).toEqual([
    'ok: the oldest record not found yet is 350 ms old',
  ]);
  expect(isHealthy(health({}))).toBe(true);
  expect(jsonHealth(health({})).status).toBe('ok');
});

test('the first line says how many problems and the worst; then each, since when, and what to do', () => {
  const gone = {
    ...away,
    code: 'agent_gone',
    severity: ProblemSeverity.WARNING,
    summary: 'Agent \x1b[2Jx is gone.',
  };
  expect(healthLines(health({ problems: [away, gone], problemsTotal: 2 }))).toMatchInlineSnapshot(`
    [
      "2 problems: The store is not available: no answer.",
      "  error    The store is not available: no answer.",
      "           since 2026-01-02T02:51:31.000Z (13 m)  store_away",
      "           Start the store.",
      "  warning  Agent \\x1b[2Jx is gone.",
      "           since 2026-01-02T02:51:31.000Z (13 m)  agent_gone",
      "           Start the store.",
    ]
  `);
  expect(healthLines(health({ problems: [away], problemsTotal: 1 }))[0]).toBe(
    '1 problem: The store is not available: no answer.',
  );
});

test('very many problems are counted, not listed', () => {
  const problems = Array.from({ length: 50 }, () => away);
  const lines = healthLines(health({ problems, problemsTotal: 5000 }));
  expect(lines).toHaveLength(32);
  expect(lines[0]).toMatch(/^5000 problems: /);
  expect(lines.at(-1)).toBe('  and 4990 more');
});

test('the shape of --json', () => {
  expect(jsonHealth(health({ problems: [away], problemsTotal: 1, oldestUnsearchableMs: 40_000n }))).toEqual({
    status: 'error',
    problems: [
      {
        code: 'store_away',
        severity: 'error',
        since: '2026-01-02T02:51:31.000Z',
        subject: { kind: 'store', name: 'store' },
        summary: 'The store is not available: no answer.',
        action: 'Start the store.',
      },
    ],
    problemsTotal: 1,
    oldestUnsearchableMs: 40_000,
  });
  const warning = { ...away, severity: ProblemSeverity.WARNING };
  expect(jsonHealth(health({ problems: [warning], problemsTotal: 1 })).status).toBe('warning');
});

test('a server that does not tell is not well', () => {
  expect(healthLines(undefined)).toEqual(['unknown: this server does not tell its health']);
  expect(jsonHealth(undefined).status).toBe('unknown');
  expect(isHealthy(undefined)).toBe(false);
});
