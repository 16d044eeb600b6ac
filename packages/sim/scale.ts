/**
 * `npm run sim:scale [-- --agents N --servers N]`: very many agents, and an outage of all servers together that ends.
 *
 * Reports, in virtual time: what comes at the servers when they return (connections, requests, refusals, requests that
 * wait for room), how long it takes until everything is in, how fairly the agents are served meanwhile, and how long
 * urgent blocks take through it. And in real time: what a step of a server's machine costs with so many agents.
 */
import { parseArgs } from 'node:util';
import { RECONNECT_MOST_MS } from '@sluice/agent/uplink/limits';
import { messageOf } from '@sluice/base/error';
import { jainIndex } from './jain-index.ts';
import type { ScaleOptions } from './scale-host.ts';
import { ScaleWorld, type Second } from './scale-world.ts';

/** Default of each option, and what it means. */
const OPTIONS: { readonly [Name in keyof ScaleOptions]: readonly [number, string] } = {
  seed: [1, 'of all that is drawn at random'],
  agents: [2_000, 'how many'],
  servers: [2, 'how many'],
  serversPerAgent: [2, 'how many of them each agent is configured with'],
  journalBytes: [512 * 1024 * 1024, 'what the journal of a server holds'],
  loadedBytesPerSecond: [20e6, 'what a server brings into the store'],
  blockBytes: [100_000, 'of a block'],
  blockIntervalMs: [10_000, 'between two blocks of an agent, on average'],
  urgentPart: [0.05, 'of the blocks, 0 to 1'],
  outageFromMs: [60_000, 'when all servers go away'],
  outageMs: [180_000, 'how long they stay away'],
  productionMs: [600_000, 'how long the agents make blocks'],
  limitMs: [1_800_000, 'when the run ends at the latest'],
};
/** How often a line is printed, in virtual seconds, and how often right after the return. */
const LINES_APART = 60;
const LINES_APART_AT_RETURN = 2;
const RETURN_SECONDS = 20;
/** Agents start within the first 10 s; what they do then says nothing about a quiet day. */
const QUIET_FROM_MS = 15_000;

/** Runs and prints. */
function runScale(options: ScaleOptions, print: (line: string) => void): void {
  const world = new ScaleWorld(options);
  const startMs = performance.now();
  const drained = world.run();
  const { agents, servers, serversPerAgent, outageFromMs, outageMs } = options;
  print(
    `${agents} agents, ${servers} servers, ${serversPerAgent} per agent; all servers away from ` +
      `${outageFromMs / 1000} s to ${(outageFromMs + outageMs) / 1000} s`,
  );
  print('   s   connects  requests  most at one  refusals  unanswered  journals MiB  at agents MiB');
  const returnSecond = Math.floor((outageFromMs + outageMs) / 1000);
  for (const [second, row] of world.seconds.entries()) {
    const sinceReturn = second - returnSecond;
    const apart = sinceReturn >= 0 && sinceReturn < RETURN_SECONDS ? LINES_APART_AT_RETURN : LINES_APART;
    if (second % apart === 0) print(lineOf(second, row));
  }
  report(world, drained, print);
  const wallSeconds = (performance.now() - startMs) / 1000;
  print(
    `${world.serverSteps} steps of servers, ${((world.serverWallMs / world.serverSteps) * 1000).toFixed(1)} us each; ` +
      `${world.agentSteps} of agents; ${wallSeconds.toFixed(0)} s of real time`,
  );
}

function lineOf(second: number, row: Second): string {
  const mebibytes = (bytes: number): string => (bytes / 2 ** 20).toFixed(0);
  const cells: readonly [string, number][] = [
    [String(second), 5],
    [String(row.connections), 10],
    [String(row.requests), 9],
    [String(row.mostRequestsAtOneServer), 12],
    [String(row.refusals), 9],
    [String(row.deferred), 11],
    [mebibytes(row.heldBytes), 13],
    [mebibytes(row.waitingBytes), 14],
  ];
  return cells.map(([text, width]) => text.padStart(width)).join(' ');
}

function report(world: ScaleWorld, drained: boolean, print: (line: string) => void): void {
  const { agents, outageFromMs, outageMs } = world.options;
  const returnMs = outageFromMs + outageMs;
  const old = world.deliveries.filter(({ sealedMs }) => sealedMs >= outageFromMs && sealedMs < returnMs);
  const lastMs = old.reduce((latest, { acknowledgedMs }) => Math.max(latest, acknowledgedMs), returnMs);
  print(
    `what was sealed in the outage is all in ${((lastMs - returnMs) / 1000).toFixed(1)} s after the return`,
  );

  // What an agent has of its own old blocks in when half of the time is over.
  const halfMs = (returnMs + lastMs) / 2;
  const isEarly = halfMs < returnMs + RECONNECT_MOST_MS;
  const whole = new Array<number>(agents).fill(0);
  const half = new Array<number>(agents).fill(0);
  for (const { agent, rawBytes, acknowledgedMs } of old) {
    whole[agent] = (whole[agent] ?? 0) + rawBytes;
    if (acknowledgedMs <= halfMs) half[agent] = (half[agent] ?? 0) + rawBytes;
  }
  const parts = half.flatMap((bytes, agent) =>
    (whole[agent] ?? 0) > 0 ? [bytes / (whole[agent] ?? 1)] : [],
  );
  print(
    `fairness when half of that time is over (Jain's index over the part of its old blocks that each agent has in): ` +
      `${jainIndex(parts).toFixed(3)}${isEarly ? `, which says who came back first: that takes up to ${RECONNECT_MOST_MS / 1000} s` : ''}`,
  );
  print(`urgent blocks of the outage, from the return: ${spread(since(old, returnMs))}`);
  const later = world.deliveries.filter(({ sealedMs }) => sealedMs >= returnMs && sealedMs < lastMs);
  print(`urgent blocks sealed while the old ones came in: ${spread(since(later, 0))}`);
  const quiet = world.deliveries.filter(
    ({ sealedMs, acknowledgedMs }) => sealedMs >= QUIET_FROM_MS && acknowledgedMs < outageFromMs,
  );
  print(`urgent blocks before the outage: ${spread(since(quiet, 0))}`);
  print(
    `${world.blocksMade} blocks made, ${world.deliveries.length} acknowledged once; ${drained ? 'drained' : 'NOT drained'}`,
  );
}

/** How long urgent blocks took, from their sealing or from `fromMs`, whichever is later. */
function since(deliveries: ScaleWorld['deliveries'], fromMs: number): number[] {
  return deliveries
    .filter(({ urgency }) => urgency === 'urgent')
    .map(({ sealedMs, acknowledgedMs }) => acknowledgedMs - Math.max(sealedMs, fromMs));
}

function spread(values: readonly number[]): string {
  if (values.length === 0) return 'none';
  const sorted = values.toSorted((a, b) => a - b);
  const at = (part: number): string =>
    (sorted[Math.max(0, Math.ceil(part * sorted.length) - 1)] ?? Number.NaN).toFixed(0);
  return `p50 ${at(0.5)} ms, p99 ${at(0.99)} ms, max ${at(1)} ms (${sorted.length})`;
}

/**
 * Numbers of the command line in place of the defaults: `--agents 100000`.
 * @returns undefined when help was asked for.
 * @throws Error that names what cannot be understood.
 */
export function readOptions(argumentsOfRun: readonly string[]): ScaleOptions | undefined {
  const { values } = parseArgs({
    args: [...argumentsOfRun],
    options: {
      help: { type: 'boolean', short: 'h' },
      ...Object.fromEntries(Object.keys(OPTIONS).map((name) => [flagOf(name), { type: 'string' as const }])),
    },
  });
  if (values.help === true) return undefined;
  const given: Readonly<Record<string, unknown>> = values;
  const read = (name: keyof ScaleOptions): number => {
    const text = given[flagOf(name)];
    const value = typeof text === 'string' ? Number(text || Number.NaN) : OPTIONS[name][0];
    if (!Number.isFinite(value) || value < 0)
      throw new Error(`--${flagOf(name)} ${text} is not a number from 0 on`);
    return value;
  };
  return {
    seed: read('seed'),
    agents: read('agents'),
    servers: read('servers'),
    serversPerAgent: read('serversPerAgent'),
    journalBytes: read('journalBytes'),
    loadedBytesPerSecond: read('loadedBytesPerSecond'),
    blockBytes: read('blockBytes'),
    blockIntervalMs: read('blockIntervalMs'),
    urgentPart: read('urgentPart'),
    outageFromMs: read('outageFromMs'),
    outageMs: read('outageMs'),
    productionMs: read('productionMs'),
    limitMs: read('limitMs'),
  };
}

function flagOf(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

function help(): string {
  const rows = Object.entries(OPTIONS).map(
    ([name, [value, meaning]]) => `  --${flagOf(name).padEnd(26)}${meaning} (${value})\n`,
  );
  return `npm run sim:scale -- [OPTION NUMBER]...
  Very many agents with the real state machines, and an outage of all servers together that ends.
${rows.join('')}`;
}

function main(argumentsOfRun: readonly string[]): number {
  let options: ScaleOptions | undefined;
  try {
    options = readOptions(argumentsOfRun);
  } catch (error) {
    process.stderr.write(`${messageOf(error)}\n--help lists the options\n`);
    return 2;
  }
  if (options === undefined) process.stdout.write(help());
  else runScale(options, (line) => process.stdout.write(`${line}\n`));
  return 0;
}

if (import.meta.main) process.exitCode = main(process.argv.slice(2));
