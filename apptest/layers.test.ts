/** Who imports whom, as the table of ARCHITECTURE.md says: imports point down, and agent and server never at each other. */
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';

const ROOT: string = path.join(import.meta.dirname, '..');
const SOURCE = /\.tsx?$/;
/** What only tests use may reach wherever it needs. */
const OF_TESTS = /\.test\.tsx?$|-fixture\.ts$|^testing\//;

/** By package, what it may import; undefined for all. */
function allowedImports(): ReadonlyMap<string, ReadonlySet<string>> {
  const document = readFileSync(path.join(ROOT, 'ARCHITECTURE.md'), 'utf8');
  const rows = [...document.matchAll(/^\| `packages\/(\w+)` \|.*\| ([^|]*) \|$/gm)];
  const names = rows.map(([, name = '']) => name);
  return new Map(
    rows.map(([, name = '', cell = '']) => {
      const [, excepted] = /^everything but (\w+)$/.exec(cell) ?? [];
      const isAllowed = (other: string): boolean =>
        excepted === undefined ? new RegExp(`\\b${other}\\b`).test(cell) : other !== excepted;
      return [name, new Set([name, ...names.filter(isAllowed)])];
    }),
  );
}

function importsOf(directory: string): { readonly file: string; readonly imported: string }[] {
  return readdirSync(directory, { recursive: true, encoding: 'utf8' })
    .filter((file) => SOURCE.test(file) && !OF_TESTS.test(file) && !/(^|\/)(gen|dist|fixtures)\//.test(file))
    .flatMap((file) =>
      [...readFileSync(path.join(directory, file), 'utf8').matchAll(/'@sluice\/(\w+)\//g)].map(
        ([, imported = '']) => ({ file, imported }),
      ),
    );
}

const allowed = allowedImports();

test('each package is in the table, and nothing else', () => {
  expect([...allowed.keys()].sort()).toEqual(readdirSync(path.join(ROOT, 'packages')).sort());
  expect(allowed.get('base')).toEqual(new Set(['base']));
});

test.each([...allowed])('%s imports what it may', (name, may) => {
  const found = importsOf(path.join(ROOT, 'packages', name));
  expect(found.filter(({ imported }) => !may.has(imported))).toEqual([]);
});
