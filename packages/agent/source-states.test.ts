import { appendFileSync, chmodSync, mkdirSync, rmSync, unlinkSync, writeFileSync } from 'node:fs';
import { drawSeed, noiseBytes } from '@sluice/host/testing/seed';
import { Recorder } from '@sluice/record/recorder';
import type { LineConsumer, Stream } from '@sluice/source/consumer';
import { STANDSTILL_MS } from '@sluice/source/file/file-book';
import { openForReading } from '@sluice/source/file/followed-file';
import { MAX_TOLD_SOURCES, type SourceState, type SourceStates } from '@sluice/source/source-states';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { LineRecorder, PipelineFixture, until } from './pipeline-fixture.ts';

let fixture: PipelineFixture;
beforeEach(() => {
  fixture = new PipelineFixture();
});
afterEach(async () => {
  vi.useRealTimers();
  await fixture.cleanUp();
});

function states(): SourceStates {
  return fixture.pipeline.sources();
}

function told(name: string): SourceState | undefined {
  return states().worst.find((state) => state.name === fixture.file(name));
}

async function reached(what: (now: SourceStates) => boolean): Promise<void> {
  await until(
    () => what(states()),
    () => JSON.stringify(states()),
  );
}

/** Throws at each line that says so. */
class ThrowingRecorder extends LineRecorder {
  override forLines(stream: Stream): LineConsumer {
    const inner = super.forLines(stream);
    return {
      line: (buffer, start, end, observedMs, offsetBytes) => {
        if (buffer.toString('latin1', start, end).startsWith('throw')) throw new RangeError('injected');
        inner.line(buffer, start, end, observedMs, offsetBytes);
      },
    };
  }
}

/** Refuses what a person without rights is refused; the tests may run as root, to whom all is open. */
function refusing(names: Set<string>): typeof openForReading {
  return (file) => {
    if ([...names].some((name) => file.endsWith(name)))
      return Promise.reject(Object.assign(new Error('EACCES: permission denied'), { code: 'EACCES' }));
    return openForReading(file);
  };
}

describe('the states of sources', () => {
  it('tells nothing of files that are read', async () => {
    writeFileSync(fixture.file('a.log'), 'one\n');
    await fixture.start();
    await fixture.lines(1);
    await reached(({ oldestUnreadAgeMs }) => oldestUnreadAgeMs === 0);
    expect(states()).toEqual({
      streams: 1,
      failing: 0,
      stuck: 0,
      vanished: 0,
      vanishedBytes: 0,
      unparsedRecords: 0,
      failedRecords: 0,
      droppedRecords: 0,
      readErrors: 0,
      oldestUnreadAgeMs: 0,
      worst: [],
    });
  });

  it('counts the lines that a recorder throws at, and says what it threw', async () => {
    writeFileSync(fixture.file('a.log'), 'one\nthrow 1\ntwo\nthrow 2\nthree\n');
    writeFileSync(fixture.file('b.log'), 'four\n');
    await fixture.start({}, undefined, 20, new ThrowingRecorder());
    expect((await fixture.lines(4)).sort()).toEqual(['four', 'one', 'three', 'two']);
    await reached(({ failedRecords }) => failedRecords === 2);
    expect(told('a.log')).toMatchObject({ condition: 'reading', failedRecords: 2, unreadBytes: 0 });
    expect(told('a.log')?.reason).toMatch(/injected/);
    expect(told('b.log')).toBeUndefined();
  });

  it('counts the lines that became plain records, also when their file is gone', async () => {
    writeFileSync(fixture.file('a.log'), `{"d":${'['.repeat(5000)}${']'.repeat(5000)}}\nERROR behind\n`);
    await fixture.start({}, undefined, 20, new Recorder({ hostName: 'h' }));
    await reached(({ unparsedRecords }) => unparsedRecords === 1);
    expect(told('a.log')).toMatchObject({ condition: 'reading', unparsedRecords: 1 });
    unlinkSync(fixture.file('a.log'));
    await reached(({ streams }) => streams === 0);
    expect(states()).toMatchObject({ unparsedRecords: 1, vanished: 0, worst: [] });
  });

  it('names a file that may not be read, since when and how much waits, until it may', async () => {
    const refused = new Set(['secret.log']);
    writeFileSync(fixture.file('secret.log'), 'one\ntwo\n');
    const beforeMs = Date.now();
    await fixture.start({ openFile: refusing(refused) });
    await reached(({ failing, readErrors }) => failing === 1 && readErrors >= 2);
    const first = told('secret.log');
    expect(first).toMatchObject({ condition: 'failing', unreadBytes: 8 });
    expect(first?.reason).toMatch(/EACCES/);
    expect(first?.forMs).toBeGreaterThan(0);
    expect(first?.forMs).toBeLessThanOrEqual(Date.now() - beforeMs);
    await reached(({ oldestUnreadAgeMs }) => oldestUnreadAgeMs > 0);
    refused.clear();
    expect(await fixture.lines(2)).toEqual(['one', 'two']);
    await reached(({ failing, oldestUnreadAgeMs }) => failing === 0 && oldestUnreadAgeMs === 0);
    expect(states().worst).toEqual([]);
  });

  it('the same by the system itself (when not root)', async (context) => {
    if (process.getuid?.() === 0) context.skip('root may read all');
    writeFileSync(fixture.file('secret.log'), 'one\n');
    chmodSync(fixture.file('secret.log'), 0o000);
    await fixture.start();
    await reached(({ failing }) => failing === 1);
    expect(told('secret.log')?.reason).toMatch(/EACCES/);
    chmodSync(fixture.file('secret.log'), 0o600);
    expect(await fixture.lines(1)).toEqual(['one']);
    await reached(({ failing }) => failing === 0);
  });

  it('goes on reading a file whose descriptor it has, and names it once it is to be opened again', async () => {
    const refused = new Set<string>();
    writeFileSync(fixture.file('a.log'), 'one\n');
    await fixture.start({ openFile: refusing(refused) });
    await fixture.lines(1);
    refused.add('a.log');
    appendFileSync(fixture.file('a.log'), 'two\n');
    expect(await fixture.lines(2)).toEqual(['one', 'two']);
    expect(states().failing).toBe(0);
  });

  it('names a directory that is given in the place of a file', async () => {
    mkdirSync(fixture.file('directory'));
    await fixture.start({ include: [fixture.file('directory')] });
    await reached(({ failing }) => failing === 1);
    expect(told('directory')?.reason).toMatch(/is a directory; its files are named by .*directory\/\*/);
  });

  it('tells of a file that went away before it was read, and not of one that was', async () => {
    const refused = new Set(['lost.log']);
    writeFileSync(fixture.file('lost.log'), 'never read\n');
    writeFileSync(fixture.file('read.log'), 'read\n');
    await fixture.start({ openFile: refusing(refused) });
    await fixture.lines(1);
    await reached(({ failing }) => failing === 1);
    rmSync(fixture.file('lost.log'));
    rmSync(fixture.file('read.log'));
    await reached(({ streams }) => streams === 0);
    expect(states()).toMatchObject({ vanished: 1, vanishedBytes: 11, failing: 0, oldestUnreadAgeMs: 0 });
    expect(told('lost.log')).toMatchObject({ condition: 'vanished', unreadBytes: 11 });
    expect(told('lost.log')?.reason).toMatch(/not to be found.*EACCES/);
  });

  it('says that reading pauses, and that it stands still after a while', async () => {
    vi.useFakeTimers({ toFake: ['Date'] });
    await fixture.start({}, 200_000);
    // Noise, which does not compress.
    writeFileSync(
      fixture.file('a.log'),
      `${noiseBytes(drawSeed(), 4_000_000)
        .toString('base64')
        .replace(/.{100}/g, '$&\n')}\n`,
    );
    await until(
      () => fixture.queue.isFull,
      () => 'a full queue',
    );
    await reached(({ oldestUnreadAgeMs }) => oldestUnreadAgeMs === 0);
    expect(states().stuck).toBe(0);
    vi.setSystemTime(Date.now() + STANDSTILL_MS);
    expect(states()).toMatchObject({ stuck: 1, failing: 0 });
    expect(told('a.log')?.reason).toBe('reading pauses: the queue is full');
    expect(told('a.log')?.unreadBytes).toBeGreaterThan(0);
    expect(states().oldestUnreadAgeMs).toBeGreaterThanOrEqual(STANDSTILL_MS);
  });

  it('a read that does not return makes its file stand still, and the others wait for their turn', async () => {
    vi.useFakeTimers({ toFake: ['Date'] });
    let release = (): void => undefined;
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    writeFileSync(fixture.file('a.log'), 'hangs\n');
    writeFileSync(fixture.file('b.log'), 'waits\n');
    await fixture.start({
      openFile: async (file) => {
        if (file.endsWith('a.log')) await held;
        return openForReading(file);
      },
    });
    await reached(({ streams }) => streams === 2);
    vi.setSystemTime(Date.now() + STANDSTILL_MS + 1000);
    await reached(({ stuck }) => stuck === 2);
    expect([told('a.log')?.reason, told('b.log')?.reason]).toEqual([
      'a read of it does not return',
      'waits for its turn',
    ]);
    release();
    expect((await fixture.lines(2)).sort()).toEqual(['hangs', 'waits']);
    await reached(({ stuck }) => stuck === 0);
  });

  it('a carriage return that waits for its line feed is nothing to read', async () => {
    writeFileSync(fixture.file('a.log'), 'half\r');
    await fixture.start({ flushAfterMs: 50 });
    expect(await fixture.lines(1)).toEqual(['half']);
    await reached(({ oldestUnreadAgeMs }) => oldestUnreadAgeMs === 0 && fixture.pipeline.unreadBytes === 0);
    appendFileSync(fixture.file('a.log'), '\nnext\n');
    expect(await fixture.lines(2)).toEqual(['half', 'next']);
    await reached(() => fixture.pipeline.unreadBytes === 0);
  });

  it('keeps its list short, the worst first, and counts all', async () => {
    for (let index = 0; index < 3 * MAX_TOLD_SOURCES; index += 1)
      writeFileSync(fixture.file(`secret-${index}.log`), 'x\n');
    await fixture.start({ openFile: () => Promise.reject(new Error('EIO')) });
    await reached(({ failing }) => failing === 3 * MAX_TOLD_SOURCES);
    const { worst } = states();
    expect(worst).toHaveLength(MAX_TOLD_SOURCES);
    const ages = worst.map(({ forMs }) => forMs);
    expect(ages).toEqual([...ages].sort((one, other) => other - one));
  });
});
