/** What ARCHITECTURE.md calls PURE knows no clock, no chance and no machine, and imports nothing that does. */
import { globSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';

const ROOT: string = path.join(import.meta.dirname, '..');
const FORBIDDEN =
  /\b(Date|Math\.random|performance|process|Buffer|crypto|setTimeout|setInterval|setImmediate|queueMicrotask|fetch|console|globalThis|require)\b|import\s*\(/;

const PURE: string[] = [
  ...readFileSync(path.join(ROOT, 'ARCHITECTURE.md'), 'utf8').matchAll(/^\| `packages\/(\w+)` \| PURE: /gm),
].map(([, name = '']) => name);

/** What a source says without its comments, texts and patterns. */
function code(source: string): string {
  return source.replace(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, '').replace(/'[^'\n]*'/g, "''");
}

const files: string[] = globSync(`packages/{${PURE.join(',')}}/**/*.ts`, { cwd: ROOT }).filter(
  (name) => !name.endsWith('.test.ts') && !name.includes('node_modules'),
);

test('purity: base, protocol and query are pure', () => {
  expect(PURE).toEqual(expect.arrayContaining(['base', 'protocol', 'query']));
});

test.each(files)('purity: %s has no clock, randomness, timers, and imports what is pure', (name) => {
  const source = readFileSync(path.join(ROOT, name), 'utf8');
  expect(code(source)).not.toMatch(FORBIDDEN);
  for (const [, specifier = ''] of source.matchAll(/\bfrom\s+'([^']+)'|^import\s+'([^']+)'/gm)) {
    const [, imported] = /^@sluice\/(\w+)\//.exec(specifier) ?? [];
    if (imported === undefined) expect(specifier).toMatch(/^\.\.?\/[a-z./-]+\.ts$/);
    else expect(PURE).toContain(imported);
  }
});

test('purity: the check finds what it looks for', () => {
  expect(code('const now = Date.now(); // x')).toMatch(FORBIDDEN);
  expect(code('// Date\nconst a = 1;')).not.toMatch(FORBIDDEN);
});
