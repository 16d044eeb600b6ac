/** A computer's clock that is set costs no connection, and makes none older than it is. */
import { afterEach, expect, test, vi } from 'vitest';
import { startRelay } from '../support/relay.ts';
import { MemoryJournal, MemoryQueue, poll, startAgent, startServer, until } from './fixtures.ts';

const HOUR_MS = 3_600_000;
const cleanups: (() => Promise<void>)[] = [];
afterEach(async () => {
  vi.useRealTimers();
  for (const clean of cleanups.splice(0).reverse()) await clean();
});

test('a clock that is set ahead and back: the connection stays, and blocks go on', async () => {
  const journal = new MemoryJournal();
  const ingest = await startServer('s1', journal, { pingIntervalMs: 100 });
  cleanups.push(() => ingest.stop());
  const relay = await startRelay(ingest.port);
  cleanups.push(() => relay.close());
  const queue = new MemoryQueue();
  const uplink = startAgent(queue, [relay.port], { pingTimes: { pingIntervalMs: 50, pingTimeoutMs: 1000 } });
  cleanups.push(() => uplink.stop(0));
  const sessionOf = (): string | undefined => ingest.runs()[0]?.sessionId;
  await poll(() => sessionOf() !== undefined);
  const session = sessionOf();
  const timeMs = Date.now();
  for (const setMs of [timeMs + HOUR_MS, timeMs - HOUR_MS, timeMs + HOUR_MS]) {
    vi.useFakeTimers({ toFake: ['Date'], now: setMs });
    expect(ingest.runs()[0]?.connectedMs).toBeLessThan(HOUR_MS / 2);
    uplink.blocksSealed([queue.seal(1000), queue.seal(1000)]);
    await until(queue, 'changed', () => queue.headers.size === 0);
  }
  expect(sessionOf()).toBe(session);
  expect(journal.blocks).toHaveLength(6);
});
