/** An agent of a scaled world (scale-world.ts): the real state machine, blocks at its own pace, and its connections. */
import { Random } from '@sluice/base/random';
import type { AgentEffect, UntimedAgentEvent } from '@sluice/protocol/agent-events';
import { createAgentMachine } from '@sluice/protocol/agent-machine';
import { contentDigest, timeMs } from '@sluice/protocol/brand';
import { MachineRunner } from '@sluice/protocol/machine-runner';
import type { AgentId, BlockHeader, ServerId } from '@sluice/protocol/model';
import type { ScaleHost } from './scale-host.ts';
import type { LinkedAgent } from './scale-link.ts';
import { ScaleLink } from './scale-link.ts';
import type { ScaleServer } from './scale-server.ts';

const URGENT_BLOCK_BYTES = 2048;
/** One way, for an agent and all of its servers. */
const LEAST_DELAY_MS = 1;
const MOST_DELAY_MS = 20;

export class ScaleAgent implements LinkedAgent {
  readonly id: AgentId;
  readonly random: Random;
  readonly #world: ScaleHost;
  readonly #index: number;
  readonly #runner: MachineRunner<UntimedAgentEvent, AgentEffect>;
  readonly #links: Map<ServerId, ScaleLink>;
  readonly #blocks = new Map<number, BlockHeader>();
  #sequence = 0;
  #wakeMs = 0;

  constructor(world: ScaleHost, index: number, servers: readonly ScaleServer[], seed: number) {
    this.#world = world;
    this.#index = index;
    // A name as the configuration makes it.
    this.id = `a${index + 1}` as AgentId;
    this.random = new Random(seed, 'agent');
    this.#runner = new MachineRunner(createAgentMachine({ seed }), {
      now: () => timeMs(world.nowMs),
      execute: (effect) => this.#execute(effect),
    });
    const delayMs = this.random.int(LEAST_DELAY_MS, MOST_DELAY_MS);
    this.#links = new Map(servers.map((server) => [server.id, new ScaleLink(world, this, server, delayMs)]));
  }

  start(): void {
    // Computers are not switched on in the same moment.
    for (const link of this.#links.values()) {
      this.#world.after(this.random.int(0, 10_000), () => link.connect());
    }
    this.#world.after(this.#pauseMs(), () => this.#seal());
  }

  dispatch(event: UntimedAgentEvent): void {
    this.#world.agentSteps += 1;
    if (event.type === 'block_acknowledged') this.#acknowledged(event.blockId.sequence);
    this.#runner.dispatch(event);
  }

  #execute(effect: AgentEffect): void {
    const agentId = this.id;
    switch (effect.type) {
      case 'send_request': {
        const { serverId, request } = effect;
        this.#links.get(serverId)?.toServer(() => ({ type: 'request_received', agentId, request }));
        return;
      }
      case 'send_block': {
        const { serverId, grantId, channel, block } = effect;
        const link = this.#links.get(serverId);
        link?.toServer(() => ({
          ...{ type: 'block_arrived', agentId, grantId, channel, block },
          known: link.server.knows(block),
        }));
        return;
      }
      case 'send_notice': {
        const { serverId, notice } = effect;
        this.#links.get(serverId)?.toServer(() => ({ type: 'notice_received', agentId, notice }));
        return;
      }
      case 'peer_problem':
        return;
      case 'wake_at':
        this.#wakeAt(effect.atMs);
        return;
      case 'forget_block':
      case 'set_aside_block':
      case 'close_channel':
        return;
      default:
        effect satisfies never;
    }
  }

  #wakeAt(atMs: number): void {
    this.#wakeMs = atMs;
    this.#world.after(Math.max(0, atMs - this.#world.nowMs), () => {
      if (this.#wakeMs === atMs) this.dispatch({ type: 'woken' });
    });
  }

  #seal(): void {
    if (this.#world.nowMs >= this.#world.options.productionMs) return;
    const isUrgent = this.random.chance(this.#world.options.urgentPart);
    this.#sequence += 1;
    const block: BlockHeader = {
      id: {
        agentId: this.id,
        epoch: 1,
        sequence: this.#sequence,
        digest: contentDigest(`${this.#sequence}`),
      },
      urgency: isUrgent ? 'urgent' : 'normal',
      rawBytes: isUrgent ? URGENT_BLOCK_BYTES : this.#world.options.blockBytes,
      recordCount: 1,
      oldestObservedMs: timeMs(this.#world.nowMs),
    };
    this.#blocks.set(this.#sequence, block);
    this.#world.blocksMade += 1;
    this.#world.bytesMade += block.rawBytes;
    this.#world.after(this.#pauseMs(), () => this.#seal());
    this.dispatch({ type: 'block_sealed', block });
  }

  #pauseMs(): number {
    return Math.ceil(2 * this.random.next() * this.#world.options.blockIntervalMs);
  }

  #acknowledged(sequence: number): void {
    const block = this.#blocks.get(sequence);
    if (block === undefined) return;
    this.#blocks.delete(sequence);
    this.#world.bytesDelivered += block.rawBytes;
    this.#world.deliveries.push({
      agent: this.#index,
      urgency: block.urgency,
      rawBytes: block.rawBytes,
      sealedMs: block.oldestObservedMs,
      acknowledgedMs: this.#world.nowMs,
    });
  }
}
