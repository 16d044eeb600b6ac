/** The checkers of every run. */
import type { Checker } from './checker.ts';
import { DurabilityChecker } from './durability.ts';

export function createCheckers(): Checker[] {
  return [new DurabilityChecker()];
}
