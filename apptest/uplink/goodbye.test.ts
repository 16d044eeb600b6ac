/** U21: who leaves says so, and the other side knows it from a crash. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { pickPort } from '@sluice/host/pick-port';
import { type Logger, pino } from 'pino';
import { afterEach, expect, test } from 'vitest';
import { startProgram } from '../support/programs.ts';
import { MemoryJournal, MemoryQueue, poll, startAgent, startServer, until } from './fixtures.ts';

const cleanups: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const clean of cleanups.splice(0).reverse()) await clean();
});

function recorder(): { readonly logger: Logger; readonly lines: string[] } {
  const lines: string[] = [];
  return { lines, logger: pino({ level: 'info' }, { write: (line: string) => void lines.push(line) }) };
}

test('U21: a server that drains and stops is known to have left, and everything that it had is answered', async () => {
  const queue = new MemoryQueue();
  const journal = new MemoryJournal();
  const ingest = await startServer('s1', journal);
  const { logger, lines } = recorder();
  const uplink = startAgent(queue, [ingest.port], { logger, random: () => 0 });
  cleanups.push(() => uplink.stop(0));
  journal.hold();
  uplink.blocksSealed([queue.seal(1000), queue.seal(1000)]);
  await until(journal, 'asked', () => journal.askedCount === 2);
  const drained = ingest.drain();
  journal.release();
  await drained;
  await ingest.stop();
  await until(queue, 'changed', () => queue.headers.size === 0);
  const problem = (): string => uplink.view().connections[0]?.error ?? '';
  await poll(() => problem() !== '');
  expect(problem()).toContain('said goodbye: the server leaves');
  await poll(() => problem().includes('since then'));
  expect(problem()).toMatch(/said goodbye: the server leaves; since then .* is not reachable/);
  expect(lines.some((line) => line.includes('"msg":"the server leaves"'))).toBe(true);
  // 40 and above is a warning: nothing went wrong.
  expect(lines.filter((line) => /"level":[4-9]\d/.test(line))).toEqual([]);
});

test('U21: a server that gives up waiting still says goodbye, and which blocks it did not take', async () => {
  const queue = new MemoryQueue();
  const journal = new MemoryJournal();
  const ingest = await startServer('s1', journal);
  const { logger, lines } = recorder();
  const uplink = startAgent(queue, [ingest.port], { logger });
  cleanups.push(() => uplink.stop(0));
  journal.hold();
  uplink.blocksSealed([queue.seal(1000)]);
  await until(journal, 'asked', () => journal.askedCount === 1);
  await ingest.drain(10);
  const stopped = ingest.stop();
  await poll(() => uplink.view().connections[0]?.error?.includes('said goodbye') ?? false);
  expect(lines.find((line) => line.includes('channel broken'))).toContain('the server leaves');
  expect(uplink.view().problems.filter((problem) => problem.includes('before all was answered'))).toEqual([]);
  expect(queue.headers.size).toBe(1);
  journal.release();
  await stopped;
});

test('U21: the server program says goodbye when it is told to stop', async () => {
  const directory = mkdtempSync(path.join(tmpdir(), 'sluice-goodbye-'));
  cleanups.push(async () => rmSync(directory, { recursive: true }));
  const [port, api] = [await pickPort('127.0.0.1', 0), await pickPort('127.0.0.1', 0)];
  const listen = ['--listen', `127.0.0.1:${port}`, '--api-listen', `127.0.0.1:${api}`];
  const server = await startProgram(['server', '--id', 's1', '--data', directory, ...listen], 'ready');
  const { logger, lines } = recorder();
  const uplink = startAgent(new MemoryQueue(), [port], { logger });
  cleanups.push(() => uplink.stop(0));
  await poll(() => uplink.view().connections[0]?.connected === true);
  expect(await server.end('SIGTERM')).toBe(0);
  await poll(() => uplink.view().connections[0]?.error?.includes('said goodbye: the server leaves') ?? false);
  expect(lines.filter((line) => /"level":[4-9]\d/.test(line))).toEqual([]);
});

test('U21: an agent that stops says goodbye', async () => {
  const { logger, lines } = recorder();
  const ingest = await startServer('s1', new MemoryJournal(), { logger });
  cleanups.push(() => ingest.stop());
  const uplink = startAgent(new MemoryQueue(), [ingest.port]);
  await poll(() => uplink.view().connections[0]?.connected === true);
  await uplink.stop(1000);
  await poll(() => lines.some((line) => line.includes('"msg":"the agent leaves"')));
  expect(lines.find((line) => line.includes('the agent leaves'))).toContain('"reason":"the agent stops"');
});
