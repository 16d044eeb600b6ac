import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type SupervisedChild, superviseChild } from './child-supervisor.ts';

let directory: string;
let child: SupervisedChild | undefined;

beforeEach(() => {
  directory = mkdtempSync(path.join(tmpdir(), 'sluice-child-'));
});
afterEach(async () => {
  await child?.stop();
  child = undefined;
  rmSync(directory, { recursive: true });
});

let programs = 0;
function program(source: string): string {
  programs += 1;
  const file = path.join(directory, `child-${programs}.mjs`);
  writeFileSync(file, source);
  return file;
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ESRCH') return false;
    throw error;
  }
}

const READY_AND_STAY = `process.send({ type: 'ready', details: { port: 7 } });
  setInterval(() => undefined, 1000); process.on('disconnect', () => process.exit(0));`;

test('resolves when the child is ready, and stop leaves no process', async () => {
  const details: unknown[] = [];
  child = await superviseChild({
    name: 'it',
    module: program(READY_AND_STAY),
    arguments: [],
    onReady: (message) => details.push(message.details),
  });
  const { pid } = child;
  if (pid === undefined) throw new Error('no pid');
  expect(details).toEqual([{ port: 7 }]);
  expect(isAlive(pid)).toBe(true);
  await child.stop();
  expect(isAlive(pid)).toBe(false);
});

test('a killed child is started again', async () => {
  const restarted = Promise.withResolvers<void>();
  const deaths: string[] = [];
  let readyCount = 0;
  child = await superviseChild({
    name: 'it',
    module: program(READY_AND_STAY),
    arguments: [],
    onDeath: (reason) => deaths.push(reason),
    onReady: () => {
      readyCount += 1;
      if (readyCount === 2) restarted.resolve();
    },
  });
  const first = child.pid;
  if (first === undefined) throw new Error('no pid');
  process.kill(first, 'SIGKILL');
  await restarted.promise;
  expect(deaths).toEqual(['signal SIGKILL']);
  expect(child.pid).not.toBe(first);
  expect(child.restarts).toBe(1);
});

test('a child that cannot start tells why, with its own code and hint', async () => {
  const module = program(
    `process.send({ type: 'failed', code: 'address_in_use', message: 'port 1 is taken', hint: 'Choose another.' },
      undefined, undefined, () => process.exit(1));`,
  );
  await expect(superviseChild({ name: 'it', module, arguments: [] })).rejects.toMatchObject({
    code: 'address_in_use',
    message: 'it: port 1 is taken',
    hint: 'Choose another.',
  });
});

test('a child that dies wordlessly is told with its last output', async () => {
  const module = program(`process.stderr.write('no such thing'); process.exitCode = 3;process.disconnect();`);
  await expect(superviseChild({ name: 'it', module, arguments: [] })).rejects.toThrow(
    /exit code 3.*no such thing/,
  );
});

const CHILD_PROCESS = JSON.stringify(path.join(import.meta.dirname, 'child-process.ts'));

test.each([
  ['', 'await endRequested();'],
  // The parent is gone before the child listens.
  [' while it started', 'while (process.connected) await setTimeout(10); await endRequested();'],
])('the child of a parent that was killed%s ends too', async (_, wait) => {
  const grandchild = program(
    `import { setTimeout } from 'node:timers/promises';
     import { endRequested, tellReady } from ${CHILD_PROCESS};
     setInterval(() => undefined, 1000);
     tellReady({ pid: process.pid });
     ${wait}
     process.exit(0);`,
  );
  const parent = program(
    `import { superviseChild } from ${JSON.stringify(path.join(import.meta.dirname, 'child-supervisor.ts'))};
     await superviseChild({ name: 'inner', module: ${JSON.stringify(grandchild)}, arguments: [],
       onReady: (message) => process.send(message) });`,
  );
  // The supervisor starts the killed parent again, which starts a new inner child: the first one is asked about.
  const gotInner = Promise.withResolvers<number>();
  child = await superviseChild({
    name: 'outer',
    module: parent,
    arguments: [],
    onReady: (message) => {
      gotInner.resolve(Number(message.details.pid));
    },
  });
  const innerPid = await gotInner.promise;
  expect(isAlive(innerPid)).toBe(true);
  if (child.pid === undefined) throw new Error('no pid');
  process.kill(child.pid, 'SIGKILL');
  await expect.poll(() => isAlive(innerPid), { timeout: 20_000 }).toBe(false);
});
