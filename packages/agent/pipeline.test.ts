import { execFileSync } from 'node:child_process';
import { appendFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { openBlock } from '@sluice/block/validator';
import { drawSeed, noiseBytes } from '@sluice/host/testing/seed';
import { Recorder } from '@sluice/record/recorder';
import type { LineConsumer, Stream } from '@sluice/source/consumer';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { LEAST_BLOCK_RAW_BYTES, TARGET_BLOCK_RAW_BYTES } from './pipeline.ts';
import { LineRecorder, PipelineFixture, recordCount, until } from './pipeline-fixture.ts';

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

const cleanups: (() => void)[] = [];
let fixture: PipelineFixture;
beforeEach(() => {
  fixture = new PipelineFixture();
});
afterEach(async () => {
  await fixture.stop();
  for (const cleanup of cleanups.splice(0)) cleanup();
  await fixture.cleanUp();
});

describe('pipeline', () => {
  it('brings lines into the queue in order and goes on behind them after a restart', async () => {
    writeFileSync(fixture.file('a.log'), 'one\ntwo\n');
    await fixture.start();
    expect(await fixture.lines(2)).toEqual(['one', 'two']);
    appendFileSync(fixture.file('a.log'), 'three\n');
    expect(await fixture.lines(3)).toEqual(['one', 'two', 'three']);
    await fixture.stop();
    appendFileSync(fixture.file('a.log'), 'four\n');
    await fixture.start();
    expect(await fixture.lines(4)).toEqual(['one', 'two', 'three', 'four']);
  });

  it('tells of each block once it is durable, in the order of the sequences', async () => {
    const lines = Array.from(
      { length: 60_000 },
      (_, i) => `${i % 50 === 0 ? 'ERROR ' : ''}${i} ${'x'.repeat(150)}`,
    );
    writeFileSync(fixture.file('a.log'), `${lines.join('\n')}\n`);
    await fixture.start();
    await fixture.lines(lines.length);
    await until(
      () => fixture.headers.length === fixture.queue.blockCount,
      () => 'all told',
    );
    expect(fixture.headers).toEqual([...fixture.queue.blocks()].map((block) => block.header));
    expect(fixture.headers.map((header) => header.id.sequence)).toEqual(fixture.headers.map((_, i) => i + 1));
    expect(new Set(fixture.headers.map((header) => header.urgency))).toEqual(new Set(['urgent', 'normal']));
    // A cut is made in time: the target and what stands between two checks, not whole pieces beyond it.
    for (const header of fixture.headers) expect(header.rawBytes).toBeLessThan(TARGET_BLOCK_RAW_BYTES * 1.1);
  });

  it('makes blocks no larger than a slow link wants them, and follows it', async () => {
    const lines = Array.from({ length: 30_000 }, (_, i) => `${i} ${'x'.repeat(150)}`);
    let wanted = LEAST_BLOCK_RAW_BYTES;
    writeFileSync(fixture.file('a.log'), `${lines.join('\n')}\n`);
    await fixture.start({}, undefined, 60_000, undefined, () => wanted);
    const isFull = ({ rawBytes }: { rawBytes: number }): boolean => rawBytes > wanted / 2;
    await until(
      () => fixture.headers.length >= 60,
      () => '60 blocks',
    );
    for (const { rawBytes } of fixture.headers) expect(rawBytes).toBeLessThanOrEqual(wanted);
    expect(fixture.headers.filter(isFull).length).toBeGreaterThan(50);
    // Less is made for no link.
    wanted = 1;
    const before = fixture.headers.length;
    appendFileSync(fixture.file('a.log'), `${lines.join('\n')}\n`);
    await until(
      () => fixture.headers.length >= before + 30,
      () => '30 blocks more',
    );
    for (const { rawBytes } of fixture.headers.slice(before))
      expect(rawBytes).toBeGreaterThan(LEAST_BLOCK_RAW_BYTES / 2);
    wanted = Number.POSITIVE_INFINITY;
    for (let times = 0; times < 4; times += 1) appendFileSync(fixture.file('a.log'), `${lines.join('\n')}\n`);
    await until(
      () => fixture.headers.some(({ rawBytes }) => rawBytes >= TARGET_BLOCK_RAW_BYTES),
      () => 'a large block',
    );
  });

  it('contains what a recorder throws to the line that it threw at, also over a restart', async () => {
    writeFileSync(fixture.file('a.log'), 'one\nthrow 1\ntwo\nthrow 2\nthrow 3\nthree\n');
    await fixture.start({}, undefined, 20, new ThrowingRecorder());
    expect(await fixture.lines(3)).toEqual(['one', 'two', 'three']);
    await until(
      () => fixture.pipeline.unreadBytes === 0,
      () => 'all read',
    );
    await fixture.stop();
    appendFileSync(fixture.file('a.log'), 'four\n');
    await fixture.start({}, undefined, 20, new ThrowingRecorder());
    expect(await fixture.lines(4)).toEqual(['one', 'two', 'three', 'four']);
  });

  it('fills the queue with blocks that a server takes, with the real recorder', async () => {
    const lines = Array.from(
      { length: 5000 },
      (_, i) => `2026-01-02T03:04:05Z ${i % 3 === 0 ? 'ERROR' : 'INFO'} ${i}`,
    );
    writeFileSync(fixture.file('a.log'), `${lines.join('\n')}\n`);
    await fixture.start({}, undefined, 20, new Recorder({ hostName: 'host' }));
    await until(
      () => recordCount(fixture.queue) === lines.length,
      () => 'all lines',
    );
    for (const { header } of fixture.queue.blocks()) {
      const { id, urgency, rawBytes, recordCount: records } = header;
      const payload = fixture.queue.readPayload(id) ?? Buffer.alloc(0);
      const opened = openBlock(payload, { ...id, urgency, rawBytes, recordCount: records });
      expect(opened).toBeDefined();
    }
    const classes = [...fixture.queue.blocks()].map((block) => block.header.urgency);
    expect(new Set(classes)).toEqual(new Set(['urgent', 'normal']));
  });

  it('makes durable what was read when it stops', async () => {
    await fixture.start({}, undefined, 3_600_000);
    writeFileSync(fixture.file('a.log'), 'one\nERROR two\n');
    await until(
      () => fixture.pipeline.sources().streams === 1 && fixture.pipeline.unreadBytes === 0,
      () => 'read',
    );
    await fixture.stop();
    await fixture.start();
    expect((await fixture.lines(2)).toSorted()).toEqual(['ERROR two', 'one']);
  });

  it.runIf(process.platform === 'linux' && process.getuid?.() === 0)(
    'waits on a full disk (as root, on a small file system), says so, stops and goes on without a loss',
    { timeout: 30_000 },
    async () => {
      mkdirSync(fixture.data);
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=5m', 'tmpfs', fixture.data]);
      cleanups.push(() => void execFileSync('umount', [fixture.data]));
      // Lower case: chance wrote ERROR into a line once, which then was urgent and came before the others.
      const noise = noiseBytes(drawSeed(), 80_000 * 75)
        .toString('base64')
        .toLowerCase();
      const lines = Array.from(noise.match(/.{100}/g) ?? [], (text, index) => `${index} ${text}`);
      expect(lines).toHaveLength(80_000);
      writeFileSync(fixture.file('a.log'), `${lines.join('\n')}\n`);
      const taken: string[] = [];
      const taking = async (): Promise<void> => {
        const ids = [...fixture.queue.blocks()].map((block) => block.header.id);
        taken.push(...fixture.texts());
        await fixture.queue.remove(ids);
      };
      await fixture.start();
      const full = (): boolean => fixture.pipeline.problems().some((problem) => problem.includes('is full'));
      await until(full, () => 'disk full');
      // What is in the air is given up here, and read again by the next one.
      await fixture.stop();
      await fixture.start();
      while (taken.length < lines.length) {
        await until(
          () => fixture.queue.blockCount > 0,
          () => `blocks beyond ${taken.length} lines`,
        );
        await taking();
      }
      expect(taken).toEqual(lines);
      await until(
        () => fixture.pipeline.problems().length === 0,
        () => 'no problem any more',
      );
    },
  );
});
