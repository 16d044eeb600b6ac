/**
 * The incident: a file takes DEBUG and INFO lines at ten times what the receiving side takes, and one ERROR line each
 * second. How long until the ERROR line is there?
 *
 * Measured, for Sluice with and without priorities: from the write of each ERROR line until a search finds it; for
 * other shippers, where they are installed: until it arrives at a receiver with the same cap. And that with Sluice every
 * line is there once in the end. Not measured: networks, several agents, searches by many people meanwhile.
 */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { defined } from '@sluice/base/defined';
import { parseBytesPerSecond } from '@sluice/cli/config/units';
import { flag, namesAfter, numberAfter } from './flags.ts';
import { percentile } from './latency.ts';
import { SHIPPER_NAMES, SPLIT_SHIPPER_NAMES, stormShipper } from './shippers.ts';
import { formatTable, type StormOutcome } from './storm-outcome.ts';
import { DEFAULT_INGEST_LIMIT, FLOOD_FACTOR, planStorm } from './storm-plan.ts';
import { stormSluice } from './storm-sluice.ts';

const DEFAULT_SECONDS = 60;
const ERRORS_PER_SECOND = 1;
const GOAL_P50_MS = 1000;
const GOAL_P99_MS = 2000;

export const USAGE: string = `storm [--seconds N] [--ingest-limit SIZE/s] [--queue-bytes SIZE] [--only NAME[,NAME]...]
  How long one ERROR line each second takes to be found, in a flood of ${FLOOD_FACTOR} times what the server may take.
  --seconds N             length of the flood (${DEFAULT_SECONDS})
  --ingest-limit SIZE/s   what the server may take, in uncompressed blocks (${DEFAULT_INGEST_LIMIT})
  --queue-bytes SIZE      bound of the agent's queue (1GiB): a small one shows what happens when it is full
  --only NAME[,NAME]...   sluice, flat (Sluice with one class and one channel), ${SHIPPER_NAMES.join(', ')}
                          (all of them; shippers that are not installed are left out), or, with ERROR lines
                          split off by hand, ${SPLIT_SHIPPER_NAMES.join(', ')}`;

/** @param argumentsOfBench as {@link USAGE} says */
export async function run(argumentsOfBench: readonly string[]): Promise<void> {
  const seconds = numberAfter(argumentsOfBench, '--seconds', DEFAULT_SECONDS);
  const limit = flag(argumentsOfBench, '--ingest-limit') ?? DEFAULT_INGEST_LIMIT;
  const usual = ['sluice', 'flat', ...SHIPPER_NAMES];
  const known = [...usual, ...SPLIT_SHIPPER_NAMES];
  const only = namesAfter(argumentsOfBench, '--only', known) ?? usual;
  const names = known.filter((name) => only.includes(name));
  const directory = mkdtempSync(path.join(tmpdir(), 'sluice-storm-'));
  try {
    const queueBytes = flag(argumentsOfBench, '--queue-bytes');
    const plan = {
      ...(await planStorm(parseBytesPerSecond(limit), seconds, ERRORS_PER_SECOND, directory)),
      ...defined({ queueBytes }),
    };
    const outcomes: StormOutcome[] = [];
    const remarks: string[] = [];
    for (const name of names) {
      print(`${name}: ${seconds} s`);
      const outcome =
        name === 'sluice' || name === 'flat' ? await stormSluice(name, plan) : await stormShipper(name, plan);
      if (typeof outcome === 'string') remarks.push(outcome);
      else {
        outcomes.push(outcome);
        remarks.push(...outcome.remarks.map((remark) => `${name}: ${remark}`));
      }
    }
    print(`\n${formatTable(outcomes)}\n`);
    for (const remark of remarks) print(remark);
    judge(outcomes);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

function judge(outcomes: readonly StormOutcome[]): void {
  const own = outcomes.find(({ shipper }) => shipper === 'sluice');
  if (own === undefined) return;
  const [p50, p99] = [percentile(own.latencies, 0.5), percentile(own.latencies, 0.99)];
  const met = p50.milliseconds <= GOAL_P50_MS && p99.milliseconds <= GOAL_P99_MS && !p99.atLeast;
  print(`goal (p50 <= ${GOAL_P50_MS} ms, p99 <= ${GOAL_P99_MS} ms): ${met ? 'met' : 'missed'}`);
  for (const other of outcomes) {
    if (other === own) continue;
    const theirs = percentile(other.latencies, 0.5);
    const ratio = theirs.milliseconds / p50.milliseconds;
    print(
      `p50 of ${other.shipper}: ${theirs.atLeast ? 'at least ' : ''}${ratio.toFixed(0)} times that of sluice`,
    );
  }
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}
