/**
 * The agent's uplink: connections to all configured servers around one uplink state machine. It turns happenings into
 * events and executes effects in order; what goes where is decided by the machine alone.
 *
 * Invariants: the machine runs by the rules of its runner (machine-runner.ts); a block leaves the queue only after the machine said that a server has it durable; a server that is down,
 * slow or wrong delays no other.
 */

import { defined } from '@sluice/base/defined';
import { SluiceError } from '@sluice/base/error';
import { type BlockFormat, FIRST_BLOCK_FORMAT, NATIVE_BLOCK_FORMATS } from '@sluice/block/formats';
import { failFast } from '@sluice/host/fail-fast';
import { createSteadyClock } from '@sluice/host/steady-clock';
import { WakeTimer } from '@sluice/host/wake-timer';
import type { AgentEffect, UntimedAgentEvent } from '@sluice/protocol/agent-events';
import type { AgentMachine, AgentMachineOptions } from '@sluice/protocol/agent-machine';
import { createAgentMachine } from '@sluice/protocol/agent-machine';
import { MachineRunner } from '@sluice/protocol/machine-runner';
import type { BlockHeader, BlockId, ServerId } from '@sluice/protocol/model';
import { blockKey } from '@sluice/protocol/model';
import type { Logger } from 'pino';
import type { AgentKey } from '../agent-key.ts';
import type { BlockQueue } from './block-queue.ts';
import { ServerConnection } from './connection.ts';
import type { ConnectionHost } from './connection-host.ts';
import type { PingTimes } from './http2-link.ts';
import {
  BLOCK_SIZE_LOOK_MS,
  MAX_PROBLEMS,
  MAX_SERVERS,
  REPORT_INTERVAL_MS,
  REPORT_REFRESH_MS,
} from './limits.ts';
import type { ReportExtras } from './report.ts';
import { buildReport } from './report.ts';
import { checkServers, type ServerAddress } from './server-address.ts';
import type { UplinkView } from './uplink-view.ts';

/** The time of the machine: a clock that is set back must not stop it. */
const now = createSteadyClock();

export interface UplinkOptions {
  readonly servers: readonly ServerAddress[];
  readonly queue: BlockQueue;
  /** Proves to servers who the agent is. Default: it proves nothing. */
  readonly key?: AgentKey;
  /** For the state machine; without a seed it gets a random one. */
  readonly machine?: AgentMachineOptions;
  readonly hostName: string;
  /** Servers of the same region rank themselves higher. Default: anywhere. */
  readonly region?: string;
  readonly version: string;
  readonly logger: Logger;
  /** What else belongs into a report; asked whenever one is made. */
  readonly report: () => ReportExtras;
  readonly pingTimes?: PingTimes;
  /** Jitter of reconnects, 0..1. Default: Math.random. */
  readonly random?: () => number;
}

export interface Uplink {
  /** How large blocks should be now, in raw bytes, as the machine sees the links; cheap to ask. */
  readonly blockBytesWanted: number;
  /** Blocks that became durable in the queue. Those found at the start are asked from the queue by the uplink. */
  blocksSealed(blocks: readonly BlockHeader[]): void;
  view(): UplinkView;
  /** Sends nothing new, waits up to timeoutMs for what is in flight, says goodbye. Unanswered blocks stay queued. */
  stop(timeoutMs: number): Promise<void>;
}

/**
 * Starts to connect.
 * @throws SluiceError('config_invalid') for no server, too many, one twice, or a token that would travel in clear.
 */
export function startUplink(options: UplinkOptions): Uplink {
  checkServers(options.servers, MAX_SERVERS);
  const runtime = new UplinkRuntime(options);
  runtime.start();
  return {
    blocksSealed: (blocks) => runtime.sealed(blocks),
    view: () => runtime.view(),
    get blockBytesWanted() {
      return runtime.blockBytesWanted;
    },
    stop: (timeoutMs) => runtime.stop(timeoutMs),
  };
}

class UplinkRuntime implements ConnectionHost {
  readonly queue: BlockQueue;
  readonly key: AgentKey | undefined;
  readonly hostName: string;
  readonly region: string;
  readonly version: string;
  readonly logger: Logger;
  readonly pingTimes: PingTimes | undefined;
  readonly #options: UplinkOptions;
  readonly #machine: AgentMachine;
  readonly #runner: MachineRunner<UntimedAgentEvent, AgentEffect>;
  readonly #connections: ServerConnection[];
  readonly #byServerId = new Map<ServerId, ServerConnection>();
  readonly #wakeTimer = new WakeTimer(now, () => this.dispatch({ type: 'woken' }));
  readonly #reportTimer: NodeJS.Timeout;
  #changed = true;
  #reportedAtMs = Number.NEGATIVE_INFINITY;
  #toRemove: BlockId[] = [];
  #removing: Promise<void> = Promise.resolve();
  /** In which the queue was told to seal. */
  #format: BlockFormat | undefined;
  #queueProblem: string | undefined;
  #quietWaiter: (() => void) | undefined;
  #blockBytesWanted = 0;
  #blockBytesSeenAtMs = Number.NEGATIVE_INFINITY;

  constructor(options: UplinkOptions) {
    this.#options = options;
    this.queue = options.queue;
    this.key = options.key;
    this.hostName = options.hostName;
    this.region = options.region ?? '';
    this.version = options.version;
    this.logger = options.logger;
    this.pingTimes = options.pingTimes;
    this.#machine = createAgentMachine({
      seed: Math.floor(this.random() * 2 ** 32),
      agentId: options.queue.agentId,
      ...options.machine,
    });
    this.#runner = new MachineRunner(this.#machine, { now, execute: (effect) => this.#execute(effect) });
    this.#connections = options.servers.map((server) => new ServerConnection(server, this));
    this.#reportTimer = setInterval(() => this.#report(), REPORT_INTERVAL_MS);
  }

  start(): void {
    for (const { header, inDoubtAt } of this.queue.blocks()) {
      this.dispatch({
        type: 'block_sealed',
        block: header,
        ...defined({ inDoubtAt }),
      });
    }
    for (const connection of this.#connections) connection.start();
  }

  sealed(blocks: readonly BlockHeader[]): void {
    for (const block of blocks) this.dispatch({ type: 'block_sealed', block });
  }

  view(): UplinkView {
    return {
      machine: this.#machine.view(now()),
      connections: this.#connections.map((connection) => connection.view()),
      problems: this.#problems(),
    };
  }

  get blockBytesWanted(): number {
    const atMs = performance.now();
    if (atMs - this.#blockBytesSeenAtMs >= BLOCK_SIZE_LOOK_MS) {
      this.#blockBytesSeenAtMs = atMs;
      this.#blockBytesWanted = this.#machine.view(now()).blockBytesWanted;
    }
    return this.#blockBytesWanted;
  }

  async stop(timeoutMs: number): Promise<void> {
    this.dispatch({ type: 'stopping' });
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, timeoutMs);
    this.#quietWaiter = resolve;
    this.#tellQuiet();
    await promise;
    clearTimeout(timer);
    clearInterval(this.#reportTimer);
    await Promise.all(this.#connections.map((connection) => connection.stop('the agent stops')));
    this.#runner.stop();
    this.#wakeTimer.cancel();
    await this.#flushRemovals();
  }

  random(): number {
    return (this.#options.random ?? Math.random)();
  }

  claim(serverId: ServerId, address: string): SluiceError | undefined {
    const other = this.#byServerId.get(serverId);
    if (other === undefined) {
      const connection = this.#connections.find(({ server }) => server.address === address);
      if (connection !== undefined) this.#byServerId.set(serverId, connection);
      return undefined;
    }
    return new SluiceError(
      'config_invalid',
      `${address} is the same server (${serverId}) as ${other.server.address}`,
      {
        hint: 'Configure each server once, and give each server an id of its own.',
      },
    );
  }

  release(serverId: ServerId, address: string): void {
    if (this.#byServerId.get(serverId)?.server.address === address) this.#byServerId.delete(serverId);
  }

  /** Of the formats that every server takes that was met in this life, the latest is written; 1 is taken by all. */
  formatsChanged(): void {
    let format = FIRST_BLOCK_FORMAT;
    for (const candidate of NATIVE_BLOCK_FORMATS.values()) {
      const isTaken = this.#connections.every(
        ({ sharedBlockFormats }) => sharedBlockFormats?.includes(candidate.number) ?? true,
      );
      if (isTaken && candidate.number > format.number) format = candidate;
    }
    if (format === this.#format) return;
    this.#format = format;
    this.#removing = this.#afterRemoving(() => this.queue.sealIn?.(format));
  }

  /** Hands the event to the machine. A machine that fails has lost its books: the process ends (fail-fast.ts). */
  dispatch(event: UntimedAgentEvent): void {
    if (event.type !== 'woken') this.#changed = true;
    try {
      this.#runner.dispatch(event);
    } catch (error) {
      failFast(this.logger, error, 'the uplink');
    }
    this.#tellQuiet();
  }

  #execute(effect: AgentEffect): void {
    switch (effect.type) {
      case 'send_request':
      case 'send_notice':
        this.#byServerId.get(effect.serverId)?.sendControl(effect);
        return;
      case 'send_block':
        this.#byServerId.get(effect.serverId)?.sendBlock(effect);
        return;
      case 'close_channel':
        this.#byServerId.get(effect.serverId)?.closeChannel(effect.grantId, effect.channel);
        return;
      case 'forget_block':
        this.#toRemove.push(effect.blockId);
        // All acknowledgements that came in one read of the sockets are removed in one transaction.
        if (this.#toRemove.length === 1) setImmediate(() => void this.#flushRemovals());
        return;
      case 'set_aside_block':
        this.logger.error({ block: blockKey(effect.blockId), reason: effect.reason }, 'block set aside');
        this.#removing = this.#afterRemoving(() => this.queue.setAside(effect.blockId, effect.reason));
        return;
      case 'peer_problem':
        this.#byServerId.get(effect.serverId)?.peerProblem(effect.problem);
        return;
      case 'wake_at':
        this.#wakeTimer.set(effect.atMs);
        return;
      default:
        effect satisfies never;
    }
  }

  #flushRemovals(): Promise<void> {
    const ids = this.#toRemove;
    this.#toRemove = [];
    if (ids.length > 0) this.#removing = this.#afterRemoving(() => this.queue.remove(ids));
    return this.#removing;
  }

  /** One change of the queue after the other; a failing one is a problem for people, and is tried at the next start. */
  async #afterRemoving(change: () => void | Promise<void>): Promise<void> {
    const earlier = this.#removing;
    await earlier;
    try {
      await change();
      this.#queueProblem = undefined;
    } catch (error) {
      const { message } = SluiceError.from(error);
      // One of them in a row is news.
      if (this.#queueProblem === undefined)
        this.logger.error({ error: message }, 'the queue cannot forget acknowledged blocks');
      this.#queueProblem = `the queue cannot forget acknowledged blocks: ${message}`;
    }
  }

  #report(): void {
    // Not the time of day: after that is set back, nobody would hear of this agent.
    const atMs = performance.now();
    if (!this.#changed && atMs - this.#reportedAtMs < REPORT_REFRESH_MS) return;
    this.#changed = false;
    this.#reportedAtMs = atMs;
    const report = buildReport(this.hostName, this.view(), this.#options.report(), now());
    for (const connection of this.#connections) connection.sendReport(report);
  }

  #problems(): string[] {
    const problems = this.#queueProblem === undefined ? [] : [this.#queueProblem];
    if (this.key?.problem !== undefined) problems.push(this.key.problem);
    for (const connection of this.#connections) {
      const { error, identityProblems, peerProblems } = connection.view();
      if (error !== undefined) problems.push(error);
      problems.push(...identityProblems, ...peerProblems);
    }
    // Several servers say the same of this agent.
    return [...new Set(problems)].slice(0, MAX_PROBLEMS);
  }

  /** For stop: nothing that was sent is unanswered. */
  #tellQuiet(): void {
    if (this.#quietWaiter === undefined) return;
    for (const connection of this.#connections) if (connection.view().blocksInFlight > 0) return;
    this.#quietWaiter();
    this.#quietWaiter = undefined;
  }
}
