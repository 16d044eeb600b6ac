/**
 * How long an ERROR line takes over each kind of link, in a flood of ten times what the link or the server takes; and when
 * the server that leads stands still.
 *
 * Measured: from the write of each of ten ERROR lines a second until a search finds it; then nothing holds anything back
 * any more, and every line must be there once. `--bulk` measures instead how fast many lines come over each link.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { loadavg, tmpdir } from 'node:os';
import path from 'node:path';
import { parseBytesPerSecond } from '@sluice/cli/config/units';
import { flag, namesAfter, numberAfter } from './flags.ts';
import { formatColumns, formatLatency, isLonger, isWithin, type Latency, percentile } from './latency.ts';
import { describeLoad, LINKS, planLoad } from './link-plan.ts';
import type { LinkShape } from './link-relay.ts';
import { BULK_LINK_NAMES, measureBulk } from './links-bulk.ts';
import { isInOwnNetwork, runInOwnNetwork, setKernelBuffers } from './own-network.ts';
import { AROUND_FREEZE_MS, runScene, type Scene } from './scene.ts';
import { SHIPPER_NAMES, SPLIT_SHIPPER_NAMES, stormShipper } from './shippers.ts';
import { DEFAULT_INGEST_LIMIT, FLOOD_FACTOR, planStorm } from './storm-plan.ts';

const ERRORS_PER_SECOND = 10;
/** Ten ERROR lines a second are more than 500 then. */
const DEFAULT_SECONDS = 55;
const DEFAULT_RUNS = 3;
const DEFAULT_PAIRS = 7;
const FROZEN_SECONDS = 60;
/** How long a row is watched after its flood: long enough for what stood behind a window of 8 MiB on the slowest link. */
const AFTER_SECONDS = 60;
/** So that the fastest link's flood does not fill it. */
const QUEUE_BYTES = '4GiB';
const GOAL_MS = 2000;
/** What the slowest link and a leader that hangs are allowed. */
const SLOW_GOAL_MS = 4000;
const SHIPPERS: readonly string[] = [...SHIPPER_NAMES, ...SPLIT_SHIPPER_NAMES];
const ROWS: readonly string[] = ['storm', ...Object.keys(LINKS), 'stopped', ...SHIPPERS];

export const USAGE: string = `links [--only ROW[,ROW]...] [--runs N] [--seconds N] [--checkout DIR]
links --bulk [--only LINK[,LINK]...] [--pairs N] [--against DIR]
  How long ${ERRORS_PER_SECOND} ERROR lines each second take to be found, in a flood of ${FLOOD_FACTOR} times what is taken, over each kind of link.
  --only ROW[,ROW]...     storm (a server that takes ${DEFAULT_INGEST_LIMIT}), ${Object.keys(LINKS).join(', ')},
                          stopped (two servers, and the one that leads stands still for ${FROZEN_SECONDS} s),
                          and in the storm ${SHIPPERS.join(', ')}
  --runs N                so many times each row (${DEFAULT_RUNS}); the worst is shown
  --seconds N             length of the flood (${DEFAULT_SECONDS}; of stopped, ${FROZEN_SECONDS} s and ${(2 * AROUND_FREEZE_MS) / 1000} around them)
  --checkout DIR          starts the programs of another checkout of Sluice
  --bulk                  MB/s of lines from a file to searchable, over ${BULK_LINK_NAMES.join(', ')}
  --pairs N               so many times (${DEFAULT_PAIRS}); medians are shown
  --against DIR           in turns with the programs of another checkout`;

/** One run of a row. */
interface Outcome {
  readonly latencies: readonly Latency[];
  readonly isThereOnce: boolean | undefined;
  readonly remarks: readonly string[];
}

/** @param argumentsOfBench as {@link USAGE} says */
export async function run(argumentsOfBench: readonly string[]): Promise<void> {
  if (!isInOwnNetwork()) {
    if (await runInOwnNetwork()) return;
    print('no network of its own is allowed here: the kernel holds some MB before each link');
  }
  if (argumentsOfBench.includes('--bulk')) {
    const only = namesAfter(argumentsOfBench, '--only', BULK_LINK_NAMES) ?? BULK_LINK_NAMES;
    const pairs = numberAfter(argumentsOfBench, '--pairs', DEFAULT_PAIRS);
    await measureBulk(only, pairs, flag(argumentsOfBench, '--against'));
    return;
  }
  const only = namesAfter(argumentsOfBench, '--only', ROWS) ?? ROWS;
  const runs = numberAfter(argumentsOfBench, '--runs', DEFAULT_RUNS);
  const seconds = numberAfter(argumentsOfBench, '--seconds', DEFAULT_SECONDS);
  const checkout = flag(argumentsOfBench, '--checkout');
  const rows: string[][] = [];
  for (const name of only) {
    const outcomes: Outcome[] = [];
    for (let count = 1; count <= runs; count += 1) {
      print(
        `${name}, run ${count} of ${runs}; load ${loadavg()
          .map((value) => value.toFixed(1))
          .join(' ')}`,
      );
      const outcome = await runRow(name, seconds, checkout);
      if (typeof outcome === 'string') {
        print(outcome);
        break;
      }
      outcomes.push(outcome);
      for (const remark of outcome.remarks) print(`  ${remark}`);
      print(`  ${describeOutcome(outcome)}; load ${(loadavg()[0] ?? 0).toFixed(1)}`);
    }
    if (outcomes.length > 0) rows.push(tableRow(name, outcomes));
  }
  const head = ['row', 'p50', 'p99', 'max', 'lines', 'not seen', 'p99 of each run', 'once', 'goal of p99'];
  print(`\nthe worst of ${runs} runs each\n${formatColumns(head, rows)}`);
}

async function runRow(
  name: string,
  seconds: number,
  checkout: string | undefined,
): Promise<Outcome | string> {
  const directory = mkdtempSync(path.join(tmpdir(), 'sluice-links-'));
  try {
    const link = Object.hasOwn(LINKS, name) ? LINKS[name] : undefined;
    setKernelBuffers(link !== undefined);
    if (link !== undefined) return await runScene(await linkScene(name, link, seconds, directory, checkout));
    const cap = parseBytesPerSecond(DEFAULT_INGEST_LIMIT);
    const plan = await planStorm(cap, seconds, ERRORS_PER_SECOND, directory);
    if (SHIPPERS.includes(name)) {
      const outcome = await stormShipper(name, plan);
      return typeof outcome === 'string' ? outcome : { ...outcome, isThereOnce: undefined };
    }
    const flood = { bytesPerSecond: plan.floodBytesPerSecond, errorsPerSecond: ERRORS_PER_SECOND };
    return await runScene(cappedScene(name, flood, seconds, directory, checkout));
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

async function linkScene(
  name: string,
  link: LinkShape,
  seconds: number,
  directory: string,
  checkout: string | undefined,
): Promise<Scene> {
  const load = await planLoad(link.bytesPerSecond, FLOOD_FACTOR);
  print(`  flood: ${describeLoad(load)}`);
  const flood = {
    bytesPerSecond: load.linesPerSecond * load.shape.lineBytes,
    ...{ errorsPerSecond: ERRORS_PER_SECOND, paddingBytes: load.paddingBytes },
  };
  const scene = sceneOf(name, directory, checkout);
  const installation = { ...scene.installation, servers: [{ id: 's1', priorities: '1,2' }], link };
  return { ...scene, installation, flood, seconds, askedServer: 's1' };
}

/** Servers with a cap, without a link: one, or two of which the one that leads stands still. */
function cappedScene(
  name: string,
  flood: Scene['flood'],
  seconds: number,
  directory: string,
  checkout: string | undefined,
): Scene {
  const scene = sceneOf(name, directory, checkout);
  const leader = { id: 's1', priorities: '1,2', ingestLimit: DEFAULT_INGEST_LIMIT };
  if (name === 'storm') {
    const installation = { ...scene.installation, servers: [leader] };
    return { ...scene, installation, flood, seconds, askedServer: leader.id };
  }
  const follower = { id: 's2', priorities: '3,4', ingestLimit: DEFAULT_INGEST_LIMIT };
  const installation = { ...scene.installation, servers: [leader, follower] };
  return {
    ...{ ...scene, installation, flood, askedServer: follower.id, frozenServer: leader.id },
    seconds: FROZEN_SECONDS + (2 * AROUND_FREEZE_MS) / 1000,
  };
}

/** What all have in common. */
function sceneOf(
  name: string,
  directory: string,
  checkout: string | undefined,
): Pick<Scene, 'name' | 'file' | 'afterSeconds'> & {
  readonly installation: Omit<Scene['installation'], 'servers'>;
} {
  const file = path.join(directory, 'flood.log');
  const agentFlags = ['--watch', file, '--queue-bytes', QUEUE_BYTES];
  const installation = {
    ...{ directory: path.join(directory, 'data'), agentFlags },
    ...(checkout === undefined ? {} : { checkout: path.resolve(checkout) }),
  };
  return { name, file, installation, afterSeconds: AFTER_SECONDS };
}

function tableRow(name: string, outcomes: readonly Outcome[]): string[] {
  const p99 = ({ latencies }: Outcome): Latency => percentile(latencies, 0.99);
  const worst = outcomes.reduce((one, other) => (isLonger(p99(other), p99(one)) ? other : one));
  const isThereOnce = outcomes.every((outcome) => outcome.isThereOnce !== false);
  const goalMs = name.startsWith('60kB') || name === 'stopped' ? SLOW_GOAL_MS : GOAL_MS;
  const isMet = isWithin(p99(worst), goalMs) && isThereOnce;
  const isOwn = !SHIPPERS.includes(name);
  return [
    name,
    ...[0.5, 0.99, 1].map((part) => formatLatency(percentile(worst.latencies, part))),
    String(worst.latencies.length),
    String(worst.latencies.filter(({ atLeast }) => atLeast).length),
    outcomes.map((outcome) => formatLatency(p99(outcome))).join(', '),
    isOwn ? (isThereOnce ? 'yes' : 'NO') : '',
    isOwn ? `${goalMs / 1000} s: ${isMet ? 'met' : 'missed'}` : '',
  ];
}

function describeOutcome({ latencies }: Outcome): string {
  const [p50, p99, max] = [0.5, 0.99, 1].map((part) => formatLatency(percentile(latencies, part)));
  return `${latencies.length} ERROR lines: p50 ${p50}, p99 ${p99}, max ${max}`;
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}
