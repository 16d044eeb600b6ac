/** The checkers of every run. */
import type { Checker } from './checker.ts';
import { DurabilityChecker } from './durability.ts';
import { GrantingChecker } from './granting.ts';
import { SendingChecker } from './sending.ts';

export function createCheckers(): Checker[] {
  return [new DurabilityChecker(), new SendingChecker(), new GrantingChecker()];
}
