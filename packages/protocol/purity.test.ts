import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';

const FORBIDDEN =
  /\b(Date|Math\.random|performance|process|crypto|setTimeout|setInterval|setImmediate|queueMicrotask|fetch|globalThis|require)\b|import\s*\(/;

/** What a source says without its comments and texts. */
function code(source: string): string {
  return source.replace(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, '').replace(/'[^'\n]*'/g, "''");
}

const directory = import.meta.dirname;
const files = readdirSync(directory).filter((name) => name.endsWith('.ts') && !name.endsWith('.test.ts'));

test.each(files)('purity: %s has no clock, randomness, timers, and imports this package alone', (name) => {
  const source = readFileSync(path.join(directory, name), 'utf8');
  expect(code(source)).not.toMatch(FORBIDDEN);
  for (const [, specifier] of source.matchAll(/\bfrom\s+'([^']+)'|^import\s+'([^']+)'/gm)) {
    expect(specifier).toMatch(/^\.\/[a-z-]+\.ts$/);
  }
});

test('purity: the check finds what it looks for', () => {
  expect(code('const now = Date.now(); // x')).toMatch(FORBIDDEN);
  expect(code('// Date\nconst a = 1;')).not.toMatch(FORBIDDEN);
});
