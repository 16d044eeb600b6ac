/**
 * Sluice in the storm: store, server and agent as programs of their own, once with priorities and once without.
 *
 * Measured: from the write of an ERROR line until a search through the API finds it, asked every {@link POLL_MS} for
 * all that are not found yet; on the way, when the agent read it and what the server says of its own steps. Then the
 * cap is lifted, and every line must be in the store once.
 */
import { mkdirSync, readdirSync, statSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { createQueryClient, type QueryClient } from '@sluice/cli/client';
import { pickPort } from '@sluice/host/pick-port';
import { textOf } from '@sluice/store/testing/ask-store';
import { UrgencyClass } from '@sluice/wire/gen/uplink_pb';
import { type RunningProgram, startProgram } from '../apptest/support/programs.ts';
import { Flood } from './storm-flood.ts';
import { serverHops } from './storm-hops.ts';
import { latenciesOf, type StormOutcome, type StormPlan } from './storm-outcome.ts';

const HOST = '127.0.0.1';
const POLL_MS = 50;
const STATUS_INTERVAL_MS = 1000;
/** Every so many looks at the status a line of the backlog is printed. */
const STATUS_LINES_APART = 5;
/** Lines that are asked for in one query, oldest first. */
const MAX_ASKED = 60;
const READY_TIMEOUT_MS = 30_000;
/** How long everything may take to come in once the cap is lifted. */
const DRAIN_TIMEOUT_MS = 300_000;

/** `flat` switches the priorities off: one class of urgency, one channel. */
export type StormMode = 'sluice' | 'flat';

interface Watch {
  readonly foundMs: Map<string, number>;
  /** When the agent read the line. */
  readonly observedMs: Map<string, number>;
  /** When the agent handed an urgent block to a channel, ms since 1970. */
  readonly urgentSentMs: Set<number>;
  over: boolean;
}

/** Runs the storm; prints the backlog as it goes. */
export async function stormSluice(mode: StormMode, plan: StormPlan): Promise<StormOutcome> {
  const directory = path.join(plan.directory, mode);
  mkdirSync(directory, { recursive: true });
  const ports = { uplink: 0, api: 0 };
  for (const part of ['uplink', 'api'] as const) ports[part] = await pickPort(HOST, 0);
  const file = path.join(directory, 'storm.log');
  const store = path.join(directory, 'store');
  const startServer = (cap: readonly string[]): Promise<RunningProgram> =>
    startProgram(
      [
        ...['server', '--id', 's1', '--data', path.join(directory, 's1'), '--store-data', store],
        ...['--listen', `${HOST}:${ports.uplink}`, '--api-listen', `${HOST}:${ports.api}`],
        ...['--priorities', mode === 'flat' ? '1' : '1,2', ...cap],
      ],
      'ready',
    );
  const flood = new Flood(file, plan.floodBytesPerSecond);
  const running: RunningProgram[] = [];
  try {
    running.push(await startProgram(['store', '--data', store], 'ready'));
    const capped = await startServer(['--ingest-limit', `${plan.rawBytesPerSecond}/s`]);
    running.push(capped);
    const agentFlags = [
      '--data',
      path.join(directory, 'agent'),
      '--server',
      `http://${HOST}:${ports.uplink}`,
    ];
    if (mode === 'flat') agentFlags.push('--urgency', 'off');
    if (plan.queueBytes !== undefined) agentFlags.push('--queue-bytes', plan.queueBytes);
    running.push(await startProgram(['agent', ...agentFlags, '--watch', file], 'ready'));
    const client = createQueryClient(`http://${HOST}:${ports.api}`);
    await untilGranted(client);

    const watch: Watch = {
      foundMs: new Map(),
      observedMs: new Map(),
      urgentSentMs: new Set(),
      over: false,
    };
    const watching = Promise.all([watchErrors(client, flood, watch), watchBacklog(mode, client, watch)]);
    await flood.run(plan.seconds);
    const stored = await countLines(client);
    const backlogLines = flood.linesWritten - stored;
    const queue = `the agent's data took ${(diskBytes(path.join(directory, 'agent')) / 2 ** 20).toFixed(0)} MiB on disk`;
    const takenPart = (stored * plan.rawBytesPerLine) / (plan.rawBytesPerSecond * plan.seconds);
    const deadlineMs = Date.now() + plan.afterSeconds * 1000;
    while (Date.now() < deadlineMs && watch.foundMs.size < flood.errors.length) await sleep(POLL_MS);
    const latencies = latenciesOf(flood.errors, watch.foundMs, Date.now());
    watch.over = true;
    await watching;
    const hops = await serverHops(`http://${HOST}:${ports.api}`, mode === 'flat' ? 'normal' : 'urgent');
    const taken = `${Math.round(takenPart * 100)} % of what the cap allows came in during the flood`;
    const remarks = [`${taken}; ${queue}`, hopsOnTheWay(flood, watch), ...hops];

    // The same server without its cap takes what is left.
    running.splice(running.indexOf(capped), 1);
    await capped.end();
    running.push(await startServer([]));
    remarks.push(await everyLineOnce(store, client, flood));
    return { shipper: mode, latencies, backlogLines, remarks };
  } finally {
    for (const program of running.reverse()) await program.end();
  }
}

async function untilGranted(client: QueryClient): Promise<void> {
  const deadlineMs = Date.now() + READY_TIMEOUT_MS;
  while (Date.now() < deadlineMs) {
    const { agents } = await client.getStatus({});
    if (agents[0]?.report?.servers.some(({ channels }) => channels.length > 0) === true) return;
    await sleep(POLL_MS);
  }
  throw new Error(`the agent held no grant after ${READY_TIMEOUT_MS / 1000} s`);
}

async function watchErrors(client: QueryClient, flood: Flood, watch: Watch): Promise<void> {
  const range = { startUnixNanos: BigInt(Date.now()) * 1_000_000n };
  while (!watch.over) {
    const asked = flood.errors.filter(({ token }) => !watch.foundMs.has(token)).slice(0, MAX_ASKED);
    if (asked.length > 0) {
      const query = asked.map(({ token }) => token).join(' OR ');
      const { records } = await client.search({ query, range, limit: MAX_ASKED });
      const nowMs = Date.now();
      for (const { body, observedUnixNanos } of records) {
        const token = /incident\d{6}/.exec(body)?.[0] ?? '';
        if (!watch.foundMs.has(token)) watch.foundMs.set(token, nowMs);
        watch.observedMs.set(token, Number(observedUnixNanos / 1_000_000n));
      }
    }
    await sleep(POLL_MS);
  }
}

async function watchBacklog(mode: StormMode, client: QueryClient, watch: Watch): Promise<void> {
  const startMs = Date.now();
  for (let look = 0; !watch.over; look += 1) {
    const { agents, servers } = await client.getStatus({});
    const report = agents[0]?.report;
    if (report !== undefined) {
      for (const { atMs, urgency } of report.recentUses) {
        if (urgency === UrgencyClass.URGENT) watch.urgentSentMs.add(Number(atMs));
      }
      if (look % STATUS_LINES_APART === 0) {
        const waiting = report.backlog.map(
          ({ urgency, rawBytes }) => `${UrgencyClass[urgency].toLowerCase()} ${mebibytes(rawBytes)}`,
        );
        const journal = servers.find(({ answering }) => answering)?.journal;
        print(
          `${mode} ${String(Math.round((Date.now() - startMs) / 1000)).padStart(4)} s: ` +
            `waiting at the agent: ${waiting.join(', ') || 'nothing'}; not read ${mebibytes(report.unreadBytes)}; ` +
            `lag ${(Number(report.lagMs) / 1000).toFixed(1)} s; journal ${mebibytes(journal?.rawBytes ?? 0n)}; ` +
            `ERROR lines found ${watch.foundMs.size}`,
        );
      }
    }
    await sleep(STATUS_INTERVAL_MS);
  }
}

/** What the agent's side of the way took, from what the records and the status say. */
function hopsOnTheWay(flood: Flood, watch: Watch): string {
  const read: number[] = [];
  const sent: number[] = [];
  const found: number[] = [];
  const sendTimes = [...watch.urgentSentMs].sort((a, b) => a - b);
  for (const { token, writtenMs } of flood.errors) {
    const [observedMs, foundMs] = [watch.observedMs.get(token), watch.foundMs.get(token)];
    if (observedMs === undefined || foundMs === undefined) continue;
    read.push(observedMs - writtenMs);
    const sentMs = sendTimes.find((atMs) => atMs >= observedMs && atMs <= foundMs);
    if (sentMs === undefined) continue;
    sent.push(sentMs - observedMs);
    found.push(foundMs - sentMs);
  }
  return `written -> read ${spread(read)}; read -> sealed and sent ${spread(sent)}; sent -> found ${spread(found)}`;
}

async function countLines(client: QueryClient): Promise<number> {
  return Number((await client.count({ query: '*' })).count);
}

/** Waits until all lines are in the store, and says how many there are and how many different ones. */
async function everyLineOnce(store: string, client: QueryClient, flood: Flood): Promise<string> {
  const startMs = Date.now();
  while (Date.now() < startMs + DRAIN_TIMEOUT_MS) {
    if ((await countLines(client)) >= flood.linesWritten) break;
    await sleep(STATUS_INTERVAL_MS);
  }
  const seconds = ((Date.now() - startMs) / 1000).toFixed(0);
  const sql = "SELECT count(), uniqExact(toUInt64OrZero(extract(Body, 'line-(\\\\d+)'))) FROM otel_logs";
  const text = (await textOf(store, `${sql} FORMAT TSV`)).trim();
  const [count, different] = text.split('\t').map(Number);
  const verdict =
    count === flood.linesWritten && different === count ? 'every line once' : 'NOT every line once';
  return (
    `${verdict}: ${flood.linesWritten} lines written, ${count} in the store, ${different} different, ` +
    `${seconds} s after the cap was lifted`
  );
}

/** What the files of a directory take. */
function diskBytes(directory: string): number {
  const files = readdirSync(directory, { recursive: true, withFileTypes: true }).filter((entry) =>
    entry.isFile(),
  );
  // Blocks are of 512 bytes, whatever the file system's are.
  return files.reduce((sum, file) => sum + statSync(path.join(file.parentPath, file.name)).blocks * 512, 0);
}

function spread(values: readonly number[]): string {
  if (values.length === 0) return 'not seen';
  const sorted = [...values].sort((a, b) => a - b);
  const at = (part: number): string =>
    `${Math.round(sorted[Math.max(0, Math.ceil(part * sorted.length) - 1)] ?? Number.NaN)}`;
  return `p50 ${at(0.5)} max ${at(1)} ms (${sorted.length})`;
}

function mebibytes(bytes: bigint): string {
  return `${(Number(bytes) / 2 ** 20).toFixed(1)} MiB`;
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}
