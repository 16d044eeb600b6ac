import { execFileSync } from 'node:child_process';
import {
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { AgentId } from '@sluice/protocol/model';
import { pino } from 'pino';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { AGENTS_DIRECTORY_NAME, openIdentities, type StoredIdentities } from './identity-file.ts';

const logger = pino({ level: 'silent' });
// The brand: it is the id of the test's agent.
const agentId = 'web-1' as AgentId;

let directory: string;
let file: string;
beforeEach(() => {
  directory = mkdtempSync(path.join(tmpdir(), 'sluice-identities-'));
  file = path.join(directory, AGENTS_DIRECTORY_NAME, 'agents.lmdb');
});
afterEach(() => rmSync(directory, { recursive: true }));

const open = (): Promise<StoredIdentities> => openIdentities(directory, 's1', logger);

function arrive({ book }: StoredIdentities, key: string): string {
  const marks = { epoch: 1, nextSequence: 1 };
  const shown = { key, certificate: undefined };
  return book.arrived({ agentId, shown, marks, hostName: '', address: '' }, true, Date.now()).standing;
}

test('what was pinned is known after a restart', async () => {
  const first = await open();
  expect(arrive(first, 'a key')).toBe('proven');
  await first.close();
  const second = await open();
  expect([second.loss, arrive(second, 'another')]).toEqual([undefined, 'other_key']);
  await second.close();
});

test('a damaged file is kept, told, and never written over', async () => {
  const first = await open();
  arrive(first, 'a key');
  await first.close();
  for (const content of ['once', 'twice']) {
    writeFileSync(file, content);
    const opened = await open();
    expect(opened.loss).toMatch(/agents\.lmdb could not be read \(.*\) and is .*agents\.lmdb\.damaged-/);
    expect([...opened.book.records()]).toEqual([]);
    await opened.close();
  }
  const kept = readdirSync(path.dirname(file)).filter((name) => name.includes('.damaged-'));
  expect(kept.sort().map((name) => readFileSync(path.join(path.dirname(file), name), 'utf8'))).toEqual([
    'once',
    'twice',
  ]);
});

test('a file that cannot be used is left where it is, and told with what to do', async () => {
  mkdirSync(file, { recursive: true });
  await expect(open()).rejects.toMatchObject({
    code: 'config_invalid',
    message: expect.stringContaining('the file of agents'),
  });
  expect(readdirSync(path.dirname(file))).toEqual(['agents.lmdb']);
});

// An error that nobody takes the reason of fails the run of the tests, as it ended the server.
test.runIf(process.getuid?.() === 0)(
  'a full disk is told, ends nothing, and is over when there is room',
  async () => {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m,mode=700', 'tmpfs', directory]);
    try {
      const identities = await open();
      const ballast = path.join(directory, 'of-somebody-else');
      const descriptor = openSync(ballast, 'w');
      expect(() => {
        for (;;) writeSync(descriptor, Buffer.alloc(4096));
      }).toThrow(/ENOSPC/);
      closeSync(descriptor);
      arrive(identities, 'a key');
      await expect
        .poll(() => identities.writeFailure, { timeout: 10_000 })
        .toMatch(/^no space left for what is known of agents/);
      rmSync(ballast);
      await expect.poll(() => identities.writeFailure, { timeout: 10_000 }).toBeUndefined();
      await identities.close();
    } finally {
      execFileSync('umount', [directory]);
    }
  },
);
