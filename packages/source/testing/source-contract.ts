/** The suite that every source passes (source.ts): call {@link testSource} in a test file beside the source. */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { FieldsConsumer, LineConsumer, Stream } from '../consumer.ts';
import type { CreateSource, Source, SourceHost } from '../source.ts';

/** A source under test, and somebody who writes to it. */
export interface SourceUnderTest {
  readonly create: CreateSource;
  /** Makes these records appear in one stream of the source, in this order. */
  write(records: readonly string[]): Promise<void> | void;
  cleanUp(): Promise<void> | void;
}

/** What a test says to a consumer: hold back what begins here, fail at this. */
interface Rules {
  readonly holds: (text: string) => boolean;
  readonly throwsAt: (text: string) => boolean;
}

const PATIENCE = { timeout: 20_000, interval: 10 };
/** How long a test watches that nothing comes where nothing may. */
const QUIET_MS = 300;

/** An agent that keeps records and positions in memory, both in one step, as the queue does. */
class TestAgent implements SourceHost {
  /** Texts that were consumed since the start of this one. */
  readonly consumed: string[] = [];
  /** Consumed and kept with the positions. */
  readonly durable: string[] = [];
  readonly failures: unknown[] = [];
  readonly #kept = new Map<string, unknown>();
  readonly #rules: Rules;
  isWanting = true;
  source: Source | undefined;

  constructor(rules: Partial<Rules> = {}, before?: TestAgent) {
    this.#rules = { holds: () => false, throwsAt: () => false, ...rules };
    if (before === undefined) return;
    this.durable.push(...before.durable);
    for (const [key, value] of before.#kept) this.#kept.set(key, structuredClone(value));
  }

  readonly consumers: SourceHost['consumers'] = {
    forLines: (stream) => this.#lines(stream),
    forFields: () => this.#fields(),
  };

  get checkpoints(): SourceHost['checkpoints'] {
    return [...this.#kept].map(([key, value]) => ({ key, value }));
  }

  mayHandOut(): boolean {
    return this.isWanting;
  }

  /** Records behind which a cut might have been made (the tests make cuts themselves), and the bytes that they were said to have. */
  readonly ended = { records: 0, bytes: 0 };
  isMidTurn = false;

  afterRecord(bytes: number): void {
    this.ended.records += 1;
    this.ended.bytes += bytes;
    this.isMidTurn = true;
  }

  afterTurn(): void {
    this.isMidTurn = false;
  }

  recordFailed(_stream: Stream, error: unknown): void {
    this.failures.push(error);
  }

  /** Makes durable what was consumed, with the positions, as the pipeline does between two records. */
  cut(): void {
    for (const { key, value } of this.source?.takeCheckpoints() ?? []) {
      if (value === undefined) this.#kept.delete(key);
      else this.#kept.set(key, structuredClone(value));
    }
    this.durable.push(...this.consumed.splice(0));
  }

  #take(text: string): void {
    if (this.#rules.throwsAt(text)) throw new Error(`injected at ${text}`);
    this.consumed.push(text);
  }

  /** Joins what it is told to hold back with what comes next, as records of several lines are joined. */
  #lines(_stream: Stream): LineConsumer {
    let held: { text: string; fromBytes: number } | undefined;
    const finish = (): void => {
      const text = held?.text;
      held = undefined;
      if (text !== undefined) this.#take(text);
    };
    return {
      get heldFromBytes() {
        return held?.fromBytes;
      },
      finish,
      line: (buffer, start, end, _observedMs, offsetBytes) => {
        const text = buffer.toString('utf8', start, end);
        if (held !== undefined && text.startsWith('+')) {
          held.text += text;
          return;
        }
        finish();
        if (this.#rules.holds(text)) held = { text, fromBytes: offsetBytes };
        else this.#take(text);
      },
    };
  }

  #fields(): FieldsConsumer {
    return { record: ({ bodyText = '' }) => this.#take(bodyText) };
  }
}

const numbered = (from: number, count: number): string[] =>
  Array.from({ length: count }, (_, index) => `record ${from + index}`);

/** @param make makes a source under test; called before each test */
export function testSource(name: string, make: () => SourceUnderTest): void {
  describe(`the contract of sources: ${name}`, () => {
    let under: SourceUnderTest;
    const running = new Set<Source>();
    const start = async (agent: TestAgent): Promise<Source> => {
      const source = under.create(agent);
      agent.source = source;
      running.add(source);
      await source.start();
      return source;
    };
    const stop = async (source: Source): Promise<void> => {
      running.delete(source);
      await source.stop();
    };
    const reaches = (read: () => unknown, wanted: unknown): Promise<void> =>
      expect.poll(read, PATIENCE).toEqual(wanted);

    beforeEach(() => {
      under = make();
    });
    afterEach(async () => {
      for (const source of running) await source.stop();
      running.clear();
      await under.cleanUp();
    });

    test('hands out all records in order, each once', async () => {
      const agent = new TestAgent();
      await start(agent);
      await under.write(numbered(0, 500));
      await under.write(numbered(500, 500));
      await reaches(() => agent.consumed, numbered(0, 1000));
    });

    test('says behind each record that a cut may be made, and when a run of them is over', async () => {
      const agent = new TestAgent();
      await start(agent);
      const records = numbered(0, 50);
      await under.write(records);
      await reaches(() => agent.consumed, records);
      await reaches(() => agent.isMidTurn, false);
      expect(agent.ended.records).toBe(records.length);
      expect(agent.ended.bytes).toBeGreaterThanOrEqual(records.join('').length);
    });

    test('tells each position that changed once', async () => {
      const agent = new TestAgent();
      const source = await start(agent);
      await under.write(numbered(0, 3));
      await reaches(() => agent.consumed.length, 3);
      await reaches(() => agent.isMidTurn, false);
      expect(source.hasCheckpoints).toBe(source.canWait);
      expect(source.takeCheckpoints().length > 0).toBe(source.canWait);
      expect(source.hasCheckpoints).toBe(false);
      expect(source.takeCheckpoints()).toEqual([]);
    });

    test('hands out nothing while the host wants no more; what can wait comes later, the rest is counted', async () => {
      const agent = new TestAgent();
      const source = await start(agent);
      await under.write(numbered(0, 10));
      await reaches(() => agent.consumed, numbered(0, 10));
      agent.isWanting = false;
      await under.write(numbered(10, 10));
      await sleep(QUIET_MS);
      expect(agent.consumed).toEqual(numbered(0, 10));
      if (source.canWait) expect(source.unreadBytes).toBeGreaterThan(0);
      agent.isWanting = true;
      source.resume();
      await under.write(numbered(20, 10));
      const lost = source.canWait ? 0 : 10;
      await reaches(() => agent.consumed, [...numbered(0, 20 - lost), ...numbered(20, 10)]);
      expect(source.states('').droppedRecords).toBe(lost);
    });

    test('hands out nothing after it was stopped', async () => {
      const agent = new TestAgent();
      const source = await start(agent);
      await under.write(numbered(0, 10));
      await reaches(() => agent.consumed, numbered(0, 10));
      await stop(source);
      await under.write(numbered(10, 10));
      await sleep(QUIET_MS);
      expect(agent.consumed).toEqual(numbered(0, 10));
    });

    test('an error of a consumer costs its record alone, and is told and counted', async () => {
      const agent = new TestAgent({ throwsAt: (text) => text === 'record 3' });
      const source = await start(agent);
      await under.write(numbered(0, 6));
      await reaches(() => agent.consumed, [...numbered(0, 3), ...numbered(4, 2)]);
      expect(agent.failures).toEqual([new Error('injected at record 3')]);
      expect(source.states('').failedRecords).toBe(1);
    });

    test('says how many streams it follows, and that all is read', async () => {
      const agent = new TestAgent();
      const source = await start(agent);
      await under.write(numbered(0, 3));
      await reaches(() => agent.consumed.length, 3);
      expect(source.problems()).toEqual([]);
      expect(source.states('')).toMatchObject({ streams: 1, failing: 0, stuck: 0, oldestUnreadAgeMs: 0 });
      expect(source.kind).toMatch(/^[a-z]+$/);
    });

    test('goes on exactly behind what was kept, whenever it was stopped or died', async () => {
      let agent = new TestAgent();
      let source = await start(agent);
      if (!source.canWait) return;
      const all: string[] = [];
      for (let round = 0; round < 6; round += 1) {
        const more = numbered(all.length, 40 + round);
        all.push(...more);
        const seen = agent.durable.length + agent.consumed.length;
        await under.write(more.slice(0, 20));
        await expect.poll(() => agent.durable.length + agent.consumed.length, PATIENCE).toBe(seen + 20);
        if (round % 2 === 0) agent.cut();
        await under.write(more.slice(20));
        // What was consumed since the cut dies with the agent; it must come again.
        agent = new TestAgent({}, agent);
        await stop(source);
        source = await start(agent);
        await expect.poll(() => agent.durable.length + agent.consumed.length, PATIENCE).toBe(all.length);
      }
      agent.cut();
      expect(agent.durable).toEqual(all);
    });

    test('what a consumer holds back is handed out again, and what it has consumed is not', async () => {
      const rules = { holds: (text: string) => text.startsWith('head') };
      let agent = new TestAgent(rules);
      const first = await start(agent);
      if (!first.canWait) return;
      await under.write(['one', 'head a', '+ tail 1']);
      await reaches(() => agent.consumed, ['one']);
      agent.cut();
      expect(agent.durable).toEqual(['one']);
      agent = new TestAgent(rules, agent);
      await stop(first);
      await start(agent);
      await under.write(['+ tail 2', 'two', 'head b']);
      await reaches(() => agent.consumed, ['head a+ tail 1+ tail 2', 'two']);
      agent.cut();
      // After the hold, the position moves on.
      agent = new TestAgent(rules, agent);
      await start(agent);
      await under.write(['three']);
      await reaches(() => agent.consumed, ['head b', 'three']);
      agent.cut();
      expect(agent.durable).toEqual(['one', 'head a+ tail 1+ tail 2', 'two', 'head b', 'three']);
    });

    test('a record that its consumer cannot finish is lost alone', async () => {
      const agent = new TestAgent({
        holds: (text) => text.startsWith('head'),
        throwsAt: (text) => text.startsWith('head a'),
      });
      const source = await start(agent);
      if (!source.canWait) return;
      await under.write(['head a', '+ tail', 'two', 'three']);
      await reaches(() => agent.consumed.includes('three'), true);
      expect(agent.failures).toHaveLength(1);
      agent.cut();
      await stop(source);
      const next = new TestAgent({}, agent);
      await start(next);
      await under.write(['four']);
      await reaches(() => next.consumed, ['four']);
    });
  });
}
