import { describe, expect, it } from 'vitest';
import { GroupCommit, MAX_COMMIT_BYTES, type PendingWrite } from './group-commit.ts';

/** A disk whose commits end when the test says so. */
class ManualDisk {
  readonly commits: { readonly names: string[]; readonly end: (error?: Error) => void }[] = [];
  #names: string[] = [];
  #arrived: (() => void) | undefined;

  readonly group = new GroupCommit<undefined>(
    (writes) =>
      new Promise((resolve, reject) => {
        this.#names = [];
        writes(undefined);
        this.commits.push({
          names: this.#names,
          end: (error) => (error === undefined ? resolve() : reject(error)),
        });
        this.#arrived?.();
      }),
    () => undefined,
  );

  write(name: string, rank = 0, bytes = 1): PendingWrite<undefined> {
    return { rank, bytes, apply: () => this.#names.push(name), revert: () => this.reverted.push(name) };
  }

  readonly reverted: string[] = [];

  async commit(index: number): Promise<{ readonly names: string[]; readonly end: (error?: Error) => void }> {
    for (;;) {
      const commit = this.commits[index];
      if (commit !== undefined) return commit;
      await new Promise<void>((resolve) => {
        this.#arrived = resolve;
      });
    }
  }
}

describe('GroupCommit', () => {
  it('resolves nothing before its commit has ended, and commits together what waited', async () => {
    const disk = new ManualDisk();
    const settled: string[] = [];
    const submit = (name: string): Promise<void> =>
      disk.group.submit(disk.write(name)).then(() => void settled.push(name));
    const first = submit('a');
    const commit = await disk.commit(0);
    const others = [submit('b'), submit('c')];
    await new Promise((resolve) => setImmediate(resolve));
    expect(settled).toEqual([]);
    expect(disk.commits).toHaveLength(1);
    commit.end();
    await first;
    const second = await disk.commit(1);
    expect(second.names).toEqual(['b', 'c']);
    expect(settled).toEqual(['a']);
    second.end();
    await Promise.all(others);
    await disk.group.idle();
    expect(disk.commits).toHaveLength(2);
  });

  it('lets urgent writes pass those that wait, and bounds a commit', async () => {
    const disk = new ManualDisk();
    const writes = [disk.group.submit(disk.write('running'))];
    const running = await disk.commit(0);
    writes.push(disk.group.submit(disk.write('bulk 1', 3, MAX_COMMIT_BYTES - 1)));
    writes.push(disk.group.submit(disk.write('bulk 2', 3, 10)));
    writes.push(disk.group.submit(disk.write('urgent', 0, 1)));
    running.end();
    const next = await disk.commit(1);
    expect(next.names).toEqual(['urgent', 'bulk 1']);
    next.end();
    const last = await disk.commit(2);
    expect(last.names).toEqual(['bulk 2']);
    last.end();
    await Promise.all(writes);
  });

  it('tries each write of a failed commit alone, and reverts what failed', async () => {
    const disk = new ManualDisk();
    const good = disk.group.submit(disk.write('good'));
    const bad = disk.group.submit(disk.write('bad'));
    const badFails = expect(bad).rejects.toThrow('too large');
    (await disk.commit(0)).end(new Error('together'));
    const alone = await disk.commit(1);
    expect(alone.names).toEqual(['good']);
    alone.end();
    (await disk.commit(2)).end(new Error('too large'));
    await Promise.all([good, badFails]);
    expect(disk.reverted).toEqual(['good', 'bad', 'bad']);
  });
});
