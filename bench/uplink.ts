/**
 * The uplink alone: what requests, grants, channels and the order of priorities cost against pushing the same blocks over
 * one plain HTTP/2 stream.
 *
 * Measured, each way: bytes per second with a backlog that never ends; CPU seconds per GB at the sender and at the
 * receivers; the time from a block's first byte handed to the transport to its acknowledgement meanwhile; the part of the
 * time in which nothing was on its way although blocks waited; and from sealed to acknowledged when ten large and ten small
 * urgent blocks come in a second, and nothing queues. All that directly, and over a line with latency.
 * Not measured: making blocks, the agent's queue on disk, validation, the journal, TLS, loss of packets.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { LinkRelay } from './link-relay.ts';
import type { ReceiverTold } from './uplink-receiver.ts';
import { BLOCK_PAYLOAD_BYTES, BLOCK_RAW_BYTES, type SenderTask, type SenderTold } from './uplink-sender.ts';

const DEFAULT_SECONDS = 6;
const DEFAULT_LATENCY_MS = 50;
export const USAGE: string = `uplink [--seconds N] [--latency-ms N]
  The same blocks through the uplink (one and two servers) and over a plain HTTP/2 stream.
  --seconds N      of flood in each run (${DEFAULT_SECONDS})
  --latency-ms N   added to a round trip in the second half of the runs (${DEFAULT_LATENCY_MS})`;

interface Way {
  readonly name: string;
  readonly plain: boolean;
  readonly receivers: readonly string[];
}

const WAYS: readonly Way[] = [
  { name: 'plain stream', plain: true, receivers: ['plain'] },
  { name: 'uplink, 1 server', plain: false, receivers: ['s1'] },
  { name: 'uplink, 2 servers', plain: false, receivers: ['s1', 's2'] },
];

export async function run(argumentsOfBench: readonly string[]): Promise<void> {
  const seconds = numberAfter(argumentsOfBench, '--seconds', DEFAULT_SECONDS);
  const latencyMs = numberAfter(argumentsOfBench, '--latency-ms', DEFAULT_LATENCY_MS);
  const mebibytes = (bytes: number): string => `${bytes / 1024 / 1024} MiB`;
  print(
    `blocks of ${mebibytes(BLOCK_RAW_BYTES)}, ${mebibytes(BLOCK_PAYLOAD_BYTES)} compressed; ${seconds} s of flood each`,
  );
  print('                        round   MB/s   MB/s on  CPU s per GB raw');
  print(
    '                         trip    raw   the wire    send  receive        flood ms         paced ms        urgent ms     idle',
  );
  for (const delayMs of [0, latencyMs]) {
    for (const way of WAYS) print(await measure(way, delayMs, seconds));
  }
}

async function measure(way: Way, latencyMs: number, seconds: number): Promise<string> {
  const children: ChildProcess[] = [];
  const relays: LinkRelay[] = [];
  try {
    const receivers = way.receivers.map((name) => start('uplink-receiver.ts', name));
    children.push(...receivers);
    const ports: number[] = [];
    for (const receiver of receivers) {
      const { port = 0 } = await told<ReceiverTold>(receiver);
      const shape = { bytesPerSecond: Number.POSITIVE_INFINITY, roundTripMs: latencyMs };
      const relay = latencyMs === 0 ? undefined : await LinkRelay.start(port, shape);
      if (relay !== undefined) relays.push(relay);
      ports.push(relay?.port ?? port);
    }
    const task: SenderTask = { ports, plain: way.plain, seconds };
    const sender = start('uplink-sender.ts', JSON.stringify(task));
    children.push(sender);
    await told<SenderTold>(sender);
    const before = await cpuSeconds(receivers);
    await told<SenderTold>(sender);
    const receiveSeconds = (await cpuSeconds(receivers)) - before;
    const { result } = await told<SenderTold>(sender);
    if (result === undefined) throw new Error('the sender told nothing');
    const rawGigabytes = (result.blocks * BLOCK_RAW_BYTES) / 1e9;
    const perSecond = (bytes: number): string => ((result.blocks * bytes) / 1e6 / result.seconds).toFixed(0);
    return [
      way.name.padEnd(20),
      `${latencyMs} ms`.padStart(8),
      perSecond(BLOCK_RAW_BYTES).padStart(6),
      perSecond(BLOCK_PAYLOAD_BYTES).padStart(10),
      (result.cpuSeconds / rawGigabytes).toFixed(2).padStart(7),
      (receiveSeconds / rawGigabytes).toFixed(2).padStart(8),
      spread(result.floodMs).padStart(15),
      spread(result.pacedMs).padStart(16),
      spread(result.urgentMs).padStart(16),
      `${(result.idlePart * 100).toFixed(1)} %`.padStart(8),
    ].join(' ');
  } finally {
    for (const relay of relays) relay.stop();
    const gone = children.map((child) => once(child, 'exit'));
    for (const child of children) child.kill('SIGKILL');
    await Promise.all(gone);
  }
}

function start(module: string, argument: string): ChildProcess {
  return fork(path.join(import.meta.dirname, module), [argument], {
    execArgv: ['--disable-warning=ExperimentalWarning'],
  });
}

/** The next message; fails when the process ends without one. */
async function told<T>(child: ChildProcess): Promise<T> {
  const ended = new AbortController();
  const message = once(child, 'message', { signal: ended.signal });
  const onExit = (): void => ended.abort(new Error(`${child.spawnargs.at(-2)} ended`));
  child.once('exit', onExit);
  try {
    // What the process sends is of the type that it exports.
    const [content] = (await message) as [T];
    return content;
  } finally {
    child.off('exit', onExit);
  }
}

async function cpuSeconds(receivers: readonly ChildProcess[]): Promise<number> {
  let sum = 0;
  for (const receiver of receivers) {
    const answer = told<ReceiverTold>(receiver);
    receiver.send('cpu');
    sum += (await answer).cpuSeconds ?? 0;
  }
  return sum;
}

function spread(values: readonly number[]): string {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (part: number): string =>
    (sorted[Math.max(0, Math.ceil(part * sorted.length) - 1)] ?? Number.NaN).toFixed(1);
  return `${at(0.5)} / ${at(0.99)}`;
}

function numberAfter(argumentsOfBench: readonly string[], name: string, otherwise: number): number {
  const at = argumentsOfBench.indexOf(name);
  const value = at === -1 ? otherwise : Number(argumentsOfBench[at + 1]);
  if (!(value > 0)) throw new Error(`${name} is a number above 0`);
  return value;
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}
