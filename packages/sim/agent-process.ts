/**
 * One life of an agent: the production state machine in a shell that behaves as packages/agent/uplink does (order of
 * effects, reconnects, the note "may be there" before the first byte, the notice before its block, channel streams).
 *
 * Invariants: a block leaves the queue only after the machine said so; a dead process does nothing more, also in the middle
 * of the effects of one step.
 */
import { defined } from '@sluice/base/defined';
import type { AgentEffect, UntimedAgentEvent } from '@sluice/protocol/agent-events';
import { MachineRunner } from '@sluice/protocol/machine-runner';
import type { BlockHeader, ServerId } from '@sluice/protocol/model';
import type { QueueDisk } from './agent-queue.ts';
import { AgentQueue } from './agent-queue.ts';
import { ProcessClock } from './process-clock.ts';
import type { LinkHost, OpenRoute } from './server-link.ts';
import { ServerLink } from './server-link.ts';
import type { World } from './world.ts';

/** How long a stopping agent waits for answers. */
const STOP_TIMEOUT_MS = 5_000;
const QUIET_CHECK_MS = 50;

export class AgentProcess implements LinkHost {
  readonly name: string;
  readonly queue: AgentQueue;
  readonly clock: ProcessClock;
  readonly #world: World;
  readonly #links: readonly ServerLink[];
  readonly #onEnd: () => void;
  readonly #runner: MachineRunner<UntimedAgentEvent, AgentEffect>;
  readonly #cuts: (readonly BlockHeader[])[] = [];
  #toRemove: number[] = [];
  #wakes = 0;
  #isDead = false;

  /**
   * @param name tells it from other processes that have the same agent id
   * @param onEnd called once when the process is over, however it ended
   */
  constructor(
    world: World,
    name: string,
    disk: QueueDisk,
    routes: readonly OpenRoute[],
    seed: number,
    onEnd: () => void,
  ) {
    this.#world = world;
    this.name = name;
    this.#onEnd = onEnd;
    this.queue = new AgentQueue(world, disk);
    this.clock = new ProcessClock(world);
    const { machines } = world;
    const machine = machines.createAgentMachine({ seed, agentId: disk.agentId });
    this.#runner = new MachineRunner(machine, {
      now: () => this.clock.nowMs,
      execute: (effect) => this.#executeOrDie(effect),
      stepped: (event, effects) =>
        world.observe({ type: 'agent_step', name, agentId: this.queue.disk.agentId, event, effects }),
    });
    const { agentId } = disk;
    const seen = machines.isOpen === true ? machine : undefined;
    world.observe({ type: 'agent_started', name, agentId, machine: seen });
    this.#links = routes.map((route) => new ServerLink(world, this, route));
    for (const { header, inDoubtAt } of [...disk.blocks.values()]) {
      this.dispatch({
        type: 'block_sealed',
        block: header,
        ...defined({ inDoubtAt }),
      });
    }
    for (const link of this.#links) link.start();
  }

  get isDead(): boolean {
    return this.#isDead;
  }

  get links(): readonly ServerLink[] {
    return this.#links;
  }

  /** Dies at once. */
  kill(): void {
    if (this.#isDead) return;
    this.#isDead = true;
    this.#runner.stop();
    this.queue.kill();
    for (const link of this.#links) link.kill();
    this.#world.observe({ type: 'agent_ended', name: this.name });
    this.#onEnd();
  }

  /** Sends nothing new, waits for answers a while, ends. */
  stop(): void {
    this.dispatch({ type: 'stopping' });
    const untilMs = this.#world.nowMs + STOP_TIMEOUT_MS;
    const check = (): void => {
      if (this.#isDead) return;
      const isQuiet = this.#links.every((link) => link.unansweredCount === 0);
      if (isQuiet || this.#world.nowMs >= untilMs) this.kill();
      else this.#world.after(QUIET_CHECK_MS, check);
    };
    check();
  }

  /** A cut of the pipeline. */
  seal(headers: readonly BlockHeader[]): void {
    this.#cuts.push(headers);
    if (this.#cuts.length === 1) this.#commitCuts();
  }

  /** One cut after the other: the queue takes them in the order of their sequences. */
  #commitCuts(): void {
    const headers = this.#cuts[0];
    if (headers === undefined) return;
    this.queue.commitCut(headers, () => {
      this.#cuts.shift();
      for (const block of headers) this.dispatch({ type: 'block_sealed', block });
      this.#commitCuts();
    });
  }

  dispatch(event: UntimedAgentEvent): void {
    this.#runner.dispatch(event);
  }

  /** The process may die between any two effects of a step. */
  #executeOrDie(effect: AgentEffect): void {
    this.#execute(effect);
    const { isFaulty, chance, options } = this.#world;
    if (isFaulty && chance.faults.chance(options.faults.crashBetweenEffects)) this.kill();
  }

  #execute(effect: AgentEffect): void {
    switch (effect.type) {
      case 'send_request':
        this.#linkTo(effect.serverId)?.sendRequest(effect.request);
        return;
      case 'send_notice':
        this.#linkTo(effect.serverId)?.sendNotice(effect.notice);
        return;
      case 'send_block':
        this.#linkTo(effect.serverId)?.sendBlock(effect);
        return;
      case 'close_channel':
        this.#linkTo(effect.serverId)?.closeChannel(effect.grantId, effect.channel);
        return;
      case 'forget_block':
      case 'set_aside_block':
        this.#toRemove.push(effect.blockId.sequence);
        if (this.#toRemove.length === 1) this.#world.after(0, () => this.#flushRemovals());
        return;
      case 'peer_problem':
        return;
      case 'wake_at': {
        this.#wakes += 1;
        const wish = this.#wakes;
        this.#world.after(Math.max(0, effect.atMs - this.clock.nowMs), () => {
          if (wish === this.#wakes) this.dispatch({ type: 'woken' });
        });
        return;
      }
      default:
        effect satisfies never;
    }
  }

  #flushRemovals(): void {
    if (this.#isDead) return;
    this.queue.remove(this.#toRemove);
    this.#toRemove = [];
  }

  #linkTo(serverId: ServerId): ServerLink | undefined {
    return this.#links.find((link) => link.serverId === serverId);
  }
}
