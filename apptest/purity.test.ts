/** What ARCHITECTURE.md calls PURE knows no clock, no chance and no machine, and imports nothing that does. */
import { globSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';

const ROOT: string = path.join(import.meta.dirname, '..');
const FORBIDDEN: RegExp = new RegExp(
  [
    // Of Math all but chance, and under no other name.
    /\bMath\b(?!\.(?!random\b)\w)/,
    // Intl tells the time too, WeakRef the collector's mood, and a text that is run whatever it likes.
    /\b(?:Date|Temporal|Intl|WeakRef|FinalizationRegistry|performance|crypto|eval|Function)\b/,
    /\b(?:process|Buffer|fetch|console|globalThis|require)\b|import\s*\(/,
    /\b(?:setTimeout|setInterval|setImmediate|queueMicrotask)\b/,
  ]
    .map(({ source }) => source)
    .join('|'),
);

const PURE: string[] = [
  ...readFileSync(path.join(ROOT, 'ARCHITECTURE.md'), 'utf8').matchAll(/^\| `packages\/(\w+)` \| PURE: /gm),
].map(([, name = '']) => name);

/** What a source says without its texts and comments. */
function code(source: string): string {
  return source.replace(/'[^'\n]*'/g, "''").replace(/\/\*[\s\S]*?\*\/|(?<!:)\/\/.*$/gm, '');
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

test('purity: compiler and lint look at all packages that are pure', () => {
  const patterns = PURE.map((name) => `packages/${name}/**/*.ts`);
  const compiled = readFileSync(path.join(ROOT, 'tsconfig.pure.json'), 'utf8');
  expect(JSON.parse(compiled)).toMatchObject({ include: patterns });
  const linted = readFileSync(path.join(ROOT, 'biome.json'), 'utf8');
  expect(JSON.parse(linted)).toMatchObject({
    overrides: expect.arrayContaining([
      expect.objectContaining({ includes: [...patterns, '!**/*.test.ts'] }),
    ]),
  });
});

test('purity: the check finds what it looks for', () => {
  for (const impure of [
    'const now = Date.now(); // x',
    'const chance = Math.random();',
    "const chance = Math['random']();",
    'const { random } = Math;',
    "const site = 'http://a', chance = Math.random();",
    'const today = new Intl.DateTimeFormat().format();',
    "new Function('return 1')();",
    "await import('node:fs');",
  ])
    expect(code(impure), impure).toMatch(FORBIDDEN);
  expect(code("// Date\nconst a = Math.floor(1.5) + 'Date'.length;")).not.toMatch(FORBIDDEN);
});
