/** No name of the engine in use that nobody judged, and none on a list of what is taken that the engine does not have. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import {
  DATA_TYPES,
  FUNCTIONS,
  INSERT_FORMATS,
  OUTPUT_FORMATS,
  SETTINGS,
  TABLE_ENGINES,
  TABLE_FUNCTIONS,
  TABLE_SETTINGS,
} from './allowed-names.ts';
import { engineNames } from './testing/engine-names.ts';

/** By table of `system`: what the store takes. */
const TAKEN: readonly { readonly table: string; readonly lists: readonly ReadonlySet<string>[] }[] = [
  { table: 'table_functions', lists: [TABLE_FUNCTIONS] },
  { table: 'table_engines', lists: [TABLE_ENGINES] },
  { table: 'settings', lists: [SETTINGS] },
  { table: 'merge_tree_settings', lists: [TABLE_SETTINGS] },
  { table: 'formats', lists: [OUTPUT_FORMATS, INSERT_FORMATS] },
  { table: 'functions', lists: [FUNCTIONS] },
  { table: 'data_type_families', lists: [DATA_TYPES] },
];

function judged(table: string): Set<string> {
  const text = readFileSync(path.join(import.meta.dirname, 'judged-names.txt'), 'utf8');
  const section = text.split(`\n[${table}]\n`)[1]?.split('\n[')[0] ?? '';
  return new Set(section.split(/\s+/).filter((name) => name !== ''));
}

/** @returns what nobody judged */
function unjudged(names: Iterable<string>, table: string): string[] {
  const known = judged(table);
  return [...names].filter((name) => !known.has(name));
}

/** `countIf` is `count` with a condition: the engine lists them apart. */
function withoutCombinator(name: string): string {
  return name.replace(/(?:If|Distinct)$/, '');
}

test.each(TAKEN)(
  'each name in system.$table was judged, and what is taken of them is there',
  ({ table, lists }) => {
    const names = engineNames(table);
    expect(names.size).toBeGreaterThan(20);
    expect(unjudged(names, table)).toEqual([]);
    for (const list of lists)
      expect([...list].filter((name) => !names.has(name) && !names.has(withoutCombinator(name)))).toEqual([]);
  },
);

test('a name of another engine would be noticed', () => {
  expect(unjudged(['numbers', 'brandNewFunction'], 'table_functions')).toEqual(['brandNewFunction']);
});
