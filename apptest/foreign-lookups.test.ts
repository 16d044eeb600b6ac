/**
 * No table is looked up by text from elsewhere in a plain object: `constructor`, `__proto__` and the like are found in
 * every one of them. A log line that said `"level":"constructor"` once passed all others.
 *
 * The compiler lets text index an object only where its keys are declared as any string or number, so these are what is
 * searched for. A Map, a Set or `Object.hasOwn` before the look-up does it.
 */
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';

const ROOT = path.join(import.meta.dirname, '..');
const SKIPPED = /(^|\/)(node_modules|dist|gen)(\/|$)/;
/** `const NAME: ...Record<string, ...> = {` and `{ [name: string]: ... } = {`. */
const TABLE =
  /\bconst (\w+)\s*:[^=;]*?(?:\bRecord<(?:string|number)\b|\[\w+: (?:string|number)\])[^=;]*=\s*\{/g;

/** Names of tables in the source that are indexed by something that is not written out. */
function lookedUp(source: string): string[] {
  return [...source.matchAll(TABLE)]
    .map(([, name = '']) => name)
    .filter((name) => new RegExp(`\\b${name}(\\?\\.)?\\[(?!['"\`\\d])`).test(source))
    .filter((name) => !source.includes(`Object.hasOwn(${name}, `));
}

function sources(directory: string): string[] {
  return readdirSync(path.join(ROOT, directory), { recursive: true, encoding: 'utf8' })
    .map((name) => path.join(directory, name))
    .filter(
      (name) => /\.tsx?$/.test(name) && !SKIPPED.test(name) && name !== 'apptest/foreign-lookups.test.ts',
    );
}

test.each(['packages', 'apptest', 'bench'])(
  'no table in %s is a plain object that text indexes',
  (directory) => {
    const files = sources(directory);
    expect(files.length).toBeGreaterThan(5);
    const found = files.flatMap((file) =>
      lookedUp(readFileSync(path.join(ROOT, file), 'utf8')).map((name) => `${file}: ${name}`),
    );
    expect(found).toEqual([]);
  },
);

test('the search finds what it looks for, and nothing else', () => {
  const table = 'const WORDS: Readonly<Record<string, number>> = {\n  a: 1,\n};\n';
  expect(lookedUp(`${table}const b = WORDS[text.toLowerCase()];`)).toEqual(['WORDS']);
  expect(lookedUp(`${table}const b = WORDS?.[word];`)).toEqual(['WORDS']);
  expect(lookedUp('const W: { [word: string]: number } = { a: 1 };\nW[x];')).toEqual(['W']);
  expect(lookedUp(`${table}const b = WORDS['a'];`)).toEqual([]);
  expect(lookedUp(`${table}const b = { ...WORDS };`)).toEqual([]);
  expect(lookedUp(`${table}const b = Object.hasOwn(WORDS, x) ? WORDS[x] : 0;`)).toEqual([]);
  expect(lookedUp('const W: ReadonlyMap<string, number> = new Map([]);\nW.get(x);')).toEqual([]);
});
