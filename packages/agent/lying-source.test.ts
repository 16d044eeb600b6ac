/** A source that keeps nothing of the contract, beside one that does: the other one's records come in, and it is told. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { readRecords } from '@sluice/block/reader';
import { RecordFields } from '@sluice/block/record';
import { openBlock } from '@sluice/block/validator';
import { Recorder } from '@sluice/record/recorder';
import type { CheckpointChange } from '@sluice/source/checkpoint-change';
import type { FieldsConsumer } from '@sluice/source/consumer';
import type { Source, SourceHost } from '@sluice/source/source';
import { mergeStates } from '@sluice/source/source-states';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type Pipeline, startPipeline } from './pipeline.ts';
import { DurableQueue } from './queue/queue.ts';

const PATIENCE = { timeout: 20_000, interval: 10 };

let directory: string;
let queue: DurableQueue;
let pipeline: Pipeline | undefined;
let warnings: string[];
beforeEach(async () => {
  directory = mkdtempSync(path.join(tmpdir(), 'sluice-lying-'));
  queue = await DurableQueue.open({ directory });
  warnings = [];
});
afterEach(async () => {
  await pipeline?.stop();
  await queue.close();
  rmSync(directory, { recursive: true });
});

/** Sends what it is told to, and keeps a count as its position. */
class HonestSource implements Source {
  readonly kind: string = 'honest';
  readonly canWait: boolean = true;
  readonly unreadBytes: number = 0;
  readonly #host: SourceHost;
  readonly #consumer: FieldsConsumer;
  #sent = 0;
  #kept = 0;

  constructor(host: SourceHost) {
    this.#host = host;
    this.#consumer = host.consumers.forFields({ kind: this.kind, name: 'a' });
  }

  send(text: string): void {
    const fields = new RecordFields();
    fields.bodyText = text;
    fields.observedMs = Date.now();
    this.#consumer.record(fields);
    this.#sent += 1;
    this.#host.afterRecord(text.length);
    this.#host.afterTurn();
  }

  get hasCheckpoints(): boolean {
    return this.#kept < this.#sent;
  }

  takeCheckpoints(): CheckpointChange[] {
    this.#kept = this.#sent;
    return [{ key: 'honest:sent', value: this.#sent }];
  }

  async start(): Promise<void> {
    // Sends from the first moment.
  }
  async stop(): Promise<void> {
    // Whoever sends stops.
  }
  resume(): void {
    // Nothing waits here.
  }
  problems(): string[] {
    return [];
  }
  states(): ReturnType<Source['states']> {
    return mergeStates([]);
  }
}

const fail = (): never => {
  throw new TypeError('injected');
};
const never = (): Promise<void> => new Promise(() => undefined);
const circle: { self?: unknown } = {};
circle.self = circle;

async function run(lies: Partial<Source>): Promise<HonestSource> {
  let honest: HonestSource | undefined;
  pipeline = await startPipeline({
    sources: [
      (host) =>
        Object.defineProperties(
          new HonestSource(host),
          Object.getOwnPropertyDescriptors({ ...{ kind: 'lying' }, ...lies }),
        ),
      (host) => {
        honest = new HonestSource(host);
        return honest;
      },
    ],
    recorder: new Recorder({ hostName: 'here' }),
    queue,
    logger: { info: () => undefined, warn: (_facts, message) => warnings.push(message) },
    onBlocks: () => undefined,
    maxCutDelayMs: 20,
    sourcePatienceMs: 50,
  });
  if (honest === undefined) throw new Error('not made');
  return honest;
}

function bodies(): string[] {
  return [...queue.blocks()].flatMap(({ header }) => {
    const { id, urgency, rawBytes, recordCount } = header;
    const payload = queue.readPayload(id);
    if (payload === undefined) throw new Error('a block without payload');
    return readRecords(openBlock(payload, { ...id, urgency, rawBytes, recordCount })).map(({ body }) =>
      String(body),
    );
  });
}

test.each<[string, Partial<Source>, string]>([
  ['cannot start', { start: async () => fail() }, 'it cannot start: injected'],
  ['throws at its start', { start: fail }, 'it cannot start: injected'],
  ['never ends its start', { start: never }, 'its start took longer than 50 ms'],
  ['throws when positions are taken', { takeCheckpoints: fail }, 'injected'],
  ['throws when it goes on', { resume: fail }, 'injected'],
  ['throws when it says what stands in the way', { problems: fail }, 'injected'],
  ['throws when it says how it is', { states: fail }, 'injected'],
  [
    'gives a position that is a circle',
    { takeCheckpoints: () => [{ key: 'lying:a', value: circle }] },
    'circular',
  ],
  [
    'gives a position that is a big integer',
    { takeCheckpoints: () => [{ key: 'lying:a', value: 1n }] },
    'BigInt',
  ],
  [
    'gives a position that is a function',
    { takeCheckpoints: () => [{ key: 'lying:a', value: fail }] },
    'function',
  ],
  [
    'gives a key that is too long',
    { takeCheckpoints: () => [{ key: 'k'.repeat(10_000), value: 1 }] },
    'a key of 10000',
  ],
  [
    'gives a position of 10 MB',
    { takeCheckpoints: () => [{ key: 'lying:a', value: 'x'.repeat(1e7) }] },
    '10000002 characters',
  ],
])('a source that %s is told, and holds up no other', async (_what, lies, reason) => {
  const honest = await run(lies);
  for (const text of ['one', 'two', 'three']) {
    honest.send(text);
    await expect.poll(() => bodies().at(-1), PATIENCE).toBe(text);
  }
  expect(bodies()).toEqual(['one', 'two', 'three']);
  const told = (): string =>
    [
      ...(pipeline?.problems() ?? []),
      ...(pipeline?.sources().worst ?? []).map((state) => state.reason),
    ].join();
  // To be asked is what some of them fail at.
  told();
  expect(told()).toContain('in its source of the kind lying');
  expect(told()).toContain(reason);
  expect(pipeline?.sources()).toMatchObject({ failing: 1 });
  // Not at each turn.
  expect(new Set(warnings).size).toBe(1);
  expect(warnings.length).toBeLessThan(3);
  expect([...queue.checkpoints()]).toContainEqual({ key: 'honest:sent', value: 3 });
});

test('a source that never stops keeps nobody from stopping', async () => {
  const honest = await run({ stop: never });
  honest.send('one');
  await pipeline?.stop();
  expect(bodies()).toEqual(['one']);
  expect(pipeline?.problems().join()).toContain('its stop took longer than 50 ms');
});
