import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import fc from 'fast-check';
import picomatch from 'picomatch';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { GlobWalker } from './glob-walk.ts';

let root = '';
/** Relative paths of all files of the tree. */
const files: string[] = [];

function plant(directory: string, depth: number): void {
  for (const name of ['a.log', 'b.txt', '.hidden.log']) {
    mkdirSync(path.join(root, directory), { recursive: true });
    writeFileSync(path.join(root, directory, name), 'x\n');
    files.push(path.join(directory, name));
  }
  if (depth === 0) return;
  for (const name of ['app1', 'logs', '.cache']) plant(path.join(directory, name), depth - 1);
}

beforeAll(() => {
  root = mkdtempSync(path.join(tmpdir(), 'sluice-walk-'));
  plant('', 3);
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

async function walk(...patterns: string[]): ReturnType<GlobWalker['walk']> {
  const include = patterns.map((pattern) => path.join(root, pattern));
  return new GlobWalker(include, [], () => new Set()).walk();
}

describe('walking', () => {
  it('enters no directory under which nothing can match', async () => {
    const { files: found, directories } = await walk('*/logs/**/*.log');
    const names = [...directories].map((directory) => path.relative(root, directory));
    expect(names).toContain('app1/logs/app1');
    expect(names.filter((name) => /^[^/]+\/(app1|\.cache)/.test(name))).toEqual([]);
    expect(found.map((file) => path.relative(root, file.path))).toContain('app1/logs/a.log');
  });

  it('finds just what a pattern means, whatever it is made of', async () => {
    const segment = fc.constantFrom(
      '*',
      'app1',
      'logs',
      'a*',
      '[al]*',
      '.cache',
      '**',
      '{app1,logs/app1}',
      '?ogs',
    );
    const last = fc.constantFrom('*.log', '*', 'a.log', '**', '*.{log,txt}', '.*');
    const patterns = fc
      .tuple(fc.array(segment, { maxLength: 4 }), last)
      .map(([segments, name]) => [...segments, name].join('/'));
    await fc.assert(
      fc.asyncProperty(patterns, async (pattern) => {
        const matches = picomatch(path.join(root, pattern), { dot: true });
        const expected = files.filter((file) => matches(path.join(root, file))).sort();
        const { files: found, problems } = await walk(pattern);
        expect(found.map((file) => path.relative(root, file.path)).sort()).toEqual(expected);
        expect([...problems]).toEqual([]);
      }),
      { numRuns: 150 },
    );
  });
});
