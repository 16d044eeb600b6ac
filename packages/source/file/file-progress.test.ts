import { describe, expect, it } from 'vitest';
import { FileProgress } from './file-progress.ts';

describe('progress of a file', () => {
  it('waits from the first unread byte until one is read', () => {
    const progress = new FileProgress();
    progress.look(0, 0, 1000);
    expect([progress.waitingSinceMs, progress.behindSinceMs]).toEqual([undefined, undefined]);
    progress.look(0, 100, 2000);
    progress.look(0, 300, 3000);
    expect([progress.waitingSinceMs, progress.behindSinceMs]).toEqual([2000, 2000]);
    progress.look(50, 300, 4000);
    expect([progress.waitingSinceMs, progress.behindSinceMs]).toEqual([4000, 2000]);
    progress.look(300, 300, 5000);
    expect([progress.waitingSinceMs, progress.behindSinceMs]).toEqual([undefined, undefined]);
  });

  it('is behind by the oldest byte, also in a file that never ends', () => {
    const progress = new FileProgress();
    for (let second = 0; second < 100; second += 1) {
      progress.look(second * 100, second * 100 + 250, second * 1000);
      // Each byte is read within three seconds of its writing, and the file is never read to its end.
      expect(second * 1000 - (progress.behindSinceMs ?? 0)).toBeLessThanOrEqual(3000);
    }
  });

  it('begins anew with a file that was cut', () => {
    const progress = new FileProgress();
    progress.look(0, 10_000, 1000);
    progress.look(0, 50, 2000);
    progress.look(50, 80, 3000);
    expect(progress.behindSinceMs).toBe(3000);
  });

  it('counts failures and remembers the first of a row', () => {
    const progress = new FileProgress();
    progress.failed('EACCES', 1000);
    progress.failed('EIO', 2000);
    expect([progress.failure, progress.failingSinceMs, progress.readErrors]).toEqual(['EIO', 1000, 2]);
    progress.succeeded();
    expect([progress.failure, progress.failingSinceMs, progress.readErrors]).toEqual(['', undefined, 2]);
  });
});
