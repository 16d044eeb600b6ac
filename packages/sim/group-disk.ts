/**
 * A disk behind transactions that are synced in groups, as LMDB is used by the agent's queue and the server's journal.
 *
 * Invariants: one commit at a time; the writes of a commit become durable together or not at all; a write is told of only
 * after its commit was synced; a commit that fails wrote nothing, and its writes are then tried one by one; when the
 * process dies, the commit under way may or may not be on disk, and what waited behind it is not.
 */
import type { World } from './world.ts';

/** A disk that hangs does so for seconds, seldom for longer than an agent waits before it thinks a channel stuck. */
const MOST_STUCK_MS = 14_000;

export interface DiskWrite {
  /** Changes what is durable. */
  apply(): void;
  /** Called after the sync, never after the process died. */
  done(isWritten: boolean): void;
}

export class GroupDisk {
  readonly #world: World;
  #waiting: DiskWrite[] = [];
  #running: readonly DiskWrite[] | undefined;
  #dead = false;

  constructor(world: World) {
    this.#world = world;
  }

  submit(write: DiskWrite): void {
    if (this.#dead) return;
    this.#waiting.push(write);
    if (this.#running === undefined) this.#world.after(0, () => this.#next());
  }

  /** The process dies. */
  kill(): void {
    if (this.#dead) return;
    this.#dead = true;
    if (this.#running !== undefined && this.#world.chance.disk.chance(0.5)) {
      for (const write of this.#running) write.apply();
    }
  }

  #next(): void {
    if (this.#dead || this.#running !== undefined || this.#waiting.length === 0) return;
    const group = this.#waiting;
    this.#waiting = [];
    this.#commit([group]);
  }

  /** Commits the first group, then the others, then what has come meanwhile. */
  #commit(groups: readonly (readonly DiskWrite[])[]): void {
    const [group, ...rest] = groups;
    this.#running = group;
    if (group === undefined) {
      this.#next();
      return;
    }
    const { disk } = this.#world.chance;
    const { mostSyncMs, faults } = this.#world.options;
    const isSlow = this.#world.isFaulty && disk.chance(faults.slowSyncs);
    const syncMs = disk.skewed(0, mostSyncMs) + (isSlow ? disk.skewed(500, MOST_STUCK_MS) : 0);
    const isFailing = this.#world.isFaulty && disk.chance(faults.failedSyncs);
    this.#world.after(syncMs, () => {
      if (this.#dead) return;
      if (isFailing && group.length > 1) {
        this.#commit([...group.map((write) => [write]), ...rest]);
        return;
      }
      // From here on a crash finds the commit behind it.
      this.#running = [];
      if (!isFailing) for (const write of group) write.apply();
      for (const write of group) if (!this.#dead) write.done(!isFailing);
      if (!this.#dead) this.#commit(rest);
    });
  }
}
