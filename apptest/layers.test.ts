/** Who imports whom, as the table of ARCHITECTURE.md says: imports point down, and agent and server never at each other. */
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';

const ROOT: string = path.join(import.meta.dirname, '..');
const SOURCE = /\.tsx?$/;
/** What only tests use may reach wherever it needs. */
const OF_TESTS = /\.test\.tsx?$|-fixture\.ts$|^testing\//;
/** Types count: an arrow is an arrow. */
const SPECIFIER = /\b(?:from|import)\s*\(?\s*'([^']+)'/g;

interface Import {
  readonly file: string;
  readonly specifier: string;
}

/** By package, what it may import. */
function allowedImports(): ReadonlyMap<string, ReadonlySet<string>> {
  const document = readFileSync(path.join(ROOT, 'ARCHITECTURE.md'), 'utf8');
  const rows = [...document.matchAll(/^\| `packages\/(\w+)` \|.*\| ([^|]*) \|$/gm)];
  const names = rows.map(([, name = '']) => name);
  return new Map(
    rows.map(([, name = '', cell = '']) => {
      const [, excepted] = /^everything but (\w+)$/.exec(cell) ?? [];
      const isAllowed = (other: string): boolean =>
        excepted === undefined ? new RegExp(`\\b${other}\\b`).test(cell) : other !== excepted;
      return [name, new Set(names.filter((other) => other !== name && isAllowed(other)))];
    }),
  );
}

function importsOf(directory: string): Import[] {
  return readdirSync(directory, { recursive: true, encoding: 'utf8' })
    .filter((file) => SOURCE.test(file) && !OF_TESTS.test(file) && !/(^|\/)(gen|dist|fixtures)\//.test(file))
    .flatMap((file) =>
      [...readFileSync(path.join(directory, file), 'utf8').matchAll(SPECIFIER)].map(([, specifier = '']) => ({
        file,
        specifier,
      })),
    );
}

const allowed = allowedImports();

test('each package is in the table, and nothing else', () => {
  expect([...allowed.keys()].sort()).toEqual(readdirSync(path.join(ROOT, 'packages')).sort());
  expect(allowed.get('base')).toEqual(new Set());
});

test('the table has no circle, and agent and server do not know each other', () => {
  const placed = new Set<string>();
  for (let before = -1; before < placed.size; ) {
    before = placed.size;
    for (const [name, may] of allowed) if ([...may].every((other) => placed.has(other))) placed.add(name);
  }
  expect([...allowed.keys()].filter((name) => !placed.has(name))).toEqual([]);
  expect(allowed.get('agent')).not.toContain('server');
  expect(allowed.get('server')).not.toContain('agent');
});

test.each([...allowed])('%s imports what it may', (name, may) => {
  const imports = importsOf(path.join(ROOT, 'packages', name));
  expect(imports.length > 0 || name === 'base').toBe(true);
  const forbidden = imports.filter(({ file, specifier }) => {
    if (specifier.startsWith('.')) return path.join(path.dirname(file), specifier).startsWith('..');
    const [, imported] = /^@sluice\/(\w+)/.exec(specifier) ?? [];
    return imported !== undefined && imported !== name && !may.has(imported);
  });
  expect(forbidden).toEqual([]);
});
