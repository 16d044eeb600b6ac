/** The lists of checks: names that reports and `--only` rely on, and rules that exist. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { AGENT_CHECKS } from './agent-checks/all.ts';
import { SERVER_CHECKS } from './server-checks/all.ts';

const spec = readFileSync(path.join(import.meta.dirname, '..', 'protocol', 'SPEC.md'), 'utf8');
const rules = new Set([...spec.matchAll(/^#{3,4} (U[\d.]+) /gm)].map(([, name = '']) => name));

test.each([
  ['agent', AGENT_CHECKS, 75],
  ['server', SERVER_CHECKS, 60],
] as const)(
  'each check of an %s has a name of its own and names rules that exist',
  (_side, checks, least) => {
    expect(checks.length).toBeGreaterThanOrEqual(least);
    const names = checks.map(({ name }) => name);
    expect(names).toEqual([...new Set(names)]);
    for (const { name, rules: named, title } of checks) {
      expect(name).toMatch(/^[a-z\d-]+$/);
      expect(title.length).toBeGreaterThan(10);
      expect(named.length).toBeGreaterThan(0);
      for (const rule of named) expect(rules.has(rule), `${name} names ${rule}`).toBe(true);
    }
  },
);
