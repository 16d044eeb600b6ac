/**
 * What a search is expected to cost: the rows that the engine says it would read, after its indexes, times what a row of
 * this class takes.
 */
import type { Condition } from '@sluice/query/condition';
import type { CostClass } from '@sluice/query/cost-class';
import { z } from 'zod';
import { LogStatement, type Scope } from '../store/log-table.ts';
import { LIGHT_MS } from './limits.ts';
import type { Weight } from './search-queue.ts';
import type { Estimate } from './search-turns.ts';

/**
 * One thread's time for a row, about: measured over 3 million rows of 60 bytes on two virtual cores, a regular expression
 * over the body took 220 ns, a count by severity 5 ns. Longer bodies take longer: then a light turn is too short, and
 * the search has a heavy one.
 */
const NANOS_PER_ROW: Readonly<Record<CostClass, number>> = { narrow: 10, indexed: 300, scan: 300 };

/** From the query's text alone, where nobody waits. */
export function guessWeight(cost: CostClass): Weight {
  return cost === 'scan' ? 'heavy' : 'light';
}

/** @returns the question to the engine; {@link readEstimate} reads its answer */
export function estimateStatement(scope: Scope, where: Condition): LogStatement {
  return new LogStatement(scope, where, (from) => `EXPLAIN ESTIMATE SELECT count() ${from}`);
}

/** Database, table, parts, rows, marks; no row at all when nothing has to be read. Integers of 64 bits come as text. */
const ROW = z.tuple([z.string(), z.string(), z.coerce.number(), z.coerce.number()], z.unknown());

export function readEstimate(rows: readonly unknown[][], cost: CostClass): Estimate {
  const rowsToRead = rows.reduce((sum, row) => sum + ROW.parse(row)[3], 0);
  const expectedMs = (rowsToRead * NANOS_PER_ROW[cost]) / 1e6;
  return { weight: expectedMs <= LIGHT_MS ? 'light' : 'heavy', expectedMs };
}
