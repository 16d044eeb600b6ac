/**
 * U12, U14, liveness: a block is acknowledged and forgotten only when durable at a server, never lost, never visible
 * twice, and in the end visible once.
 */
import type { AgentId } from '@sluice/protocol/model';
import { blockKey } from '@sluice/protocol/model';
import type { Observation } from '../world.ts';
import { BlockCopies } from './block-copies.ts';
import type { Checker } from './checker.ts';
import { CheckFailure } from './checker.ts';

export class DurabilityChecker implements Checker {
  readonly #queued = new Set<string>();
  /** Queued and not yet in the store. */
  readonly #unseen = new Set<string>();
  readonly #copies = new BlockCopies();
  /** In how many journals a block is, or was. */
  readonly #everJournaled = new Map<string, Set<string>>();
  /** Left their agent's queue. */
  readonly #removed = new Set<string>();
  #inJournals = 0;
  /** What each agent's present life still holds. */
  readonly #held = new Map<AgentId, Set<string>>();

  observe(observation: Observation): void {
    switch (observation.type) {
      case 'block_queued': {
        const key = blockKey(observation.header.id);
        if (this.#queued.has(key)) fail(`${key} was made twice`);
        this.#queued.add(key);
        this.#unseen.add(key);
        return;
      }
      case 'agent_started':
        this.#held.set(observation.agentId, new Set());
        return;
      case 'agent_step':
        this.#agentStep(observation);
        return;
      case 'server_step':
        for (const effect of observation.effects) {
          if (effect.type !== 'acknowledge_block') continue;
          const key = blockKey(effect.blockId);
          if (!this.#isDurableAt(key, observation.serverId)) {
            fail(`${observation.serverId} acknowledged ${key}, which it does not have durable`);
          }
        }
        return;
      case 'block_journaled': {
        const key = blockKey(observation.header.id);
        const servers = this.#everJournaled.get(key) ?? new Set();
        if (servers.has(observation.serverId)) fail(`${observation.serverId} journaled ${key} twice`);
        this.#everJournaled.set(key, servers.add(observation.serverId));
        this.#inJournals += 1;
        return;
      }
      case 'block_unjournaled': {
        const key = blockKey(observation.header.id);
        if (!this.#copies.isStored(key))
          fail(`${observation.serverId} let go of ${key}, which is not in the store`);
        this.#inJournals -= 1;
        return;
      }
      case 'block_removed':
        this.#removed.add(observation.key);
        if (!this.#everJournaled.has(observation.key))
          fail(`${observation.key} left its queue and is nowhere durable`);
        return;
      case 'blocks_stored':
      case 'copies_marked':
      case 'copies_deleted':
        for (const key of observation.keys) {
          const wasVisible = this.#copies.isVisible(key);
          if (observation.type === 'blocks_stored') this.#copies.stored(key, observation.serverId);
          else if (observation.type === 'copies_deleted') this.#copies.deleted(key, observation.serverId);
          else this.#copies.marked(key, observation.serverId, observation.state);
          const count = this.#copies.visibleCount(key);
          if (count > 1) fail(`${key} is visible ${count} times`);
          if (count === 0 && wasVisible) fail(`${key} was visible, and is no longer`);
          if (count === 1) this.#unseen.delete(key);
        }
        return;
      default:
    }
  }

  pending(): string | undefined {
    let held = 0;
    for (const blocks of this.#held.values()) held += blocks.size;
    if (this.#unseen.size + this.#inJournals + held === 0) return undefined;
    return `${this.#unseen.size} blocks not visible, ${this.#inJournals} in journals, ${held} held by agents`;
  }

  #agentStep({ agentId, event, effects }: Extract<Observation, { type: 'agent_step' }>): void {
    const held = this.#held.get(agentId);
    if (event.type === 'block_sealed') held?.add(blockKey(event.block.id));
    for (const effect of effects) {
      if (effect.type === 'set_aside_block')
        fail(`${blockKey(effect.blockId)} was set aside: ${effect.reason}`);
      if (effect.type !== 'forget_block') continue;
      const key = blockKey(effect.blockId);
      if (!this.#everJournaled.has(key)) fail(`${agentId} forgot ${key}, which is nowhere durable`);
      if (held?.delete(key) !== true) fail(`${agentId} forgot ${key}, which it does not hold`);
    }
  }

  #isDurableAt(key: string, serverId: string): boolean {
    // A server is told which blocks have left their queue for good: it takes them for known, wherever they are durable.
    return this.#everJournaled.get(key)?.has(serverId) === true || this.#removed.has(key);
  }
}

function fail(message: string): never {
  throw new CheckFailure('durability', message);
}
