/**
 * Looks for the ERROR lines of a flood as a person would, by searches through a server's API, and at the status meanwhile.
 *
 * Measured: when a search for errors first showed each line, asked every {@link POLL_MS} for all since the oldest that is missing
 * (a search for some hundred words takes longer than what is measured); when the agent read it; and when the agent handed urgent blocks to channels, as far as reports tell (some seconds of history each).
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { type QueryClient, retryAfterMs } from '@sluice/cli/client';
import { type AgentReport, UrgencyClass } from '@sluice/wire/gen/uplink_pb';
import type { Flood } from './flood.ts';
import { median, spread } from './latency.ts';

const POLL_MS = 50;
const STATUS_INTERVAL_MS = 1000;
/** Every so many looks at the status a line of the backlog is printed. */
const STATUS_LINES_APART = 5;
/** What a server gives in one answer: a quarter of an hour of ten ERROR lines a second. */
const MAX_ASKED = 10_000;
const READY_TIMEOUT_MS = 30_000;

/** Waits until an agent of the server holds channels. @throws Error when it has none after a while */
export async function untilGranted(client: QueryClient): Promise<void> {
  const deadlineMs = Date.now() + READY_TIMEOUT_MS;
  while (Date.now() < deadlineMs) {
    const { agents } = await client.getStatus({});
    if (agents[0]?.report?.servers.some(({ channels }) => channels.length > 0) === true) return;
    await sleep(POLL_MS);
  }
  throw new Error(`the agent held no grant after ${READY_TIMEOUT_MS / 1000} s`);
}

export class ErrorWatch {
  readonly #name: string;
  readonly #client: QueryClient;
  readonly #flood: Flood;
  readonly #watching: Promise<unknown>;
  #over = false;
  /** By token, ms since 1970. */
  readonly foundMs: Map<string, number> = new Map();
  readonly #observedMs = new Map<string, number>();
  readonly #urgentSentMs = new Set<number>();
  /** Raw sizes of blocks that were handed to channels, by what tells one from the others. */
  readonly #urgentBytes = new Map<string, number>();
  readonly #otherBytes = new Map<string, number>();
  /** At one server, at each look. */
  readonly #blocksUnderWay: number[] = [];

  /** Watches from now on. @param name for the lines that it prints */
  constructor(name: string, client: QueryClient, flood: Flood) {
    this.#name = name;
    this.#client = client;
    this.#flood = flood;
    this.#watching = Promise.all([this.#watchErrors(), this.#watchBacklog()]);
    // Whoever ends the watch is told; until then programs run that have to be ended in order.
    this.#watching.catch(() => undefined);
  }

  /** Waits until all lines that were written are found, at most so long, and ends. @throws what a search or look threw */
  async finish(atMostMs: number): Promise<void> {
    const deadlineMs = Date.now() + atMostMs;
    while (Date.now() < deadlineMs && this.foundMs.size < this.#flood.errors.length) {
      await Promise.race([this.#watching, sleep(POLL_MS)]);
    }
    await this.stop();
  }

  /** Ends at once. */
  async stop(): Promise<void> {
    this.#over = true;
    await this.#watching;
  }

  /** What the agent's side of the way took, from what the records and the status say. */
  hops(): string {
    const read: number[] = [];
    const sent: number[] = [];
    const found: number[] = [];
    const sendTimes = [...this.#urgentSentMs].sort((a, b) => a - b);
    for (const { token, writtenMs } of this.#flood.errors) {
      const [observedMs, foundMs] = [this.#observedMs.get(token), this.foundMs.get(token)];
      if (observedMs === undefined || foundMs === undefined) continue;
      read.push(observedMs - writtenMs);
      const sentMs = sendTimes.find((atMs) => atMs >= observedMs && atMs <= foundMs);
      if (sentMs === undefined) continue;
      sent.push(sentMs - observedMs);
      found.push(foundMs - sentMs);
    }
    return `written -> read ${spread(read)}; read -> sealed and sent ${spread(sent)}; sent -> found ${spread(found)}`;
  }

  /** What stood before an urgent block: how large blocks were, and how many were under way. */
  blocks(): string {
    const kibibytes = (sizes: ReadonlyMap<string, number>): string => {
      const mean = sizes.values().reduce((sum, bytes) => sum + bytes, 0) / sizes.size / 1024;
      return sizes.size === 0 ? 'none seen' : `${mean.toFixed(0)} KiB raw on average (${sizes.size})`;
    };
    return (
      `blocks seen: urgent ${kibibytes(this.#urgentBytes)}; others ${kibibytes(this.#otherBytes)}; ` +
      `under way to a server at a look: median ${median(this.#blocksUnderWay)}, most ${Math.max(0, ...this.#blocksUnderWay)}`
    );
  }

  #note({ recentUses, servers }: AgentReport): void {
    for (const { atMs, urgency, grantId, channel, rawBytes } of recentUses) {
      const isUrgent = urgency === UrgencyClass.URGENT;
      if (isUrgent) this.#urgentSentMs.add(Number(atMs));
      const key = `${atMs}/${grantId}/${channel}/${rawBytes}`;
      (isUrgent ? this.#urgentBytes : this.#otherBytes).set(key, Number(rawBytes));
    }
    for (const { connected, blocksInFlight } of servers) {
      if (connected) this.#blocksUnderWay.push(blocksInFlight);
    }
  }

  async #watchErrors(): Promise<void> {
    while (!this.#over) {
      const oldest = this.#flood.errors.find(({ token }) => !this.foundMs.has(token));
      if (oldest !== undefined) await this.#look(oldest.writtenMs);
      await sleep(POLL_MS);
    }
  }

  /** @param sinceMs when the oldest line that is missing was written, which is the time that it states */
  async #look(sinceMs: number): Promise<void> {
    const range = { startUnixNanos: BigInt(sinceMs) * 1_000_000n };
    const search = { query: 'severity:error', range, limit: MAX_ASKED };
    const { records } = await this.#client.search(search).catch((error) => {
      // Who is told to come again does so with the next look, and the lines count as not found.
      if (retryAfterMs(error) === undefined) throw error;
      return { records: [] };
    });
    const nowMs = Date.now();
    for (const { body, observedUnixNanos } of records) {
      const token = /incident\d{6}/.exec(body)?.[0] ?? '';
      if (!this.foundMs.has(token)) this.foundMs.set(token, nowMs);
      this.#observedMs.set(token, Number(observedUnixNanos / 1_000_000n));
    }
  }

  async #watchBacklog(): Promise<void> {
    const startMs = Date.now();
    for (let look = 0; !this.#over; look += 1) {
      const { agents, servers } = await this.#client.getStatus({});
      const report = agents[0]?.report;
      if (report !== undefined) {
        this.#note(report);
        if (look % STATUS_LINES_APART === 0) {
          const waiting = report.backlog.map(
            ({ urgency, rawBytes }) => `${UrgencyClass[urgency].toLowerCase()} ${mebibytes(rawBytes)}`,
          );
          const journal = servers.find(({ answering }) => answering)?.journal;
          process.stdout.write(
            `${this.#name} ${String(Math.round((Date.now() - startMs) / 1000)).padStart(4)} s: ` +
              `waiting at the agent: ${waiting.join(', ') || 'nothing'}; not read ${mebibytes(report.unreadBytes)}; ` +
              `lag ${(Number(report.lagMs) / 1000).toFixed(1)} s; journal ${mebibytes(journal?.rawBytes ?? 0n)}; ` +
              `ERROR lines found ${this.foundMs.size} of ${this.#flood.errors.length}\n`,
          );
        }
      }
      await sleep(STATUS_INTERVAL_MS);
    }
  }
}

function mebibytes(bytes: bigint): string {
  return `${(Number(bytes) / 2 ** 20).toFixed(1)} MiB`;
}
