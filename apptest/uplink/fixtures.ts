/**
 * In-memory stand-ins for the durable ends (queue and journal), and a pair of real shells over loopback sockets.
 */
import { EventEmitter, once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import type { QueuedBlock } from '@sluice/agent/queue/queued-block';
import type { BlockQueue } from '@sluice/agent/uplink/block-queue';
import type { Uplink, UplinkOptions } from '@sluice/agent/uplink/uplink';
import { startUplink } from '@sluice/agent/uplink/uplink';
import { withDigest } from '@sluice/block/digest';
import type { AgentId, BlockHeader, BlockId, ServerId, TimeMs, UrgencyClass } from '@sluice/protocol/model';
import { blockKey } from '@sluice/protocol/model';
import type { BlockJournal } from '@sluice/server/ingest/block-journal';
import type { Ingest } from '@sluice/server/ingest/ingest';
import { startIngest } from '@sluice/server/ingest/ingest';
import type { IngestOptions } from '@sluice/server/ingest/ingest-options';
import type { AcceptedBlock } from '@sluice/server/journal/accepted-block';
import type { Logger } from 'pino';
import { pino } from 'pino';

const silent: Logger = pino({ level: process.env.SLUICE_TEST_LOG ?? 'silent' });

/** A queue in memory; emits `changed`. */
export class MemoryQueue extends EventEmitter implements BlockQueue {
  readonly agentId: AgentId;
  readonly epoch: number = 7;
  readonly payloads: Map<number, Uint8Array> = new Map();
  readonly headers: Map<number, BlockHeader> = new Map();
  readonly aside: Map<number, string> = new Map();
  readonly sent: Map<number, ServerId> = new Map();
  #next = 1;

  constructor(agentId = 'agent-1') {
    super();
    this.agentId = agentId as AgentId;
  }

  get settledBelowSequence(): number {
    for (let sequence = 1; ; sequence += 1)
      if (this.headers.has(sequence) || sequence >= this.#next) return sequence;
  }

  seal(payloadBytes: number, urgency: UrgencyClass = 'normal', rawBytes: number = payloadBytes): BlockHeader {
    return this.sealPayload(new Uint8Array(payloadBytes).fill(this.#next % 251), urgency, rawBytes);
  }

  sealPayload(
    payload: Uint8Array,
    urgency: UrgencyClass = 'normal',
    rawBytes: number = payload.length,
    epoch: number = this.epoch,
  ): BlockHeader {
    const sequence = this.#next;
    this.#next += 1;
    const header = withDigest(
      {
        id: { agentId: this.agentId, epoch, sequence },
        urgency,
        rawBytes,
        recordCount: 10,
        oldestObservedMs: Date.now() as TimeMs,
      },
      payload,
    );
    this.headers.set(sequence, header);
    this.payloads.set(sequence, payload);
    return header;
  }

  blocks(): QueuedBlock[] {
    return [...this.headers.values()].map((header) => {
      const inDoubtAt = this.sent.get(header.id.sequence);
      return inDoubtAt === undefined ? { header } : { header, inDoubtAt };
    });
  }

  readPayload(id: BlockId): ReturnType<BlockQueue['readPayload']> {
    return this.payloads.get(id.sequence);
  }

  markSent(id: BlockId, serverId: ServerId): void {
    this.sent.set(id.sequence, serverId);
  }

  remove(ids: readonly BlockId[]): void {
    for (const { sequence } of ids) {
      this.headers.delete(sequence);
      this.payloads.delete(sequence);
    }
    this.emit('changed');
  }

  setAside(id: BlockId, reason: string): void {
    this.headers.delete(id.sequence);
    this.aside.set(id.sequence, reason);
    this.emit('changed');
  }
}

/** A journal in memory; emits `asked` and `appended`. While `held`, appends wait. */
export class MemoryJournal extends EventEmitter implements BlockJournal {
  maxRawBytes: number = 256 * 1024 * 1024;
  roomBytes: number = this.maxRawBytes;
  readonly blocks: AcceptedBlock[] = [];
  readonly known: Set<string> = new Set();
  /** Priorities of all appends asked for, in their order. */
  readonly priorities: number[] = [];
  #hold: { promise: Promise<void>; resolve: () => void } | undefined;

  hold(): void {
    this.#hold ??= Promise.withResolvers<void>();
  }

  release(): void {
    this.#hold?.resolve();
    this.#hold = undefined;
  }

  get askedCount(): number {
    return this.priorities.length;
  }

  async append(block: AcceptedBlock): Promise<void> {
    this.priorities.push(block.priority);
    this.roomBytes -= block.header.rawBytes;
    this.emit('room');
    this.emit('asked');
    await this.#hold?.promise;
    const key = blockKey(block.header.id);
    if (this.known.has(key)) throw new Error(`journaled twice: ${key}`);
    this.known.add(key);
    this.blocks.push(block);
    this.emit('appended');
  }

  knows(id: BlockId): boolean {
    return this.known.has(blockKey(id));
  }

  settleBelow(): void {
    // Remembers everything: the tests look at it.
  }

  onRoomChanged(listener: () => void): () => void {
    this.on('room', listener);
    return () => this.off('room', listener);
  }
}

/** Resolves when the condition holds, looked at whenever the emitter tells the event. */
export async function until(emitter: EventEmitter, event: string, condition: () => boolean): Promise<void> {
  while (!condition()) await once(emitter, event);
}

/** Resolves when the condition holds; for conditions that nothing tells. The test's own timeout bounds it. */
export async function poll(condition: () => boolean): Promise<void> {
  while (!condition()) await sleep(5);
}

const MEBIBYTE = 1024 * 1024;

/** A server shell on a free port. */
export async function startServer(
  name: string,
  journal: MemoryJournal,
  overrides: Partial<IngestOptions> & { priorities?: number[]; quotaBytes?: number } = {},
): Promise<Ingest> {
  const { priorities = [1], quotaBytes = 16 * MEBIBYTE, ...options } = overrides;
  return startIngest({
    host: '127.0.0.1',
    port: 0,
    serverId: name as ServerId,
    version: 'test',
    journal,
    validate: () => undefined,
    machine: { instance: name, channels: priorities.map((priority) => ({ priority, quotaBytes })) },
    logger: silent,
    ...options,
  });
}

/** An agent shell that talks to these ports. */
export function startAgent(
  queue: BlockQueue,
  ports: readonly number[],
  overrides: Partial<UplinkOptions> = {},
): Uplink {
  return startUplink({
    servers: ports.map((port) => ({ address: `http://127.0.0.1:${port}` })),
    queue,
    machine: {},
    hostName: 'test-host',
    version: 'test',
    logger: silent,
    report: () => ({ unreadBytes: 0, problems: [] }),
    ...overrides,
  });
}
