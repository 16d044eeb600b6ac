/**
 * U12, U14, U25, liveness: a block is acknowledged and forgotten only when this very content is durable at a server; no
 * content is lost or visible twice, and in the end each is visible. Only where a directory came back older, or is there twice,
 * the same content may come again.
 */
import { blockKey, positionKey } from '@sluice/protocol/model';
import type { Observation } from '../world.ts';
import { BlockCopies } from './block-copies.ts';
import type { Checker } from './checker.ts';
import { CheckFailure } from './checker.ts';

export class DurabilityChecker implements Checker {
  /** By position of a run: the content that was sealed there. */
  readonly #sealed = new Map<string, string>();
  /** Content that was queued and cannot be found yet. */
  readonly #unseen = new Set<string>();
  /** By content: the blocks that show it. */
  readonly #shown = new Map<string, Set<string>>();
  /** Agents whose blocks and lines may come again. */
  readonly #repeating = new Set<string>();
  /** Agents in whose name others speak. */
  readonly #impersonated = new Set<string>();
  /** Runs whose positions may be drawn again. */
  readonly #sharedEpochs = new Set<number>();
  /** By server and position: what was journaled for it. */
  readonly #taken = new Map<string, Set<string>>();
  readonly #copies = new BlockCopies();
  /** In how many journals a block is, or was. */
  readonly #everJournaled = new Map<string, Set<string>>();
  #inJournals = 0;
  /** What each process still holds, by its name. */
  readonly #held = new Map<string, Set<string>>();

  observe(observation: Observation): void {
    switch (observation.type) {
      case 'block_queued':
        this.#queued(observation);
        return;
      case 'directory_put_back':
        this.#repeating.add(observation.agentId);
        for (const digest of observation.lost) this.#unseen.delete(digest);
        return;
      case 'directory_copied':
        this.#repeating.add(observation.agentId);
        return;
      case 'name_taken':
        this.#impersonated.add(observation.agentId);
        return;
      case 'epoch_shared':
        this.#sharedEpochs.add(observation.epoch);
        return;
      case 'agent_started':
        this.#held.set(observation.name, new Set());
        return;
      case 'agent_ended':
        this.#held.delete(observation.name);
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
        this.#judgeTaking(observation, servers.has(observation.serverId));
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
          if (count === 0 && wasVisible) fail(`${key} was visible, and is no longer`);
          if (count > 0) this.#show(key, count);
        }
        return;
      default:
    }
  }

  /** A run draws each position once, whatever became of its directory before. */
  #queued({ header: { id }, isForged }: Extract<Observation, { type: 'block_queued' }>): void {
    const position = positionKey(id);
    const before = this.#sealed.get(position);
    this.#sealed.set(position, id.digest);
    if (before !== undefined && !this.#sharedEpochs.has(id.epoch)) fail(`${position} was drawn twice`);
    if (!isForged && !this.#shown.has(id.digest)) this.#unseen.add(id.digest);
  }

  /** What a server took for a position before, it knows, or says that it may have forgotten it. */
  #judgeTaking(
    { serverId, header: { id }, recognition }: Extract<Observation, { type: 'block_journaled' }>,
    isTakenAgain: boolean,
  ): void {
    const place = `${serverId} ${positionKey(id)}`;
    const contents = this.#taken.get(place) ?? new Set();
    const what = `${serverId} took ${blockKey(id)} as ${recognition}`;
    if (isTakenAgain && recognition !== 'unsure') fail(`${what}, a second time`);
    if (isTakenAgain && !this.#repeating.has(id.agentId) && !this.#impersonated.has(id.agentId))
      fail(`${what}, a second time, of an agent in order`);
    if (contents.size > 0 && recognition === 'new') fail(`${what}, and had another content there`);
    if (contents.size === 0 && recognition === 'conflict') fail(`${what}, and had nothing there`);
    this.#taken.set(place, contents.add(id.digest));
  }

  #show(key: string, count: number): void {
    const [agentId = '', , , digest = ''] = key.split('/');
    const blocks = this.#shown.get(digest) ?? new Set();
    this.#shown.set(digest, blocks.add(key));
    this.#unseen.delete(digest);
    if (this.#repeating.has(agentId)) return;
    if (count > 1) fail(`${key} is visible ${count} times`);
    if (blocks.size > 1) fail(`${digest} is visible as ${[...blocks].join(' and ')}`);
  }

  pending(): string | undefined {
    let held = 0;
    for (const blocks of this.#held.values()) held += blocks.size;
    if (this.#unseen.size + this.#inJournals + held === 0) return undefined;
    return `${this.#unseen.size} lines not visible, ${this.#inJournals} in journals, ${held} held by agents`;
  }

  #agentStep({ name, event, effects }: Extract<Observation, { type: 'agent_step' }>): void {
    const held = this.#held.get(name);
    if (event.type === 'block_sealed') held?.add(blockKey(event.block.id));
    for (const effect of effects) {
      if (effect.type === 'set_aside_block')
        fail(`${blockKey(effect.blockId)} was set aside: ${effect.reason}`);
      if (effect.type !== 'forget_block') continue;
      const key = blockKey(effect.blockId);
      if (!this.#everJournaled.has(key)) fail(`${name} forgot ${key}, which is nowhere durable`);
      if (held?.delete(key) !== true) fail(`${name} forgot ${key}, which it does not hold`);
    }
  }

  #isDurableAt(key: string, serverId: string): boolean {
    return this.#everJournaled.get(key)?.has(serverId) === true;
  }
}

function fail(message: string): never {
  throw new CheckFailure('durability', message);
}
