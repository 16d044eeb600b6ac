/** The arguments of a bench. */

/** @returns what follows the flag; undefined without it */
export function flag(argumentsOfBench: readonly string[], name: string): string | undefined {
  const at = argumentsOfBench.indexOf(name);
  return at === -1 ? undefined : argumentsOfBench[at + 1];
}

/** @throws Error when what follows is no number above 0 */
export function numberAfter(argumentsOfBench: readonly string[], name: string, otherwise: number): number {
  const value = Number(flag(argumentsOfBench, name) ?? otherwise);
  if (!(value > 0)) throw new Error(`${name} is a number above 0`);
  return value;
}

/** @throws Error for a name that is not known */
export function namesAfter(
  argumentsOfBench: readonly string[],
  name: string,
  known: readonly string[],
): readonly string[] | undefined {
  const names = flag(argumentsOfBench, name)?.split(',');
  const unknown = names?.filter((one) => !known.includes(one)) ?? [];
  if (unknown.length > 0)
    throw new Error(`${name}: not known: ${unknown.join(', ')}; there are ${known.join(', ')}`);
  return names;
}
