/**
 * What holds for each durable file, whoever owns it: the queue of an agent and the journal of a server are tried by the same
 * tests. Not part of any program.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  closeSync,
  cpSync,
  existsSync,
  fstatSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { SluiceError } from '@sluice/base/error';
import { Random } from '@sluice/base/random';
import { drawSeed } from '@sluice/host/testing/seed';
import { open } from 'lmdb';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { MAX_DAMAGED_FILES } from '../damaged-file.ts';
import { DurableEnvironment } from '../lmdb/environment.ts';
import { type DurableSubject, type OpenSubject, payloadOf } from './durable-subject.ts';

const PAGE_BYTES = 4096;
const HEADER_PAGES = 2;
const BLOCKS = 24;
/** A crash at each step starts a process; older files with more blocks have more steps. */
const BLOCKS_OF_CRASHES = 6;
const MAX_STEPS = 500;
/** Of the steps of an upgrade, which are as many as there are values, each of these many. */
const UPGRADE_STRIDE = 9;
const RANDOM_KILLS = 6;
const MAX_KILL_MS = 900;
/** Each changes what a start after a crash finds. */
const FILE_STEPS: readonly string[] = ['fs.renameSync', 'fs.rmSync', 'fs.fsyncSync'];

let base: string;
beforeEach(() => {
  base = mkdtempSync(path.join(tmpdir(), 'sluice-durable-'));
});
afterEach(() => rmSync(base, { recursive: true }));

/** Numbers of the blocks that are left; each says what was written, and none is there twice. */
function leftIn(opened: OpenSubject): number[] {
  const blocks = opened.blocks();
  for (const { number, payload } of blocks) expect(payload.equals(payloadOf(number)), `${number}`).toBe(true);
  const numbers = blocks.map(({ number }) => number).sort((one, other) => one - other);
  expect(new Set(numbers).size).toBe(numbers.length);
  return numbers;
}

function upTo(count: number): number[] {
  return Array.from({ length: count }, (_, index) => index + 1);
}

async function fill(subject: DurableSubject, directory: string, count: number): Promise<void> {
  const opened = await subject.open(directory);
  for (const number of upTo(count)) await opened.add(number, payloadOf(number));
  await opened.close();
}

async function looked<T>(
  subject: DurableSubject,
  directory: string,
  look: (opened: OpenSubject) => T | Promise<T>,
): Promise<T> {
  const opened = await subject.open(directory);
  try {
    return await look(opened);
  } finally {
    await opened.close();
  }
}

async function codeOf(action: () => Promise<unknown>): Promise<string> {
  try {
    await action();
    return 'no error';
  } catch (error) {
    return SluiceError.from(error).code;
  }
}

/** What a bad disk does to a file. */
const DAMAGES: readonly (readonly [string, (file: string) => void])[] = [
  ['was deleted', (file) => rmSync(file)],
  ['was emptied', (file) => truncateSync(file)],
  ['is something else', (file) => writeFileSync(file, Buffer.alloc(20_000, 'garbage'))],
  ['was cut', (file) => truncateSync(file, Math.floor(statSync(file).size / 2))],
];

/** One of each kind: nothing is left, and a part is. */
const DAMAGES_OF_CRASHES = DAMAGES.filter(([how]) => ['was emptied', 'was cut'].includes(how));

/** Runs in the quick tests. */
export function durableContract(subject: DurableSubject): void {
  describe(`${subject.what}, whose file`, () => {
    describe.each(DAMAGES)('%s,', (_how, damage) => {
      it('opens, and says what is missing at each start until a person knows it', async () => {
        await fill(subject, base, BLOCKS);
        damage(path.join(base, subject.fileName));
        const left = await looked(subject, base, leftIn);
        await looked(subject, base, (opened) => {
          expect(leftIn(opened)).toEqual(left);
          expect(opened.lossTotals).toEqual({ losses: 1, blocks: BLOCKS - left.length });
          expect(opened.losses[0]?.message).toMatch(
            new RegExp(`${BLOCKS - left.length} blocks that .*acknowledged`),
          );
          opened.acknowledgeLosses();
        });
        expect(await looked(subject, base, ({ losses }) => losses)).toEqual([]);
      });
    });

    it('is new has lost nothing', async () => {
      expect(await looked(subject, base, ({ lossTotals }) => lossTotals)).toEqual({ losses: 0, blocks: 0 });
    });

    it('is garbage again and again is kept, closed to others, but not without end', async () => {
      for (let round = 0; round <= MAX_DAMAGED_FILES; round += 1) {
        await fill(subject, base, 1);
        writeFileSync(path.join(base, subject.fileName), Buffer.alloc(20_000, 'garbage'));
      }
      await looked(subject, base, () => undefined);
      const names = readdirSync(base);
      const kept = names.filter((name) => name.includes('.damaged-'));
      expect(kept).toHaveLength(MAX_DAMAGED_FILES);
      for (const name of names) expect(statSync(path.join(base, name)).mode & 0o077, name).toBe(0);
      expect(names.filter((name) => /\.(salvage|new)/.test(name))).toEqual([]);
    });

    it('is damaged while it is open is left alone, and saved at the next start', async () => {
      const opened = await subject.open(base);
      for (const number of upTo(BLOCKS)) await opened.add(number, payloadOf(number));
      zeroPages(path.join(base, subject.fileName));
      const refused = { code: 'state_corrupt', message: expect.stringMatching(/cannot be read: MDB_/) };
      await expect(opened.add(BLOCKS + 1, payloadOf(BLOCKS + 1))).rejects.toMatchObject(refused);
      expect(opened.damage?.error).toMatchObject({
        ...refused,
        hint: expect.stringMatching(/^Restart the /),
      });
      await expect(opened.add(BLOCKS + 2, payloadOf(BLOCKS + 2))).rejects.toBe(opened.damage?.error);
      await opened.close();
      await looked(subject, base, (again) => {
        expect(again.damage).toBeUndefined();
        expect(leftIn(again).length + again.lossTotals.blocks).toBe(BLOCKS);
      });
    });

    it('is in use, or of a newer program, is not touched', async () => {
      await looked(subject, base, async () => {
        expect(await codeOf(() => subject.open(base))).toBe('already_running');
      });
      const file = path.join(base, subject.fileName);
      const { what } = subject;
      const environment = new DurableEnvironment({ file, what, program: 'test', maxDatabases: 10 });
      await environment.commit((write) => write.put(environment.meta, 'format', subject.format + 1));
      await environment.close();
      const before = readFileSync(file);
      expect(await codeOf(() => subject.open(base))).toBe('state_newer');
      expect(readFileSync(file).equals(before)).toBe(true);
    });

    it('has a ledger under its former name goes on with it', async () => {
      await fill(subject, base, 3);
      renameSync(path.join(base, subject.ledgerName), path.join(base, subject.formerLedgerName));
      rmSync(path.join(base, subject.fileName));
      expect(await looked(subject, base, ({ lossTotals }) => lossTotals)).toEqual({ losses: 1, blocks: 3 });
      expect(existsSync(path.join(base, subject.formerLedgerName))).toBe(false);
    });

    it.each([1, 2] as const)(
      'is of format %i is brought to the present one, and no damaged one',
      async (format) => {
        await subject.writeOlder(base, format, BLOCKS);
        for (let start = 0; start < 2; start += 1)
          await looked(subject, base, (opened) => {
            expect(leftIn(opened)).toEqual(upTo(BLOCKS));
            expect(opened.losses).toEqual([]);
          });
        expect(readdirSync(base).filter((name) => name.includes('.damaged-'))).toEqual([]);
      },
    );

    it.each([1, 2] as const)(
      'is of format %i and damaged keeps what can be read, and counts the rest',
      async (format) => {
        await subject.writeOlder(base, format, BLOCKS);
        const file = path.join(base, subject.fileName);
        await garbleFirstHeader(file);
        for (const number of [5, 9]) loseFirstPage(file, payloadOf(number));
        const left = upTo(BLOCKS).filter((number) => ![1, 5, 9].includes(number));
        for (let start = 0; start < 2; start += 1)
          await looked(subject, base, (opened) => {
            expect(leftIn(opened)).toEqual(left);
            expect(opened.lossTotals).toEqual({ losses: 1, blocks: 3 });
          });
      },
    );
  });
}

/** Starts a process for each step: runs in the slow tests. */
export function durableCrashContract(subject: DurableSubject): void {
  describe(`${subject.what} that is killed`, () => {
    describe.each(DAMAGES_OF_CRASHES)('while it opens a file that %s', (_how, damage) => {
      it('counts what is missing once, at whichever step', { timeout: 300_000 }, async () => {
        await fill(subject, path.join(base, 'before'), BLOCKS_OF_CRASHES);
        damage(path.join(base, 'before', subject.fileName));
        await crashAtEachStep(subject, FILE_STEPS, (opened) => {
          const { lossTotals } = opened;
          expect(lossTotals).toEqual({ losses: 1, blocks: BLOCKS_OF_CRASHES - leftIn(opened).length });
        });
      });
    });

    it('while it makes a new file has lost nothing, at whichever step', { timeout: 300_000 }, async () => {
      await crashAtEachStep(subject, FILE_STEPS, ({ losses }) => expect(losses).toEqual([]));
    });

    it.each([1, 2] as const)(
      'while it upgrades a file of format %i has all blocks, once, at whichever step',
      { timeout: 300_000 },
      async (format) => {
        await subject.writeOlder(path.join(base, 'before'), format, BLOCKS_OF_CRASHES);
        const stride = { first: 2, stride: UPGRADE_STRIDE };
        await crashAtEachStep(
          subject,
          ['zlib.crc32'],
          (opened) => expectAll(opened, BLOCKS_OF_CRASHES),
          stride,
        );
      },
    );

    it('while it upgrades a file, at random moments, goes on right', { timeout: 300_000 }, async () => {
      const random = new Random(drawSeed());
      const directory = path.join(base, 'older');
      await subject.writeOlder(directory, 1, BLOCKS);
      for (let kill = 0; kill < RANDOM_KILLS; kill += 1) {
        const child = startChild(subject, directory, MAX_STEPS, []);
        const ended = once(child, 'exit');
        await Promise.race([ended, sleep(random.next() * MAX_KILL_MS)]);
        child.kill('SIGKILL');
        const [code, signal]: unknown[] = await ended;
        expect([0, 'SIGKILL']).toContain(signal ?? code);
      }
      await looked(subject, directory, (opened) => expectAll(opened, BLOCKS));
    });
  });
}

function expectAll(opened: OpenSubject, count: number): void {
  expect(leftIn(opened)).toEqual(upTo(count));
  expect(opened.losses).toEqual([]);
}

/**
 * Opens a copy of the directory `before` again and again in processes that die, one step later each time, until one does not; and
 * looks what a start after that finds, and the start after that one.
 */
async function crashAtEachStep(
  subject: DurableSubject,
  functions: readonly string[],
  look: (opened: OpenSubject) => void,
  { first, stride }: { readonly first: number; readonly stride: number } = { first: 1, stride: 1 },
): Promise<void> {
  let crashes = 0;
  for (let step = first; ; step += stride) {
    expect(step).toBeLessThan(MAX_STEPS);
    const directory = path.join(base, `step-${step}`);
    if (existsSync(path.join(base, 'before')))
      cpSync(path.join(base, 'before'), directory, { recursive: true });
    const [code, signal]: unknown[] = await once(startChild(subject, directory, step, functions), 'exit');
    if (code === 0) break;
    expect(signal, `step ${step}`).toBe('SIGKILL');
    crashes += 1;
    for (let start = 0; start < 2; start += 1) await looked(subject, directory, look);
    rmSync(directory, { recursive: true });
  }
  expect(crashes).toBeGreaterThan(1);
}

function startChild(
  subject: DurableSubject,
  directory: string,
  step: number,
  functions: readonly string[],
): ChildProcess {
  const program = fileURLToPath(new URL('./die-at.ts', import.meta.url));
  const given = [program, subject.moduleUrl, directory, String(step), ...functions];
  return spawn(process.execPath, ['--disable-warning=ExperimentalWarning', ...given], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
}

/** Puts what no decoder reads in the place of the first header; the structure of the file stays sound. */
async function garbleFirstHeader(file: string): Promise<void> {
  const root = open({ path: file, noSubdir: true, maxDbs: 10, overlappingSync: false });
  const headers = root.openDB<Buffer, Buffer>({ name: 'headers', keyEncoding: 'binary', encoding: 'binary' });
  const [first] = headers.getKeys();
  if (first === undefined) throw new Error('a header');
  await headers.put(Buffer.from(first), Buffer.from([0xc1]));
  await root.close();
}

/** Takes the description of the page away on which the payload begins. */
function loseFirstPage(file: string, payload: Buffer): void {
  const bytes = readFileSync(file);
  const at = bytes.indexOf(payload);
  expect(at).toBeGreaterThan(0);
  bytes.fill(0, at - (at % PAGE_BYTES), at);
  writeFileSync(file, bytes);
}

/** Zeros on all pages behind the header: what LMDB says of those without ending the process. */
function zeroPages(file: string): void {
  const descriptor = openSync(file, 'r+');
  const bytes = fstatSync(descriptor).size - HEADER_PAGES * PAGE_BYTES;
  writeSync(descriptor, Buffer.alloc(bytes), 0, bytes, HEADER_PAGES * PAGE_BYTES);
  closeSync(descriptor);
}
