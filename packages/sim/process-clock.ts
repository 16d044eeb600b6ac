/**
 * The clock of one process: some time ahead of the world's, another for each process, so that nothing may compare times
 * of two of them. It can jump.
 */
import { timeMs } from '@sluice/protocol/brand';
import type { TimeMs } from '@sluice/protocol/model';
import type { World } from './world.ts';

/** How far clocks are apart. */
const MOST_OFFSET_MS = 100_000_000;
/** A suspended machine comes back so much later. */
const MOST_JUMP_MS = 60_000;
/** A clock that is set goes back so far; the real programs use one that never does. */
const MOST_JUMP_BACK_MS = 3_000;

export class ProcessClock {
  readonly #world: World;
  #offsetMs: number;

  constructor(world: World) {
    this.#world = world;
    this.#offsetMs = world.chance.clocks.int(0, MOST_OFFSET_MS);
  }

  get nowMs(): TimeMs {
    return timeMs(this.#world.nowMs + this.#offsetMs);
  }

  jump(): void {
    const { clocks } = this.#world.chance;
    const isBack = clocks.chance(0.2);
    this.#offsetMs += isBack ? -clocks.skewed(1, MOST_JUMP_BACK_MS) : clocks.skewed(1, MOST_JUMP_MS);
  }
}
