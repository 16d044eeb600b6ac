/** The checkers of every run. */
import type { SimOptions } from '../options.ts';
import { AskingChecker } from './asking.ts';
import { BoundsChecker } from './bounds.ts';
import type { Checker } from './checker.ts';
import { DurabilityChecker } from './durability.ts';
import { FairnessChecker } from './fairness.ts';
import { GrantingChecker } from './granting.ts';
import { QuotaChecker } from './quotas.ts';
import { SendingChecker } from './sending.ts';
import { YieldingChecker } from './yielding.ts';

/** New ones, which have seen nothing. */
export function createCheckers(options: SimOptions): Checker[] {
  return [
    new DurabilityChecker(),
    new QuotaChecker(),
    new SendingChecker(),
    new AskingChecker(),
    new GrantingChecker(),
    new YieldingChecker(),
    new BoundsChecker(),
    ...(options.isContention ? [new FairnessChecker()] : []),
  ];
}
