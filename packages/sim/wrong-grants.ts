/**
 * Servers that say what they should not: a grant for the second time, a refusal of absurd length, a grant of which nothing can
 * be made. What an agent does about it is in SPEC.md (U3).
 */
import type { Grant } from '@sluice/protocol/model';
import type { World } from './world.ts';

/** Nobody means to refuse for eleven days. */
const ABSURD_MS = 1_000_000_000;

export class WrongGrants {
  readonly #world: World;
  #latest: Grant | undefined;

  constructor(world: World) {
    this.#world = world;
  }

  /** A connection begins: what was granted over an earlier one is over. */
  connected(): void {
    this.#latest = undefined;
  }

  /** What the agent hears instead of the grant, now and then; mostly the grant itself. */
  insteadOf(grant: Grant): Grant {
    const { isFaulty, chance, options } = this.#world;
    const earlier = this.#latest;
    if (!isFaulty || !chance.peers.chance(options.faults.wrongGrants)) {
      if (grant.channels.length > 0) this.#latest = grant;
      return grant;
    }
    if (grant.channels.length === 0) return { ...grant, retryAfterMs: ABSURD_MS };
    const { requestId } = grant;
    switch (chance.peers.int(0, 3)) {
      case 0:
        return earlier === undefined ? grant : { ...earlier, requestId };
      case 1:
        return { ...grant, lifetimeMs: 0 };
      case 2: {
        const channels = grant.channels.map((channel) => ({
          ...{ ...channel, quotaBytes: 0, reservedForUrgentBytes: 0 },
        }));
        return { ...grant, channels };
      }
      default: {
        const [first] = grant.channels;
        return first === undefined ? grant : { ...grant, channels: [first, first] };
      }
    }
  }
}
