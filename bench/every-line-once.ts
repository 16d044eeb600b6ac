/** Whether all that was written is in the store, once. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { QueryClient } from '@sluice/cli/client';
import { textOf } from '@sluice/store/testing/ask-store';

/** How long everything may take to come in once nothing holds it back. */
const DRAIN_TIMEOUT_MS = 300_000;
const LOOK_INTERVAL_MS = 1000;

export interface EveryLine {
  readonly isThereOnce: boolean;
  /** For people. */
  readonly text: string;
}

/** Lines that searches show. */
export async function countLines(client: QueryClient): Promise<number> {
  return Number((await client.count({ query: '*' })).count);
}

/**
 * Waits until all lines are there, and none has a second copy any more.
 *
 * A line is there once when searches show as many lines as were written, the table holds no more, and so many of them are
 * different: second copies of blocks that moved from one server to another are hidden first and deleted then.
 * @param store its data directory
 * @param linesWritten each with a number of its own (`line-N`)
 */
export async function everyLineOnce(
  store: string,
  client: QueryClient,
  linesWritten: number,
): Promise<EveryLine> {
  const startMs = Date.now();
  let [shown, counts] = [0, { held: 0, different: 0 }];
  do {
    await sleep(LOOK_INTERVAL_MS);
    shown = await countLines(client);
    if (shown < linesWritten) continue;
    counts = await countHeld(store);
  } while ((shown < linesWritten || counts.held > shown) && Date.now() < startMs + DRAIN_TIMEOUT_MS);
  const seconds = ((Date.now() - startMs) / 1000).toFixed(0);
  if (counts.held === 0) counts = await countHeld(store);
  const isThereOnce = [shown, counts.held, counts.different].every((count) => count === linesWritten);
  return {
    isThereOnce,
    text:
      `${isThereOnce ? 'every line once' : 'NOT every line once'}: ${linesWritten} lines written, ${shown} shown, ` +
      `${counts.held} in the store, ${counts.different} different, ${seconds} s later`,
  };
}

async function countHeld(store: string): Promise<{ held: number; different: number }> {
  const sql = "SELECT count(), uniqExact(toUInt64OrZero(extract(Body, 'line-(\\\\d+)'))) FROM otel_logs";
  const [held = 0, different = 0] = (await textOf(store, `${sql} FORMAT TSV`)).trim().split('\t').map(Number);
  return { held, different };
}
