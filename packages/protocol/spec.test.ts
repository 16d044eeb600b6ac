import { globSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';

const read = (name: string): string => readFileSync(path.join(import.meta.dirname, name), 'utf8');
/** Rules that the machines alone cannot hold are held by tests of other packages, and of the programs. */
const project = path.join(import.meta.dirname, '..', '..');
const sources = globSync(['packages/**/*.test.ts', 'apptest/**/*.test.ts'], {
  cwd: project,
  exclude: (name) => name === 'node_modules' || name === 'spec.test.ts',
})
  .map((name) => readFileSync(path.join(project, name), 'utf8'))
  .join('\n');
const rules = new Map(
  read('SPEC.md')
    .split('\n')
    .flatMap((line) => {
      const [, rule] = /^- \*\*(U\d+) /.exec(line) ?? [];
      return rule === undefined ? [] : [[rule, line] as const];
    }),
);

const NAMES = [...Array.from({ length: 21 }, (_, index) => `U${index + 1}`), 'U25'];

test.each(NAMES)('SPEC: %s names its tests', (rule) => {
  const text = rules.get(rule) ?? '';
  const titles = [...text.matchAll(/"([^"]+)"/g)].map(([, title]) => `'${title}'`);
  for (const title of titles) expect(sources).toContain(title);
  expect(titles.length).toBeGreaterThan(0);
});
