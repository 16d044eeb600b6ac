/** Habits that no other tool holds. */
import { existsSync, globSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';

const ROOT: string = path.join(import.meta.dirname, '..');
const UNSEEDED = /\bMath\.random\(|\brandom(?:Bytes|Int|Fill|FillSync)\(/;
/** Where the one seed of a test is drawn, and what names the calls to look for them. */
const EXCEPTIONS: readonly string[] = [
  'packages/host/testing/seed.ts',
  ...['apptest/conventions.test.ts', 'apptest/purity.test.ts'],
];

const testFiles: string[] = globSync(
  ['packages/**/*.test.ts', 'packages/**/*-fixture.ts', 'packages/**/testing/**/*.ts', 'apptest/**/*.ts'],
  { cwd: ROOT, exclude: ['**/node_modules/**', ...EXCEPTIONS] },
);

test('chance in tests comes from a seed that is told', () => {
  const unseeded = testFiles.filter((file) => {
    const source = readFileSync(path.join(ROOT, file), 'utf8');
    return UNSEEDED.test(source);
  });
  expect(unseeded).toEqual([]);
  expect(testFiles.length).toBeGreaterThan(100);
  expect('const pause = Math.random() * 12;').toMatch(UNSEEDED);
});

const files: string[] = globSync(
  ['packages/**/*', 'apptest/**/*', 'bench/**/*', 'proto/**/*', 'docs/**/*', '*'],
  {
    cwd: ROOT,
    exclude: ['**/node_modules/**', '**/dist/**', '**/gen/**'],
  },
);

/** The names that stand in these files, of which no file has one. */
function missingNames(
  among: RegExp,
  texts: (source: string) => string,
  name: RegExp,
  nameOf = (found: string): string => found,
): string[] {
  const chosen = files.filter((file) => among.test(file) && file !== 'CHANGELOG.md');
  expect(chosen.length).toBeGreaterThan(10);
  return chosen.flatMap((file) =>
    [...texts(readFileSync(path.join(ROOT, file), 'utf8')).matchAll(name)]
      .map(([, found = '']) => nameOf(found))
      .filter((found) => !files.some((other) => other === found || other.endsWith(`/${found}`)))
      .map((found) => `${file}: ${found}`),
  );
}

test('documents name files that exist', () => {
  expect(missingNames(/\.md$/, (text) => text, /`([\w./-]+\.(?:ts|tsx|md|proto|txt|json|ya?ml))`/g)).toEqual(
    [],
  );
});

test('documents name folders and commands that exist', () => {
  expect(
    missingNames(
      /\.md$/,
      (text) => text,
      /`((?:[a-z\d-]+\/)+)`/g,
      (found) => found.slice(0, -1),
    ),
  ).toEqual([]);
  const { scripts } = JSON.parse(readFileSync(path.join(ROOT, 'package.json'), 'utf8'));
  const commands = files
    .filter((file) => file.endsWith('.md') && file !== 'CHANGELOG.md')
    .flatMap((file) => [...readFileSync(path.join(ROOT, file), 'utf8').matchAll(/npm run ([\w:]+)/g)])
    .map(([, name = '']) => name);
  expect(commands.length).toBeGreaterThan(5);
  expect(commands.filter((name) => !(name in scripts))).toEqual([]);
});

/** How GitHub names the place of a heading. */
function anchorOf(heading: string): string {
  return heading
    .toLowerCase()
    .replace(/[^\w\- ]/g, '')
    .replaceAll(' ', '-');
}

test('links of documents lead somewhere', () => {
  const links = files
    .filter((file) => file.endsWith('.md'))
    .flatMap((file) =>
      [
        ...readFileSync(path.join(ROOT, file), 'utf8').matchAll(/\]\((?!\w+:)([^)#\s]*)(?:#([^)\s]*))?\)/g),
      ].map(([, target = '', anchor = '']) => ({ file, target, anchor })),
    );
  expect(links.length).toBeGreaterThan(20);
  const broken = links.filter(({ file, target, anchor }) => {
    const place = path.join(ROOT, target === '' ? file : path.join(path.dirname(file), target));
    if (!existsSync(place)) return true;
    if (anchor === '') return false;
    const headings = readFileSync(place, 'utf8').matchAll(/^#+ (.+)$/gm);
    return ![...headings].some(([, heading = '']) => anchorOf(heading) === anchor);
  });
  expect(broken).toEqual([]);
});

test('functions that lint lets be longer are these', () => {
  const longer = files.filter(
    (file) =>
      /(?<!\.test)\.tsx?$/.test(file) &&
      /biome-ignore lint\/complexity\/noExcessiveLines/.test(readFileSync(path.join(ROOT, file), 'utf8')),
  );
  expect(longer.sort()).toEqual([
    // State of the page and its layout.
    'packages/console/source/explore/explore-view.tsx',
    // A list of declarations.
    'packages/server/metrics.ts',
  ]);
});

test('comments name files that exist', () => {
  const comments = (source: string): string =>
    (source.match(/\/\*[\s\S]*?\*\/|^\s*\/\/.*$/gm) ?? []).join('\n');
  const name = /(?<![\w/*.-])((?:[\w-]+\/)*[\w-]+(?:\.\w+)?\.(?:ts|tsx|md|proto))\b/g;
  expect(missingNames(/(?<!fixture)\.(?:ts|tsx)$/, comments, name)).toEqual([]);
});
