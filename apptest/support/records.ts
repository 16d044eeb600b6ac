/** What is found, and what lies in the store, of the lines that corpus.ts made. */
import { setTimeout as sleep } from 'node:timers/promises';
import { textOf } from '@sluice/store/testing/ask-store';
import { expect } from 'vitest';
import { lineNumber } from './corpus.ts';
import { clientOf } from './programs.ts';

const PATIENCE = { timeout: 90_000, interval: 200 };
/** Between two counts: as often as the machine easily takes. */
const WATCH_PAUSE_MS = 50;

const DISTINCT = 'SELECT uniqExact(AgentId, BlockEpoch, BlockSequence, RecordNumber) FROM otel_logs';
const RAW = 'SELECT count() FROM otel_logs';

/** The records of one store, as a server finds them and as they are there. */
export class Records {
  readonly #url: string;
  readonly #storeDirectory: string;

  /**
   * @param url of a server's API
   * @param storeDirectory data directory of the store itself
   */
  constructor(url: string, storeDirectory: string) {
    this.#url = url;
    this.#storeDirectory = storeDirectory;
  }

  /** How many a search finds. */
  async count(): Promise<number> {
    const answer = await fetch(`${this.#url}/sluice.v1.QueryService/Count`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ query: '*' }),
    });
    if (!answer.ok) throw new Error(await answer.text());
    const found: unknown = await answer.json();
    // Zero is left out of JSON.
    return typeof found === 'object' && found !== null && 'count' in found ? Number(found.count) : 0;
  }

  /** One number from the store itself. */
  async ask(sql: string): Promise<number> {
    return Number(await textOf(this.#storeDirectory, sql));
  }

  /** Records in the store, each copy counted. */
  copies(): Promise<number> {
    return this.ask(RAW);
  }

  /** Copies in the store beyond the first of each record. */
  secondCopies(): Promise<number> {
    return this.ask(`SELECT (${RAW}) - (${DISTINCT})`);
  }

  /** Counts all the time until it is stopped, and notes each count that finds a record twice. */
  watch(): { readonly stop: () => Promise<{ looks: number; twice: string[] }> } {
    let stopped = false;
    const twice: string[] = [];
    let looks = 0;
    const run = async (): Promise<void> => {
      while (!stopped) {
        const found = await this.count();
        // Asked after the count: records only become more.
        const distinct = await this.ask(DISTINCT);
        if (found > distinct) twice.push(`${found} found, ${distinct} there`);
        looks += 1;
        await sleep(WATCH_PAUSE_MS);
      }
    };
    const running = run();
    // Whoever stops it hears of it; a test that has failed before does not.
    running.catch(() => undefined);
    return {
      stop: async () => {
        stopped = true;
        await running;
        return { looks, twice };
      },
    };
  }

  /** Waits until `lines` lines are found, and expects that these are all of them, each once. */
  async expectEachLineOnce(lines: number): Promise<void> {
    await expect.poll(() => this.count(), PATIENCE).toBe(lines);
    const found = await clientOf(this.#url).search('*', '--all-time', '--limit', String(lines + 1000));
    expect(found.length).toBe(lines);
    expect(new Set(found.map(({ body }) => lineNumber(body))).size).toBe(lines);
  }
}
