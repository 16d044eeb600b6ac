import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';

const read = (name: string): string => readFileSync(path.join(import.meta.dirname, name), 'utf8');
const sources = readdirSync(import.meta.dirname)
  .filter((name) => name.endsWith('.test.ts') && name !== 'spec.test.ts')
  .map(read)
  .join('\n');
const rules = new Map(
  read('SPEC.md')
    .split('\n')
    .flatMap((line) => {
      const [, rule] = /^- \*\*(U\d+) /.exec(line) ?? [];
      return rule === undefined ? [] : [[rule, line] as const];
    }),
);

test.each(Array.from({ length: 21 }, (_, index) => `U${index + 1}`))('SPEC: %s names its tests', (rule) => {
  const text = rules.get(rule) ?? '';
  const titles = [...text.matchAll(/"([^"]+)"/g)].map(([, title]) => `'${title}'`);
  for (const title of titles) expect(sources).toContain(title);
  expect(titles.length > 0 || text.includes('not yet')).toBe(true);
});
