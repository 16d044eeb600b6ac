/**
 * Who imports whom, as the table of ARCHITECTURE.md says: imports point down, and agent and server never at each other.
 *
 * Types count, and so does whatever else names a package in a module's code (`import()`, `require`, `import.meta.resolve`): an
 * arrow is an arrow.
 */
import { globSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';

const ROOT: string = path.join(import.meta.dirname, '..');
const SOURCE = /\.[cm]?[jt]sx?$/;
/** What only tests use may reach further down than its package, but not up. */
const OF_TESTS = /\.test\.tsx?$|-fixture\.ts$|(^|\/)testing\/|^fixtures\/|-crash-program\.ts$/;
const COMMENT = /\/\*[\s\S]*?\*\/|(?<![:\w'"`])\/\/.*$/gm;
/** Where a text begins that names a package of ours, or a place outside of its own folder. */
const NAMED = /['"`](@sluice\/[^'"`]+|\.\.?\/[^'"`\n]*)['"`]/g;
/** Of the packages that the table narrows down, what may be imported. */
const NARROWED: Readonly<Record<string, RegExp>> = {
  // Generated code.
  'console -> wire': /^@sluice\/wire\/gen\//,
  // What is pure: figures and decisions.
  'sim -> agent': /^@sluice\/agent\/uplink\/(?:backoff|limits)$/,
  'sim -> server': /^@sluice\/server\/(?:journal\/known-blocks|loader\/moved-decisions)$/,
};

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

function namedIn(source: string): string[] {
  return [...source.replace(COMMENT, '').matchAll(NAMED)].map(([, specifier = '']) => specifier);
}

function importsOf(name: string): Import[] {
  const cwd = path.join(ROOT, 'packages', name);
  return globSync('**/*', { cwd, exclude: ['**/node_modules/**', 'gen/**', 'dist/**'] })
    .filter((file) => SOURCE.test(file))
    .flatMap((file) =>
      namedIn(readFileSync(path.join(cwd, file), 'utf8')).map((specifier) => ({ file, specifier })),
    );
}

const allowed = allowedImports();
const imports: ReadonlyMap<string, readonly Import[]> = new Map(
  [...allowed.keys()].map((name) => [name, importsOf(name)]),
);
const ofProgram = (name: string): Import[] =>
  (imports.get(name) ?? []).filter(({ file }) => !OF_TESTS.test(file));
const packageOf = ({ specifier }: Import): string | undefined => /^@sluice\/(\w+)/.exec(specifier)?.[1];
const leavesFolder = ({ file, specifier }: Import): boolean =>
  specifier.startsWith('.') && path.join(path.dirname(file), specifier).startsWith('..');

test('each package is in the table, and nothing else', () => {
  const packages = globSync('packages/*', { cwd: ROOT }).map((directory) => path.basename(directory));
  expect([...allowed.keys()].sort()).toEqual(packages.sort());
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

test.each([...allowed])('%s imports what it may, and all of that', (name, may) => {
  const found = ofProgram(name);
  expect(found.length > 0 || name === 'base').toBe(true);
  const forbidden = found.filter((one) => {
    const imported = packageOf(one);
    const narrowed = NARROWED[`${name} -> ${imported}`];
    return (
      leavesFolder(one) ||
      (imported !== undefined && imported !== name && !may.has(imported)) ||
      narrowed?.test(one.specifier) === false
    );
  });
  expect(forbidden).toEqual([]);
  // What is allowed and not used is an arrow that somebody will draw without a thought.
  const used = new Set(found.map(packageOf));
  if (name !== 'cli') expect([...may].filter((other) => !used.has(other))).toEqual([]);
});

test.each([...allowed.keys()])('no program of %s imports what is of tests', (name) => {
  const ofTests = ofProgram(name).filter(({ specifier }) => /-fixture(?:\.ts)?$|\/testing\//.test(specifier));
  expect(ofTests).toEqual([]);
});

interface Manifest {
  readonly exports?: Readonly<Record<string, string>>;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly devDependencies?: Readonly<Record<string, string>>;
}

const manifestOf = (name: string): Manifest =>
  JSON.parse(readFileSync(path.join(ROOT, 'packages', name, 'package.json'), 'utf8'));

/** Of a list of dependencies, the packages of ours. */
const oursIn = (list: Readonly<Record<string, string>> = {}): string[] =>
  Object.keys(list).flatMap((dependency) => /^@sluice\/(\w+)$/.exec(dependency)?.[1] ?? []);

// Knip takes a workspace package for named that is not: npm links all of them for everybody.
test.each([...allowed.keys()])('package.json of %s names the packages that it imports', (name) => {
  const importedBy = (found: readonly Import[]): string[] => {
    const others = found.flatMap((one) => packageOf(one) ?? []);
    return [...new Set(others)].filter((other) => other !== name);
  };
  const ofProgramOnly = importedBy(ofProgram(name)).sort();
  const ofTestsToo = importedBy(imports.get(name) ?? []).filter((other) => !ofProgramOnly.includes(other));
  const { dependencies, devDependencies } = manifestOf(name);
  expect(oursIn(dependencies).sort()).toEqual(ofProgramOnly);
  expect(oursIn(devDependencies).sort()).toEqual(ofTestsToo.sort());
});

test('what a package exports is named one by one, and imported by somebody else', () => {
  const outside = globSync('{apptest,bench}/**/*.ts', { cwd: ROOT, exclude: ['**/node_modules/**'] });
  const named = new Set(outside.flatMap((file) => namedIn(readFileSync(path.join(ROOT, file), 'utf8'))));
  for (const [name, found] of imports)
    for (const one of found) if (packageOf(one) !== name) named.add(one.specifier);
  const unused = [...allowed.keys()].flatMap((name) =>
    Object.keys(manifestOf(name).exports ?? {})
      .map((entry) => entry.replace(/^\./, `@sluice/${name}`))
      .filter((entry) => !named.has(entry)),
  );
  expect(unused).toEqual([]);
});

/** All that a package leads to by the imports of its program. */
function below(name: string): ReadonlySet<string> {
  const reached = new Set<string>();
  const visit = (from: string): void => {
    for (const other of allowed.get(from) ?? []) {
      if (reached.has(other)) continue;
      reached.add(other);
      visit(other);
    }
  };
  visit(name);
  return reached;
}

test.each([...imports])('tests of %s import no package that is not below it', (name, found) => {
  const reachable = below(name);
  const upward = found.filter((one) => {
    const imported = packageOf(one);
    return imported !== undefined && imported !== name && !reachable.has(imported);
  });
  expect(upward).toEqual([]);
});

test('what names a package is found, however it does', () => {
  for (const code of [
    "import { a } from '@sluice/x/y';",
    "import type { A } from '@sluice/x/y';",
    "import {\n  a,\n} from\n  '@sluice/x/y';",
    "export * from '@sluice/x/y';",
    "await import(/* later */ '@sluice/x/y');",
    'await import(`@sluice/x/y`);',
    'import("@sluice/x/y");',
    "type A = typeof import('@sluice/x/y');",
    "import a = require('@sluice/x/y');",
    "createRequire(import.meta.url)('@sluice/x/y');",
    "import.meta.resolve('@sluice/x/y');",
    "const site = 'http://a'; import '@sluice/x/y';",
  ])
    expect(namedIn(code), code).toEqual(['@sluice/x/y']);
  expect(namedIn("new URL('../../x/y.ts', import.meta.url)")).toEqual(['../../x/y.ts']);
  expect(namedIn("// import '@sluice/x/y'\n/* '@sluice/x/y' */")).toEqual([]);
});
