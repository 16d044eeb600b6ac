/**
 * A process that sends blocks, for `uplink.ts`: through the agent's real uplink, or over a plain stream. First as fast as
 * they are taken, with a backlog that never ends; then at a fixed pace.
 *
 * Invariants: payloads are made before the first is sent; the queue is in memory; ends with its parent.
 */
import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { QueuedBlock } from '@sluice/agent/queue/queued-block';
import type { BlockQueue } from '@sluice/agent/uplink/block-queue';
import { startUplink } from '@sluice/agent/uplink/uplink';
import { type DraftHeader, withDigest } from '@sluice/block/digest';
import type { AgentId, BlockId, TimeMs } from '@sluice/protocol/model';
import { pino } from 'pino';
import { startPlainSender } from './uplink-plain.ts';

/** What an agent makes of log lines: 2 MiB of columns, compressed to an eighth. */
export const BLOCK_RAW_BYTES: number = 2 * 1024 * 1024;
export const BLOCK_PAYLOAD_BYTES: number = BLOCK_RAW_BYTES / 8;
const VARIANTS = 16;
/** Sealed and not acknowledged while it sends as fast as it can: 256 MiB of raw bytes, several grants. */
const BACKLOG_BLOCKS = 128;
/** The first grants, slow start of TCP. */
const WARM_UP_MS = 1_000;
/** Then large and small blocks in turn, so seldom that nothing queues: 21 MB/s of raw bytes. */
const PACED_BLOCKS = 60;
const PACE_MS = 50;
/** Some ERROR lines. */
const URGENT_RAW_BYTES = 4 * 1024;

export interface SenderTask {
  /** Without any, a plain stream. */
  readonly ports: readonly number[];
  readonly plain: boolean;
  readonly seconds: number;
}

/** What came out. The parent is told 'begin' and 'end' around the flood, for the CPU of the receivers. */
export interface SenderTold {
  readonly phase?: 'begin' | 'end';
  readonly result?: {
    readonly blocks: number;
    readonly seconds: number;
    readonly cpuSeconds: number;
    /** Part of the time in which nothing was on its way, although blocks waited. */
    readonly idlePart: number;
    /** From a block's first byte handed to the transport to its acknowledgement, in the flood. */
    readonly floodMs: readonly number[];
    /** From sealed to acknowledged, at the fixed pace. */
    readonly pacedMs: readonly number[];
    readonly urgentMs: readonly number[];
  };
}

/** Counts blocks and times; the same for both ways. */
class Meter {
  readonly #sealed = new Map<number, { readonly atMs: number; readonly isUrgent: boolean }>();
  readonly #sentMs = new Map<number, number>();
  #idleFromMs: number | undefined = performance.now();
  idleMs = 0;
  acknowledged = 0;
  floodMs: number[] = [];
  pacedMs: number[] = [];
  urgentMs: number[] = [];

  get waiting(): number {
    return this.#sealed.size;
  }

  sealed(sequence: number, isUrgent: boolean): void {
    this.#sealed.set(sequence, { atMs: performance.now(), isUrgent });
  }

  sent(sequence: number): void {
    this.#sentMs.set(sequence, performance.now());
    this.#settleIdle();
    this.#idleFromMs = undefined;
  }

  answered(sequence: number): void {
    const nowMs = performance.now();
    const sentMs = this.#sentMs.get(sequence);
    const sealed = this.#sealed.get(sequence);
    if (sentMs === undefined || sealed === undefined) throw new Error(`${sequence} was not sent`);
    this.#sentMs.delete(sequence);
    this.#sealed.delete(sequence);
    this.floodMs.push(nowMs - sentMs);
    (sealed.isUrgent ? this.urgentMs : this.pacedMs).push(nowMs - sealed.atMs);
    this.acknowledged += 1;
    if (this.#sentMs.size === 0) this.#idleFromMs = nowMs;
  }

  reset(): void {
    this.#settleIdle();
    this.idleMs = 0;
    this.acknowledged = 0;
    this.floodMs = [];
    this.pacedMs = [];
    this.urgentMs = [];
  }

  #settleIdle(): void {
    if (this.#idleFromMs === undefined) return;
    const nowMs = performance.now();
    this.idleMs += nowMs - this.#idleFromMs;
    this.#idleFromMs = nowMs;
  }
}

/** A queue without a disk. */
class BenchQueue implements BlockQueue {
  readonly agentId: AgentId = 'bench' as AgentId;
  readonly epoch: number = 1;
  readonly #meter: Meter;
  readonly #answered: () => void;
  settledBelowSequence = 1;

  constructor(meter: Meter, answered: () => void) {
    this.#meter = meter;
    this.#answered = answered;
  }

  blocks(): QueuedBlock[] {
    return [];
  }

  readPayload({ sequence }: BlockId): Uint8Array | undefined {
    this.#meter.sent(sequence);
    return payloadOf(sequence);
  }

  remove(ids: readonly BlockId[]): void {
    for (const { sequence } of ids) {
      this.#meter.answered(sequence);
      this.#answered();
    }
  }

  setAside(id: BlockId, reason: string): void {
    throw new Error(`block ${id.sequence} was refused: ${reason}`);
  }
}

const urgentPayload = randomBytes(URGENT_RAW_BYTES / 8);
const urgentSequences = new Set<number>();
const payloads = Array.from({ length: VARIANTS }, () => randomBytes(BLOCK_PAYLOAD_BYTES));

function payloadOf(sequence: number): Uint8Array {
  const payload = urgentSequences.has(sequence) ? urgentPayload : payloads[sequence % VARIANTS];
  if (payload === undefined) throw new Error('no payload');
  return payload;
}

/** Returns what seals and sends the next block. */
async function connect(
  task: SenderTask,
  meter: Meter,
  answered: () => void,
): Promise<(sequence: number) => void> {
  if (task.plain) {
    const done = (sequence: number): void => {
      meter.answered(sequence);
      answered();
    };
    const plain = await startPlainSender(task.ports[0] ?? 0, (sequence) => meter.sent(sequence), done);
    return (sequence) => plain.send(sequence, payloadOf(sequence));
  }
  const queue = new BenchQueue(meter, answered);
  const uplink = startUplink({
    servers: task.ports.map((port) => ({ address: `http://127.0.0.1:${port}` })),
    ...{ queue, hostName: 'bench', version: 'bench', logger: pino({ level: 'silent' }) },
    report: () => ({ unreadBytes: 0, problems: [] }),
  });
  while (!uplink.view().connections.every(({ connected }) => connected)) await sleep(5);
  return (sequence) => {
    const isUrgent = urgentSequences.has(sequence);
    const draft: DraftHeader = {
      id: { agentId: queue.agentId, epoch: queue.epoch, sequence },
      urgency: isUrgent ? 'urgent' : 'normal',
      rawBytes: isUrgent ? URGENT_RAW_BYTES : BLOCK_RAW_BYTES,
      recordCount: 1,
      oldestObservedMs: Date.now() as TimeMs,
    };
    uplink.blocksSealed([withDigest(draft, payloadOf(sequence))]);
  };
}

async function main(task: SenderTask): Promise<void> {
  const meter = new Meter();
  let sequence = 0;
  let isFlood = true;
  const seal = (isUrgent = false): void => {
    sequence += 1;
    if (isUrgent) urgentSequences.add(sequence);
    meter.sealed(sequence, isUrgent);
    send(sequence);
  };
  const send = await connect(task, meter, () => {
    if (isFlood) seal();
  });
  for (let block = 0; block < BACKLOG_BLOCKS; block += 1) seal();
  await sleep(WARM_UP_MS);

  meter.reset();
  tell({ phase: 'begin' });
  const cpu = process.cpuUsage();
  const startMs = performance.now();
  await sleep(task.seconds * 1000);
  const { user, system } = process.cpuUsage(cpu);
  const seconds = (performance.now() - startMs) / 1000;
  const { acknowledged: blocks, idleMs, floodMs } = meter;
  tell({ phase: 'end' });
  isFlood = false;
  while (meter.waiting > 0) await sleep(5);

  meter.reset();
  for (let block = 0; block < PACED_BLOCKS; block += 1) {
    seal(block % 2 === 1);
    await sleep(PACE_MS);
  }
  while (meter.waiting > 0) await sleep(5);
  const idlePart = idleMs / 1000 / seconds;
  const { pacedMs, urgentMs } = meter;
  tell({
    result: { blocks, seconds, cpuSeconds: (user + system) / 1e6, idlePart, floodMs, pacedMs, urgentMs },
  });
}

function tell(message: SenderTold): void {
  process.send?.(message);
}

if (import.meta.main) {
  process.on('disconnect', () => process.exit());
  // The parent's own words.
  await main(JSON.parse(process.argv[2] ?? '{}') as SenderTask);
}
