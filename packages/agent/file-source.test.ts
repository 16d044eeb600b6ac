import {
  appendFileSync,
  closeSync,
  copyFileSync,
  ftruncateSync,
  linkSync,
  mkdirSync,
  openSync,
  readdirSync,
  readlinkSync,
  renameSync,
  statSync,
  symlinkSync,
  truncateSync,
  unlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import path from 'node:path';
import { openForReading } from '@sluice/source/file/followed-file';
import { MAX_LINE_BYTES } from '@sluice/source/file/line-splitter';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { linesIn, PipelineFixture, until } from './pipeline-fixture.ts';

let fixture: PipelineFixture;
beforeEach(() => {
  fixture = new PipelineFixture();
});
afterEach(async () => {
  await fixture.cleanUp();
});

function write(name: string, text: string): void {
  writeFileSync(fixture.file(name), text);
}

function append(name: string, text: string): void {
  appendFileSync(fixture.file(name), text);
}

/** Writes a marker line into its own file and waits for it: everything before it was looked at. */
async function settle(marker: string): Promise<string[]> {
  write(`${marker}.log`, `${marker}\n`);
  await until(
    () => fixture.texts().includes(marker),
    () => marker,
  );
  await until(
    () => fixture.pipeline.unreadBytes === 0,
    () => 'nothing unread',
  );
  return fixture.texts().filter((text) => !text.startsWith('marker'));
}

/** What the descriptors of this process stand for, of Linux. */
function openTargets(): string[] {
  return readdirSync('/proc/self/fd').map((descriptor) => {
    try {
      return readlinkSync(`/proc/self/fd/${descriptor}`);
    } catch (error) {
      // The descriptor of the listing itself.
      return String(error);
    }
  });
}

describe('file source: identity', () => {
  it('starts at the end of files that are there first, and at the beginning of later ones', async () => {
    write('old.log', 'before\nunfinished');
    await fixture.start({ fromStart: false });
    append('old.log', ' line\nafter\n');
    write('new.log', 'first\n');
    expect((await fixture.lines(3)).toSorted()).toEqual(['after', 'first', 'unfinished line']);
    await fixture.stop();
    // A file that appears while the agent is down is read from its beginning too.
    write('down.log', 'down\n');
    await fixture.start({ fromStart: false });
    expect(await fixture.lines(4)).toContain('down');
    expect(await settle('marker')).toHaveLength(4);
  });

  it('remembers the end of the first start even when nothing was ever read', async () => {
    write('old.log', 'before\n');
    await fixture.start({ fromStart: false });
    await until(
      () => [...fixture.queue.checkpoints()].length === 2,
      () => 'position and mark',
    );
    await fixture.stop();
    append('old.log', 'after\n');
    await fixture.start({ fromStart: false });
    expect(await fixture.lines(1)).toEqual(['after']);
  });

  it('reads a file once through two patterns, a symbolic link and a hard link', async () => {
    write('a.log', 'one\n');
    symlinkSync(fixture.file('a.log'), fixture.file('symbolic.log'));
    linkSync(fixture.file('a.log'), fixture.file('hard.log'));
    const include = [path.join(fixture.logs, '*.log'), path.join(fixture.logs, '**/a.*')];
    await fixture.start({ include });
    append('a.log', 'two\n');
    await fixture.lines(2);
    expect(await settle('marker')).toEqual(['one', 'two']);
  });

  it('tells two files with the same short content apart', async () => {
    write('a.log', 'same\n');
    write('b.log', 'same\n');
    await fixture.start();
    await fixture.lines(2);
    append('b.log', 'b\n');
    append('a.log', 'a\n');
    await fixture.lines(4);
    expect((await settle('marker')).toSorted()).toEqual(['a', 'b', 'same', 'same']);
  });

  it('ignores an empty file until it grows', async () => {
    write('empty.log', '');
    await fixture.start();
    append('empty.log', 'now\n');
    expect(await fixture.lines(1)).toEqual(['now']);
  });

  it('reads a file that was deleted and created again from its beginning, also while down', async () => {
    write('a.log', 'first life\n');
    await fixture.start();
    await fixture.lines(1);
    unlinkSync(fixture.file('a.log'));
    write('a.log', 'second life\n');
    await fixture.lines(2);
    await fixture.stop();
    // The same length: only content and birth can tell, whether the inode is used again or not.
    unlinkSync(fixture.file('a.log'));
    write('a.log', 'secund life\n');
    await fixture.start();
    await fixture.lines(3);
    expect(await settle('marker')).toEqual(['first life', 'second life', 'secund life']);
  });

  it('follows a symbolic link that is pointed at another file', async () => {
    mkdirSync(path.join(fixture.root, 'real'));
    const [one, two] = [path.join(fixture.root, 'real/one'), path.join(fixture.root, 'real/two')];
    writeFileSync(one, '1\n');
    writeFileSync(two, '2\n');
    symlinkSync(one, fixture.file('current.log'));
    await fixture.start();
    await fixture.lines(1);
    unlinkSync(fixture.file('current.log'));
    symlinkSync(two, fixture.file('current.log'));
    expect(await fixture.lines(2)).toEqual(['1', '2']);
  });
});

describe('file source: rotation and truncation', () => {
  it('drains a renamed file and reads the new one, many times', async () => {
    write('a.log', 'start\n');
    await fixture.start();
    const expected = ['start'];
    for (let i = 0; i < 10; i++) {
      append('a.log', `before ${i}\n`);
      renameSync(fixture.file('a.log'), fixture.file(`a.log.${i}`));
      // The writer still has the old file.
      append(`a.log.${i}`, `late ${i}\n`);
      write('a.log', `fresh ${i}\n`);
      expected.push(`before ${i}`, `late ${i}`, `fresh ${i}`);
      await fixture.lines(expected.length);
    }
    expect((await settle('marker')).toSorted()).toEqual(expected.toSorted());
  });

  it('does not read a renamed file again when its new name matches too', async () => {
    write('a.log', 'one\n');
    await fixture.start();
    await fixture.lines(1);
    renameSync(fixture.file('a.log'), fixture.file('b.log'));
    append('b.log', 'two\n');
    await fixture.lines(2);
    expect(await settle('marker')).toEqual(['one', 'two']);
  });

  it('drains a removed file, frees its descriptor and forgets its position', async () => {
    write('a.log', 'one\n');
    await fixture.start();
    await fixture.lines(1);
    const writer = openSync(fixture.file('a.log'), 'a');
    const { ino } = statSync(fixture.file('a.log'));
    unlinkSync(fixture.file('a.log'));
    writeSync(writer, 'last words\n');
    closeSync(writer);
    expect(await fixture.lines(2)).toEqual(['one', 'last words']);
    await until(
      () => fixture.openFileCount === 0,
      () => 'descriptor freed',
    );
    if (process.platform === 'linux') {
      // Closing takes its time in another thread, and a look holds the directory itself open for a moment.
      await until(
        () => !openTargets().some((target) => target.includes(fixture.file('a.log'))),
        () => 'descriptor closed',
      );
    }
    const keys = (): string[] => [...fixture.queue.checkpoints()].map((checkpoint) => checkpoint.key);
    await until(
      () => !keys().some((key) => key.endsWith(`:${ino}`)),
      () => 'position forgotten',
    );
  });

  it('finds the rest of a file that was rotated while the agent was down', async () => {
    write('a.log', 'one\n');
    await fixture.start();
    await fixture.lines(1);
    await fixture.stop();
    append('a.log', 'two\n');
    renameSync(fixture.file('a.log'), fixture.file('a.log.1'));
    write('a.log', 'three\n');
    await fixture.start();
    await fixture.lines(3);
    expect((await settle('marker')).toSorted()).toEqual(['one', 'three', 'two']);
  });

  it('reads from the beginning after copytruncate, also when the file is as long again', async () => {
    write('a.log', 'one\ntwo\n');
    await fixture.start();
    await fixture.lines(2);
    copyFileSync(fixture.file('a.log'), fixture.file('a.log.1'));
    truncateSync(fixture.file('a.log'));
    append('a.log', 'new\n');
    await fixture.lines(3);
    // Truncated and longer than before in one step: only the first bytes tell.
    const descriptor = openSync(fixture.file('a.log'), 'r+');
    ftruncateSync(descriptor);
    writeSync(descriptor, 'longer than ever\nmore\n');
    closeSync(descriptor);
    await fixture.lines(5);
    expect(await settle('marker')).toEqual(['one', 'two', 'new', 'longer than ever', 'more']);
  });

  it('reads nothing from another file that got the inode of a rotated one while the agent was down', async () => {
    write('a.log', 'one\n');
    await fixture.start();
    await fixture.lines(1);
    await fixture.stop();
    unlinkSync(fixture.file('a.log'));
    // Most file systems give it the free inode; no pattern names it.
    write('a.unrelated', 'not a log, but longer than the log\n');
    await fixture.start();
    expect(await settle('marker')).toEqual(['one']);
  });

  it('notices a truncation across a restart', async () => {
    write('a.log', 'one\ntwo\n');
    await fixture.start();
    await fixture.lines(2);
    await fixture.stop();
    write('a.log', 'another and longer\n');
    await fixture.start();
    expect(await fixture.lines(3)).toEqual(['one', 'two', 'another and longer']);
  });
});

describe('file source: content', () => {
  it('takes CRLF, empty lines, NUL and invalid bytes as they are', async () => {
    writeFileSync(fixture.file('a.log'), Buffer.from('a\r\n\r\n\nb\0c\n\xff\xfe\n', 'latin1'));
    await fixture.start();
    expect(await fixture.lines(5)).toEqual(['a', '', '', 'b\0c', '\xff\xfe']);
  });

  it('hands out a last line without end after a wait, and what follows as a line of its own', async () => {
    write('a.log', 'one\nhalf');
    await fixture.start({ flushAfterMs: 50 });
    expect(await fixture.lines(2)).toEqual(['one', 'half']);
    append('a.log', ' rest\n');
    expect(await fixture.lines(3)).toEqual(['one', 'half', ' rest']);
    append('a.log', 'whole');
    await fixture.lines(4);
    await fixture.stop();
    // The terminator of a line that was handed out is not an empty line, not even after a restart.
    append('a.log', '\nlast\n');
    await fixture.start({ flushAfterMs: 50 });
    await fixture.lines(5);
    expect(await settle('marker')).toEqual(['one', 'half', ' rest', 'whole', 'last']);
  });

  it('puts a line together that is written in pieces, across a restart too', async () => {
    write('a.log', 'one\nsp');
    await fixture.start();
    await fixture.lines(1);
    append('a.log', 'li');
    await fixture.stop();
    append('a.log', 't\n');
    await fixture.start();
    expect(await fixture.lines(2)).toEqual(['one', 'split']);
  });

  it('resumes in the middle of a large file', async () => {
    const lines = Array.from({ length: 20_000 }, (_, i) => `line ${i} ${'x'.repeat(i % 300)}`);
    write('a.log', `${lines.slice(0, 10_000).join('\n')}\n`);
    await fixture.start();
    await fixture.lines(10_000);
    await fixture.stop();
    append('a.log', `${lines.slice(10_000).join('\n')}\n`);
    await fixture.start();
    expect(await fixture.lines(20_000)).toEqual(lines);
  });

  it('hands out a line beyond the limit in parts', async () => {
    const long = 'z'.repeat(MAX_LINE_BYTES * 3 + 7);
    write('a.log', `${long}\nnext\n`);
    await fixture.start();
    const texts = await fixture.lines(5);
    expect(texts.slice(0, 4).join('')).toBe(long);
    expect(texts[4]).toBe('next');
  });
});

describe('file source: environment', () => {
  it('leaves out what is excluded, and its own data', async () => {
    mkdirSync(fixture.file('deep/er'), { recursive: true });
    mkdirSync(fixture.file('skipped'));
    write('deep/er/a.log', 'deep\n');
    write('skipped/b.log', 'no\n');
    write('c.skip.log', 'no\n');
    mkdirSync(fixture.data, { mode: 0o700 });
    writeFileSync(path.join(fixture.data, 'own.log'), 'own\n');
    await fixture.start({
      include: [path.join(fixture.root, '**/*.log')],
      exclude: ['*.skip.log', path.join(fixture.logs, 'skipped')],
    });
    await fixture.lines(1);
    expect(await settle('marker')).toEqual(['deep']);
    expect(linesIn(fixture.queue).map((line) => line.path)).toContain(fixture.file('deep/er/a.log'));
  });

  it('ends in a circle of directory links, and reads through one', async () => {
    mkdirSync(path.join(fixture.root, 'elsewhere'));
    writeFileSync(path.join(fixture.root, 'elsewhere/far.log'), 'far\n');
    symlinkSync(path.join(fixture.root, 'elsewhere'), fixture.file('linked'));
    symlinkSync(fixture.logs, path.join(fixture.root, 'elsewhere/circle'));
    await fixture.start();
    await fixture.lines(1);
    expect(await settle('marker')).toEqual(['far']);
  });

  it('finds a directory that appears later', async () => {
    await fixture.start({ include: [fixture.file('later/*/x.log')] });
    mkdirSync(fixture.file('later/on'), { recursive: true });
    write('later/on/x.log', 'here\n');
    expect(await fixture.lines(1)).toEqual(['here']);
  });

  it('shows a file that may not be read, goes on with the others, and reads it once it may', async () => {
    write('secret.log', 'secret\n');
    write('public.log', 'public\n');
    let allowed = false;
    await fixture.start({
      openFile: async (file) => {
        if (file.includes('secret') && !allowed) {
          throw Object.assign(new Error(`EACCES: permission denied, open '${file}'`), { code: 'EACCES' });
        }
        return openForReading(file);
      },
    });
    expect(await fixture.lines(1)).toEqual(['public']);
    await until(
      () => fixture.pipeline.problems().some((problem) => /secret.log: EACCES/.test(problem)),
      () => 'shown',
    );
    allowed = true;
    expect(await fixture.lines(2)).toEqual(['public', 'secret']);
    await until(
      () => fixture.pipeline.problems().length === 0,
      () => 'problem gone',
    );
  });

  it('does not start before the end of a file that may not be read at the first start', async () => {
    write('secret.log', 'old\n');
    let allowed = false;
    const openFile = async (file: string): ReturnType<typeof openForReading> => {
      if (!allowed) throw Object.assign(new Error('EACCES: permission denied'), { code: 'EACCES' });
      return openForReading(file);
    };
    await fixture.start({ openFile, fromStart: false });
    await until(
      () => [...fixture.queue.checkpoints()].length === 2,
      () => 'position and mark',
    );
    await fixture.stop();
    append('secret.log', 'new\n');
    allowed = true;
    await fixture.start({ openFile, fromStart: false });
    expect(await fixture.lines(1)).toEqual(['new']);
  });

  it('follows more files than it may hold open, none forgotten, none twice', async () => {
    const names = Array.from({ length: 60 }, (_, i) => `f${i}.log`);
    for (const name of names) write(name, `${name} 1\n`);
    let open = 0;
    let most = 0;
    await fixture.start({
      maxOpenFiles: 7,
      openFile: async (file) => {
        const handle = await openForReading(file);
        most = Math.max(most, ++open);
        const close = handle.close.bind(handle);
        handle.close = () => {
          open--;
          return close();
        };
        return handle;
      },
    });
    await fixture.lines(60);
    for (const name of names) append(name, `${name} 2\n`);
    await fixture.lines(120);
    for (const name of names) append(name, `${name} 3\n`);
    const texts = await fixture.lines(180);
    expect(new Set(texts).size).toBe(180);
    expect(texts).toHaveLength(180);
    expect(most).toBeLessThanOrEqual(7);
  });

  it('follows a thousand files', async () => {
    const names = Array.from({ length: 1000 }, (_, i) => `dir${i % 10}/f${i}.log`);
    for (let i = 0; i < 10; i++) mkdirSync(fixture.file(`dir${i}`));
    for (const name of names) write(name, `${name} 1\n`);
    await fixture.start();
    await fixture.lines(1000);
    for (const name of names) append(name, `${name} 2\n`);
    const texts = await fixture.lines(2000);
    expect(new Set(texts).size).toBe(2000);
    expect(texts).toHaveLength(2000);
  });

  it('gives small files their turn while a huge one is read', async () => {
    write('huge.log', `${'h'.repeat(99)}\n`.repeat(200_000));
    for (let i = 0; i < 20; i++) write(`small${i}.log`, `small ${i}\n`);
    await fixture.start();
    await fixture.lines(200_020);
    const order = linesIn(fixture.queue).map((line) => line.text.startsWith('small'));
    expect(order.lastIndexOf(true)).toBeLessThan(order.length / 2);
  });

  it('pauses while the queue is full, and loses nothing', async () => {
    const lines = Array.from({ length: 60_000 }, (_, i) => `${i} ${Math.sin(i)} ${'pad '.repeat(20)}`);
    write('a.log', `${lines.join('\n')}\n`);
    await fixture.start({}, 300_000);
    const taken: string[] = [];
    while (taken.length < lines.length) {
      await until(
        () => fixture.headers.length > 0,
        () => 'a block',
      );
      await until(
        () => fixture.queue.isFull || (fixture.pipeline.unreadBytes === 0 && fixture.queue.blockCount > 0),
        () => 'full, or the rest',
      );
      // What was in the air when the queue became full, and no more.
      expect(fixture.queue.usedBytes).toBeLessThan(3_000_000);
      const here = linesIn(fixture.queue).map((line) => line.text);
      const ids = [...fixture.queue.blocks()].map((block) => block.header.id);
      taken.push(...here);
      await fixture.queue.remove(ids);
    }
    expect(taken).toEqual(lines);
  });
});
