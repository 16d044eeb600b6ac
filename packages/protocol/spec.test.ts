/** SPEC.md against the project: rules and the tests that enforce them, in both directions; values and their constants. */
import { globSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { DEFAULT_CHANNELS } from './channel-allocation.ts';
import * as limits from './limits.ts';
import * as model from './model.ts';

const spec = readFileSync(path.join(import.meta.dirname, 'SPEC.md'), 'utf8');
const project = path.join(import.meta.dirname, '..', '..');
/** Rules that the machines alone cannot hold are held by tests of other packages, and of the programs. */
const sources = globSync(['packages/**/*.test.ts', 'apptest/**/*.test.ts', 'bench/**/*.test.ts'], {
  cwd: project,
  exclude: (name) => name === 'node_modules' || name === 'spec.test.ts',
}).map((name) => ({ name, text: withoutComments(readFileSync(path.join(project, name), 'utf8')) }));

/** A test that is commented out enforces nothing. (One that is skipped, lint finds.) */
function withoutComments(text: string): string {
  return text.replace(/^\s*\/\*[\s\S]*?\*\/|^\s*\/\/.*$/gm, '');
}

/** A rule, `U7`, or a part of one, `U7.2`, with the tests that it names. */
interface Rule {
  readonly name: string;
  readonly text: string;
  readonly titles: readonly string[];
}

function readRules(text: string): Rule[] {
  const [, rules = ''] = /^## Rules\n(.*?)^## /ms.exec(text) ?? [];
  return rules
    .split(/^#{3,4} (?=U\d)/m)
    .slice(1)
    .map((section) => {
      const [, name = ''] = /^(U[\d.]+) \S/.exec(section) ?? [];
      const titles = [...section.matchAll(/^- "(.+)"$/gm)].map(([, title = '']) => title);
      return { name, text: section, titles };
    });
}

const rules = readRules(spec);
const ruleOf = (name: string): string => name.split('.', 1)[0] ?? name;
const hasParts = ({ name }: Rule): boolean => rules.some((other) => other.name.startsWith(`${name}.`));

/** String literals that stand in one line of a test and carry the number of a rule. */
function numberedTitles(text: string): string[] {
  return text.split('\n').flatMap((line) => {
    const literals = [...line.matchAll(/(['"`])((?:\\.|(?!\1).)*\bU\d+\b(?:\\.|(?!\1).)*)\1/g)];
    return literals.map(([, , title = '']) => title);
  });
}

test.each(rules.filter((rule) => !hasParts(rule)))(
  'SPEC: $name says why, and names tests that exist',
  (rule) => {
    expect(rule.name).toMatch(/^U\d+(?:\.\d+)?$/);
    expect(rule.text).toMatch(/^Why: /m);
    expect(rule.text).toMatch(/^Enforced by:\n- "/m);
    for (const title of rule.titles) {
      const isThere = sources.some(({ text }) => text.includes(`'${title}'`) || text.includes(`"${title}"`));
      expect(isThere, `no test is called "${title}"`).toBe(true);
    }
  },
);

test('SPEC: a rule with parts leaves the tests to them, and no name occurs twice', () => {
  const names = rules.map(({ name }) => name);
  expect(names).toEqual([...new Set(names)]);
  for (const rule of rules.filter(hasParts)) expect(rule.titles).toEqual([]);
  for (const name of names) expect(names).toContain(ruleOf(name));
  expect(names.filter((name) => ruleOf(name) === name)).toEqual([
    ...Array.from({ length: 21 }, (_, index) => `U${index + 1}`),
    ...['U23', 'U24', 'U25'],
  ]);
});

test('SPEC: each rule that the title of a test numbers names that test', () => {
  const known = new Set(rules.map(({ name }) => ruleOf(name)));
  const named = new Set(
    rules.flatMap(({ name, titles }) => titles.map((title) => `${ruleOf(name)} ${title}`)),
  );
  const missing = sources.flatMap(({ name, text }) =>
    numberedTitles(text).flatMap((title) =>
      [...title.matchAll(/\bU\d+\b/g)].flatMap(([number]) => {
        if (!known.has(number)) return [`${name}: SPEC has no ${number}: ${title}`];
        return named.has(`${number} ${title}`) ? [] : [`${name}: ${number} does not name "${title}"`];
      }),
    ),
  );
  expect(missing).toEqual([]);
  // Whatever becomes of how titles are found: there are about a hundred.
  expect(sources.flatMap(({ text }) => numberedTitles(text)).length).toBeGreaterThan(90);
});

const SECOND_MS = 1_000;
const KIB = 1_024;
const MIB = 1_024 * KIB;

/** A value as SPEC.md writes it: the unit stands at the end of the constant's name. */
function valueText(name: string, value: number): string {
  const count = (number: number): string => number.toLocaleString('en-US');
  if (name.endsWith('_FRACTION')) return `${count(Math.round(value * 1_000) / 10)} %`;
  if (name.endsWith('_MS')) return value % SECOND_MS === 0 ? `${count(value / SECOND_MS)} s` : `${value} ms`;
  if (!/_BYTES(?:_|$)/.test(name)) return count(value);
  const rate = name.endsWith('_PER_SECOND') ? '/s' : '';
  if (value % MIB === 0) return `${count(value / MIB)} MiB${rate}`;
  return value % KIB === 0 ? `${count(value / KIB)} KiB${rate}` : `${count(value)} bytes${rate}`;
}

const constants = new Map(
  [...Object.entries(limits), ...Object.entries(model)].flatMap(([name, value]) =>
    typeof value === 'number' ? [[name, valueText(name, value)] as const] : [],
  ),
);
const shares = Object.entries(limits.MINIMUM_SHARES).filter(([, share]) => share > 0);
constants.set(
  'MINIMUM_SHARES',
  shares.map(([urgency, share]) => `${urgency} ${Math.round(share * 100)} %`).join(', '),
);

/** Values by name of the constants of the shells, which this package may not import: as their sources write them, once or more. */
const shellConstants = new Map<string, string[]>();
for (const name of globSync('packages/{agent,server}/**/*.ts', {
  cwd: project,
  exclude: ['**/node_modules/**'],
})) {
  const written = readFileSync(path.join(project, name), 'utf8').matchAll(
    /^(?:export )?const ([A-Z][A-Z\d_]+)(?:: number)? = ([\d_]+(?: \* [\d_]+)*);$/gm,
  );
  for (const [, constant = '', product = ''] of written) {
    const factors = product.split(' * ').map((factor) => Number(factor.replaceAll('_', '')));
    const value = valueText(
      constant,
      factors.reduce((one, other) => one * other),
    );
    shellConstants.set(constant, [...(shellConstants.get(constant) ?? []), value]);
  }
}

test('SPEC: a value in front of the name of a constant is its value', () => {
  const stated = [...spec.matchAll(/([\w%/,. ]+?)\s\(`([A-Z][A-Z\d_]+)`\)/g)];
  for (const [, before = '', name = ''] of stated) {
    const ofMachines = constants.get(name);
    const values = ofMachines === undefined ? (shellConstants.get(name) ?? []) : [ofMachines];
    expect(values, `no constant is called ${name}`).not.toEqual([]);
    const isStated = values.some((value) => before.endsWith(` ${value}`) || before === value);
    expect(isStated, `${before} (${name}) is not ${values.join(' or ')}`).toBe(true);
  }
  expect(stated.length).toBeGreaterThan(40);
});

test('SPEC: the table of defaults has all constants, with their values', () => {
  const [, table = ''] = /^## Defaults\n(.*)/ms.exec(spec) ?? [];
  const rows = [...table.matchAll(/\| `([A-Z\d_]+)` *\| ([^|]*?) *\|$/gm)].map(([, name, value]) => [
    name,
    value,
  ]);
  expect(rows.toSorted()).toEqual([...constants].toSorted());
  const priorities = DEFAULT_CHANNELS.map(({ priority }) => priority).join(' and ');
  expect(table).toContain(`priorities ${priorities}.`);
});
