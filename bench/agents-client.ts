/**
 * A process that is many agents at once, for `agents.ts`: each has the real connection and the real state machine of an
 * agent, with nothing to send.
 *
 * Invariants: one TCP connection per agent; reconnects, requests and reports at the agent's own pace; ends with its
 * parent.
 */
import { ServerConnection } from '@sluice/agent/uplink/connection';
import { REPORT_INTERVAL_MS, REPORT_REFRESH_MS } from '@sluice/agent/uplink/limits';
import { buildReport } from '@sluice/agent/uplink/report';
import type { AgentEffect, AgentEvent, UntimedAgentEvent } from '@sluice/protocol/agent-events';
import { type AgentMachine, createAgentMachine } from '@sluice/protocol/agent-machine';
import { MachineRunner } from '@sluice/protocol/machine-runner';
import type { AgentId, TimeMs } from '@sluice/protocol/model';
import { pino } from 'pino';

/** How often the parent is told. */
const TELL_MS = 250;
/** Agents that are started in one go; the next ones follow when the event loop has turned. */
const START_AT_ONCE = 20;

/** What a process tells about its agents. */
export interface AgentsTold {
  readonly connected: number;
  /** Agents that got a grant with channels on their present connection. */
  readonly granted: number;
  /** From request to its answer, since the last time. */
  readonly answersMs: readonly number[];
  /** Answers that were refusals, since the last time. */
  readonly refusals: number;
  /** Requests since the last time. */
  readonly requests: number;
  /** Over the agents that hold a grant: the quota of each one's latest, and sums for Jain's index. */
  readonly quota: {
    readonly agents: number;
    readonly least: number;
    readonly most: number;
    readonly sum: number;
    readonly sumOfSquares: number;
  };
}

const logger = pino({ level: 'silent' });
/** Raw bytes, by agent. */
const quotas = new Map<OneAgent, number>();
const told = {
  connected: 0,
  granted: 0,
  answersMs: [] as number[],
  refusals: 0,
  requests: 0,
};

class OneAgent {
  readonly #machine: AgentMachine;
  readonly #connection: ServerConnection;
  readonly #askedMs = new Map<number, number>();
  #isGranted = false;
  #changed = true;
  readonly #runner: MachineRunner<UntimedAgentEvent, AgentEffect>;
  #reportedMs = 0;
  #wakeTimer: NodeJS.Timeout | undefined;

  constructor(address: string, number: number) {
    this.#machine = createAgentMachine({ seed: number });
    const runner = new MachineRunner<UntimedAgentEvent, AgentEffect>(this.#machine, {
      now,
      execute: (effect) => this.#execute(effect),
      stepped: (event) => this.#note(event),
    });
    this.#runner = runner;
    const connection = new ServerConnection(
      { address },
      {
        queue: {
          // A name as the configuration makes it.
          agentId: `bench-${number}` as AgentId,
          epoch: number,
          settledBelowSequence: 1,
          blocks: () => [],
          readPayload: () => undefined,
          remove: () => undefined,
          setAside: () => undefined,
        },
        ...{
          hostName: `host-${number}`,
          region: '',
          version: 'bench',
          logger,
          pingTimes: undefined,
          key: undefined,
        },
        dispatch: (event) => runner.dispatch(event),
        claim: () => undefined,
        release: () => undefined,
        formatsChanged: () => undefined,
        random: Math.random,
      },
    );
    this.#connection = connection;
    connection.start();
    setInterval(() => this.#report(), REPORT_INTERVAL_MS);
  }

  #execute(effect: AgentEffect): void {
    if (effect.type === 'send_request') {
      told.requests += 1;
      this.#askedMs.set(effect.request.requestId, performance.now());
      this.#connection.sendControl(effect);
    } else if (effect.type === 'wake_at') {
      clearTimeout(this.#wakeTimer);
      const waitMs = Math.max(0, effect.atMs - now());
      this.#wakeTimer = setTimeout(() => this.#runner.dispatch({ type: 'woken' }), waitMs);
    } else if (effect.type === 'close_channel') {
      this.#connection.closeChannel(effect.grantId, effect.channel);
    }
  }

  #note(event: AgentEvent): void {
    if (event.type !== 'woken') this.#changed = true;
    if (event.type === 'server_connected') told.connected += 1;
    else if (event.type === 'server_disconnected') {
      told.connected -= 1;
      if (this.#isGranted) told.granted -= 1;
      this.#isGranted = false;
      quotas.delete(this);
      this.#askedMs.clear();
    } else if (event.type === 'grant_received') {
      const { requestId, channels } = event.grant;
      const askedMs = this.#askedMs.get(requestId);
      if (askedMs !== undefined) told.answersMs.push(performance.now() - askedMs);
      this.#askedMs.delete(requestId);
      if (channels.length === 0) told.refusals += 1;
      else {
        quotas.set(
          this,
          channels.reduce((sum, { quotaBytes }) => sum + quotaBytes, 0),
        );
        if (!this.#isGranted) told.granted += 1;
        this.#isGranted = true;
      }
    }
  }

  /** As the agent's uplink does it. */
  #report(): void {
    const nowMs = now();
    if (!this.#changed && nowMs - this.#reportedMs < REPORT_REFRESH_MS) return;
    this.#changed = false;
    this.#reportedMs = nowMs;
    const connection = this.#connection.view();
    const view = { machine: this.#machine.view(nowMs), connections: [connection], problems: [] };
    this.#connection.sendReport(buildReport('bench', view, { unreadBytes: 0, problems: [] }, nowMs));
  }
}

function quotaNow(): AgentsTold['quota'] {
  const bytes = [...quotas.values()];
  return {
    agents: bytes.length,
    least: bytes.reduce((least, quota) => Math.min(least, quota), Number.MAX_SAFE_INTEGER),
    most: bytes.reduce((most, quota) => Math.max(most, quota), 0),
    sum: bytes.reduce((sum, quota) => sum + quota, 0),
    sumOfSquares: bytes.reduce((sum, quota) => sum + quota * quota, 0),
  };
}

function now(): TimeMs {
  // The shell is where time enters; the brand is made here.
  return Date.now() as TimeMs;
}

const [address, first, count] = process.argv.slice(2);
process.on('disconnect', () => process.exit());
setInterval(() => {
  const message: AgentsTold = { ...told, quota: quotaNow() };
  process.send?.(message);
  told.answersMs = [];
  told.refusals = 0;
  told.requests = 0;
}, TELL_MS);
for (let number = Number(first); number < Number(first) + Number(count); number += 1) {
  new OneAgent(address ?? '', number);
  if (number % START_AT_ONCE === 0) await new Promise((resolve) => setImmediate(resolve));
}
