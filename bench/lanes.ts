/**
 * From receipt to searchable, for each lane, while a flood of bulk blocks comes in as fast as the store takes it (U18).
 *
 * The real journal and loader of one or several servers in this process, on one real store in a process of its own; blocks
 * are made before. Each lane but bulk gets a small block at a fixed pace; bulk gets full ones whenever the journal holds
 * less than {@link BULK_WAITING_BYTES}.
 *
 * Measured per lane: from the block's receipt until it is durable (then it is acknowledged), and until the store has
 * confirmed the insert (then every search finds it); and the inserts themselves.
 * Not measured: agents, the uplink, validation; searches meanwhile.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { BlockBuilder, compressBlock } from '@sluice/block/builder';
import { withDigest } from '@sluice/block/digest';
import { RecordFields } from '@sluice/block/record';
import { timeMs } from '@sluice/protocol/brand';
import { type AgentId, type BlockHeader, URGENCY_CLASSES, type UrgencyClass } from '@sluice/protocol/model';
import { Journal } from '@sluice/server/journal/journal';
import { type Loader, startLoader } from '@sluice/server/loader/loader';
import { migrate } from '@sluice/server/store/migrate';
import { createStoreClient, type StoreClient } from '@sluice/server/store/store-client';
import { corpusLines } from '../apptest/support/corpus.ts';
import { startProgram } from '../apptest/support/programs.ts';

const DEFAULT_SECONDS = 20;
/** As much as a server holds under load: some batches of bulk. */
const BULK_WAITING_BYTES = 160 * 1024 * 1024;
/** Lines in a full block: about 2 MiB, as agents cut them. */
const BULK_RECORDS = 12_000;
const BULK_VARIANTS = 16;
/** A small block of each other lane: so many lines, so often. */
const PACES: Readonly<Record<Exclude<UrgencyClass, 'bulk'>, { records: number; everyMs: number }>> = {
  urgent: { records: 3, everyMs: 50 },
  elevated: { records: 30, everyMs: 200 },
  normal: { records: 2000, everyMs: 500 },
};

interface Payload {
  readonly header: BlockHeader;
  readonly payload: Uint8Array;
}

interface LaneTimes {
  readonly durableMs: number[];
  readonly loadedMs: number[];
  readonly insertMs: number[];
  rawBytes: number;
  records: number;
}

export async function run(argumentsOfBench: readonly string[]): Promise<void> {
  const servers = numberAfter(argumentsOfBench, '--servers', 1);
  const seconds = numberAfter(argumentsOfBench, '--seconds', DEFAULT_SECONDS);
  const directory = mkdtempSync(path.join(tmpdir(), 'sluice-lanes-'));
  const store = await startProgram(['store', '--data', path.join(directory, 'store')], 'ready');
  const client = createStoreClient({
    place: { kind: 'directory', directory: path.join(directory, 'store') },
  });
  try {
    await migrate(client);
    const payloads = await makePayloads();
    const times = new Map(URGENCY_CLASSES.map((urgency) => [urgency, emptyTimes()]));
    const running: RunningServer[] = [];
    for (let index = 1; index <= servers; index += 1) {
      const serverId = `s${index}`;
      running.push(
        await RunningServer.start(serverId, path.join(directory, serverId), client, payloads, times),
      );
    }
    const untilMs = performance.now() + seconds * 1000;
    await Promise.all(running.map((server) => server.flood(untilMs)));
    for (const server of running) await server.stop();
    print(`${servers} server(s), ${seconds} s of flood; ms: p50 / p99 / most`);
    print('lane        blocks   MB/s   receipt->durable        receipt->searchable     one insert');
    for (const [urgency, lane] of times) {
      const megabytes = (lane.rawBytes / 1e6 / seconds).toFixed(1).padStart(6);
      const columns = [lane.durableMs, lane.loadedMs, lane.insertMs].map((values) =>
        spread(values).padEnd(22),
      );
      print(
        `${urgency.padEnd(10)} ${String(lane.loadedMs.length).padStart(7)} ${megabytes}   ${columns.join('  ')}`,
      );
    }
  } finally {
    await client.close();
    await store.end();
    rmSync(directory, { recursive: true });
  }
}

/** A server's journal and loader, and what it is fed with. */
class RunningServer {
  readonly #journal: Journal;
  readonly #loader: Loader;
  readonly #payloads: ReadonlyMap<UrgencyClass, readonly Payload[]>;
  readonly #times: ReadonlyMap<UrgencyClass, LaneTimes>;
  /** When each block that is not loaded yet was received, by sequence. */
  readonly #receivedMs = new Map<number, number>();
  readonly #agentId: AgentId;
  #sequence = 0;

  private constructor(
    journal: Journal,
    loader: Loader,
    serverId: string,
    payloads: ReadonlyMap<UrgencyClass, readonly Payload[]>,
    times: ReadonlyMap<UrgencyClass, LaneTimes>,
  ) {
    this.#journal = journal;
    this.#loader = loader;
    this.#agentId = `agent-of-${serverId}` as AgentId;
    this.#payloads = payloads;
    this.#times = times;
    loader.onLoaded(({ blocks }) => {
      const nowMs = performance.now();
      for (const { header } of blocks) {
        const lane = times.get(header.urgency);
        const receivedMs = this.#receivedMs.get(header.id.sequence);
        this.#receivedMs.delete(header.id.sequence);
        if (lane === undefined || receivedMs === undefined) continue;
        lane.loadedMs.push(nowMs - receivedMs);
        lane.rawBytes += header.rawBytes;
        lane.records += header.recordCount;
      }
    });
  }

  static async start(
    serverId: string,
    directory: string,
    client: StoreClient,
    payloads: ReadonlyMap<UrgencyClass, readonly Payload[]>,
    times: ReadonlyMap<UrgencyClass, LaneTimes>,
  ): Promise<RunningServer> {
    const journal = await Journal.open({ directory });
    const silent = { info: () => undefined, warn: () => undefined, error: () => undefined };
    const loader = startLoader({
      journal,
      serverId,
      logger: silent,
      storeClient: {
        insertBlocks: async (request) => {
          const startMs = performance.now();
          await client.insertBlocks(request);
          const urgency = URGENCY_CLASSES[Number(request.deduplicationToken.split('/')[1])];
          if (urgency !== undefined) times.get(urgency)?.insertMs.push(performance.now() - startMs);
        },
      },
    });
    return new RunningServer(journal, loader, serverId, payloads, times);
  }

  async flood(untilMs: number): Promise<void> {
    const bulk = async (): Promise<void> => {
      while (performance.now() < untilMs) {
        const held = this.#journal.maxRawBytes - this.#journal.roomBytes;
        if (held < BULK_WAITING_BYTES) await this.#take('bulk');
        else await sleep(5);
      }
    };
    const paced = Object.entries(PACES).map(async ([urgency, { everyMs }]) => {
      const taking: Promise<void>[] = [];
      while (performance.now() < untilMs) {
        taking.push(this.#take(urgency as UrgencyClass));
        await sleep(everyMs);
      }
      await Promise.all(taking);
    });
    await Promise.all([bulk(), ...paced]);
  }

  async stop(): Promise<void> {
    await this.#loader.stop();
    await this.#journal.close();
  }

  async #take(urgency: UrgencyClass): Promise<void> {
    const variants = this.#payloads.get(urgency) ?? [];
    this.#sequence += 1;
    const sequence = this.#sequence;
    const variant = variants[sequence % variants.length];
    if (variant === undefined) throw new Error(`no payload of ${urgency}`);
    const draft = { ...variant.header, id: { agentId: this.#agentId, epoch: 1, sequence } };
    const header = withDigest(draft, variant.payload);
    const receivedMs = performance.now();
    this.#receivedMs.set(sequence, receivedMs);
    await this.#journal.append({
      header,
      payload: variant.payload,
      priority: 1,
      receivedMs: timeMs(Date.now()),
    });
    this.#times.get(urgency)?.durableMs.push(performance.now() - receivedMs);
  }
}

async function makePayloads(): Promise<ReadonlyMap<UrgencyClass, readonly Payload[]>> {
  const lines = [...corpusLines(BULK_RECORDS * BULK_VARIANTS, 3)].map((line) => Buffer.from(line));
  const payloads = new Map<UrgencyClass, Payload[]>();
  for (const urgency of URGENCY_CLASSES) {
    const records = urgency === 'bulk' ? BULK_RECORDS : PACES[urgency].records;
    const variants: Payload[] = [];
    for (let variant = 0; variant < BULK_VARIANTS; variant += 1) {
      const builder = new BlockBuilder(urgency);
      const fields = new RecordFields();
      for (let record = 0; record < records; record += 1) {
        fields.buffer = lines[variant * records + record] ?? Buffer.alloc(0);
        fields.bodyEnd = fields.buffer.length;
        fields.observedMs = Date.now();
        fields.timestampSeconds = Math.floor(fields.observedMs / 1000);
        builder.append(fields);
      }
      const sealed = builder.seal({ agentId: 'agent' as AgentId, epoch: 1, sequence: variant });
      const payload = await compressBlock(sealed);
      variants.push({ header: withDigest(sealed.header, payload), payload });
    }
    payloads.set(urgency, variants);
  }
  return payloads;
}

function emptyTimes(): LaneTimes {
  return { durableMs: [], loadedMs: [], insertMs: [], rawBytes: 0, records: 0 };
}

function spread(values: number[]): string {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (share: number): string => {
    const value = sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))];
    return value === undefined ? '-' : value.toFixed(0);
  };
  return `${at(0.5)} / ${at(0.99)} / ${at(1)}`;
}

function numberAfter(argumentsOfBench: readonly string[], name: string, otherwise: number): number {
  const at = argumentsOfBench.indexOf(name);
  return at === -1 ? otherwise : Number(argumentsOfBench[at + 1]);
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}
