/**
 * Counts what a machine holds: every Map, Set and array that can be reached from it, without knowing any of them, so that a
 * new one cannot be forgotten.
 *
 * A collection is named by the way to it: the fields of classes in a row, from the machine or from the nearest object without
 * a class, whose fields are named by themselves. `[]` stands for the elements of a collection. What cannot be counted
 * (functions, which may hide what they hold, and objects of the language's other classes) is listed by the same names.
 */
import { OPENED } from './load-machines.ts';

export interface Census {
  /** Elements of the largest collection of each name. */
  readonly sizes: ReadonlyMap<string, number>;
  readonly uncounted: ReadonlySet<string>;
}

/** @param root the name of the machine. */
export function takeCensus(machine: object, root: string): Census {
  const sizes = new Map<string, number>();
  const uncounted = new Set<string>();
  const seen = new Set<object>([machine]);
  const waiting: { readonly value: object; readonly name: string }[] = [{ value: machine, name: root }];
  const meet = (value: unknown, name: string): void => {
    if (typeof value === 'function') uncounted.add(name);
    if (typeof value !== 'object' || value === null || seen.has(value)) return;
    seen.add(value);
    waiting.push({ value, name });
  };
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    const { value, name } = next;
    const elements = elementsOf(value);
    if (elements !== undefined) {
      sizes.set(name, Math.max(sizes.get(name) ?? 0, elements.size));
      for (const element of elements.all) meet(element, `${name}[]`);
    } else if (isForeign(value)) uncounted.add(name);
    else {
      const prefix = isPlain(value) ? '' : `${name}.`;
      for (const [field, part] of Object.entries(value)) meet(part, prefix + field.replace(OPENED, ''));
    }
  }
  return { sizes, uncounted };
}

/** Keys of a Map are elements too: they may be objects. */
function elementsOf(value: object): { readonly size: number; readonly all: Iterable<unknown> } | undefined {
  if (Array.isArray(value)) return { size: value.length, all: value };
  if (value instanceof Set) return { size: value.size, all: value };
  if (value instanceof Map) return { size: value.size, all: [...value.keys(), ...value.values()] };
  return undefined;
}

function isPlain(value: object): boolean {
  return Object.getPrototypeOf(value) === Object.prototype;
}

/** Of a class of the language: what it holds is in no field. */
function isForeign(value: object): boolean {
  if (isPlain(value)) return false;
  const { name } = value.constructor;
  return name in globalThis;
}
