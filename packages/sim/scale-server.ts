/** A server of a scaled world (scale-world.ts): the real state machine over a journal that is emptied at a fixed rate. */
import { defined } from '@sluice/base/defined';
import type { UntimedAgentEvent } from '@sluice/protocol/agent-events';
import { timeMs } from '@sluice/protocol/brand';
import { MachineRunner } from '@sluice/protocol/machine-runner';
import type { AgentId, BlockHeader, ServerId } from '@sluice/protocol/model';
import { blockKey } from '@sluice/protocol/model';
import type { ServerEffect, UntimedServerEvent } from '@sluice/protocol/server-events';
import { createServerMachine } from '@sluice/protocol/server-machine';
import type { ScaleHost } from './scale-host.ts';

const COMMIT_MS = 5;
/** How often a loader takes what it has loaded out of the journal. */
const LOAD_INTERVAL_MS = 100;

/** The server's end of an agent's connection. */
export interface AgentEnd {
  /** Sends what the agent is to learn; it is lost when the connection breaks before it arrives. */
  toAgent(event: UntimedAgentEvent): void;
  broken(): void;
}

export class ScaleServer {
  readonly id: ServerId;
  readonly #world: ScaleHost;
  #runner: MachineRunner<UntimedServerEvent, ServerEffect> | undefined;
  #life = 0;
  #wakeMs = 0;
  /** The block that just arrived, while the machine decides on it. */
  #arriving: BlockHeader | undefined;
  readonly #links = new Map<AgentId, AgentEnd>();
  /** Durable in the journal; by key. */
  readonly #journaled = new Set<string>();
  heldBytes = 0;
  connections = 0;
  requests = 0;
  refusals = 0;
  readonly #unanswered = new Set<AgentId>();

  constructor(world: ScaleHost, index: number) {
    this.#world = world;
    // A name as the configuration makes it.
    this.id = `s${index + 1}` as ServerId;
  }

  get isUp(): boolean {
    return this.#runner !== undefined;
  }

  /** Agents whose latest request waits. */
  get unanswered(): number {
    return this.#unanswered.size;
  }

  start(): void {
    this.#life += 1;
    const { journalBytes } = this.#world.options;
    const instance = `${this.id}.${this.#life}`;
    const machine = createServerMachine({ serverId: this.id, instance, journalBytes });
    const timed = {
      step: (event: Parameters<typeof machine.step>[0]): ServerEffect[] => {
        const startMs = performance.now();
        const effects = machine.step(event);
        this.#world.serverWallMs += performance.now() - startMs;
        this.#world.serverSteps += 1;
        return effects;
      },
    };
    this.#runner = new MachineRunner(timed, {
      now: () => timeMs(this.#world.nowMs),
      execute: (effect) => this.#execute(effect),
    });
    this.#tellRoom();
    this.#load(this.#life);
  }

  /** All connections break; what was not durable is lost. */
  stop(): void {
    this.#life += 1;
    this.#runner = undefined;
    this.#unanswered.clear();
    const links = [...this.#links.values()];
    this.#links.clear();
    for (const link of links) link.broken();
  }

  resetCounts(): void {
    this.connections = 0;
    this.requests = 0;
    this.refusals = 0;
  }

  connected(agentId: AgentId, link: AgentEnd): void {
    this.connections += 1;
    this.#links.set(agentId, link);
    this.dispatch({ type: 'agent_connected', agentId });
  }

  /** Something happened at this server; one that is down hears nothing. */
  dispatch(event: UntimedServerEvent): void {
    if (this.#runner === undefined) return;
    if (event.type === 'request_received') {
      this.requests += 1;
      this.#unanswered.add(event.agentId);
    }
    this.#arriving = event.type === 'block_arrived' ? event.block : undefined;
    this.#runner.dispatch(event);
  }

  knows(block: BlockHeader): boolean {
    return this.#journaled.has(blockKey(block.id));
  }

  #execute(effect: ServerEffect): void {
    const serverId = this.id;
    switch (effect.type) {
      case 'send_grant': {
        const { agentId, grant } = effect;
        this.#unanswered.delete(agentId);
        if (grant.channels.length === 0) this.refusals += 1;
        this.#links.get(agentId)?.toAgent({ type: 'grant_received', serverId, grant });
        return;
      }
      case 'journal_block':
        if (this.#arriving !== undefined) this.#journal(this.#arriving, this.#life);
        return;
      case 'acknowledge_block': {
        const { agentId, blockId } = effect;
        this.#links.get(agentId)?.toAgent({ type: 'block_acknowledged', serverId, blockId });
        return;
      }
      case 'refuse_block': {
        const { agentId, blockId, refusal } = effect;
        this.#links.get(agentId)?.toAgent({ type: 'block_refused', serverId, blockId, refusal });
        return;
      }
      case 'revoke': {
        const { agentId, grantId } = effect;
        this.#links.get(agentId)?.toAgent({ type: 'revoked', serverId, ...defined({ grantId }) });
        return;
      }
      case 'wake_at':
        this.#wakeAt(effect.atMs, this.#life);
        return;
      case 'record_notice':
        return;
      default:
        effect satisfies never;
    }
  }

  #journal(block: BlockHeader, life: number): void {
    this.#world.after(COMMIT_MS, () => {
      if (life !== this.#life) return;
      this.heldBytes += block.rawBytes;
      this.#journaled.add(blockKey(block.id));
      this.dispatch({ type: 'block_durable', blockId: block.id });
    });
  }

  #load(life: number): void {
    if (life !== this.#life) return;
    const bytes = (this.#world.options.loadedBytesPerSecond * LOAD_INTERVAL_MS) / 1000;
    if (this.heldBytes > 0) {
      this.heldBytes = Math.max(0, this.heldBytes - bytes);
      this.#tellRoom();
    }
    this.#world.after(LOAD_INTERVAL_MS, () => this.#load(life));
  }

  #tellRoom(): void {
    const roomBytes = Math.floor(this.#world.options.journalBytes - this.heldBytes);
    this.dispatch({ type: 'journal_room_changed', roomBytes });
  }

  #wakeAt(atMs: number, life: number): void {
    this.#wakeMs = atMs;
    this.#world.after(Math.max(0, atMs - this.#world.nowMs), () => {
      if (life === this.#life && this.#wakeMs === atMs) this.dispatch({ type: 'woken' });
    });
  }
}
