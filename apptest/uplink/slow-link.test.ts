/** A connection over which bytes move is not given up, however long a ping takes to come through. */
import { afterEach, expect, test } from 'vitest';
import { startSlowRelay } from '../support/slow-relay.ts';
import { MemoryJournal, MemoryQueue, poll, startAgent, startServer, until } from './fixtures.ts';

const cleanups: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const clean of cleanups.splice(0).reverse()) await clean();
});

test('U19: what is sent takes longer than a ping may: the connection stays', async () => {
  const journal = new MemoryJournal();
  const ingest = await startServer('s1', journal, { pingIntervalMs: 300 });
  cleanups.push(() => ingest.stop());
  // A block takes 4 s. What the server may be sent ahead, 1 MiB, takes longer than the silence that ends a connection.
  const relay = await startSlowRelay(ingest.port, 500_000);
  cleanups.push(() => relay.close());
  const queue = new MemoryQueue();
  const pingTimes = { pingIntervalMs: 100, pingTimeoutMs: 1000 };
  const uplink = startAgent(queue, [relay.port], { pingTimes });
  cleanups.push(() => uplink.stop(0));
  expect(uplink.blockBytesWanted).toBeGreaterThan(1_000_000);
  uplink.blocksSealed([queue.seal(2_000_000), queue.seal(2_000_000)]);
  await until(queue, 'changed', () => queue.headers.size === 0);
  expect(relay.connectionCount).toBe(1);
  // A quarter of a second at this rate is 125,000 bytes.
  await poll(() => uplink.blockBytesWanted < 1_000_000);
});
