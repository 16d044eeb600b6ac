/** Makes the words of the protocol for tests: ids, blocks, grants, and a machine that is talked to in short. */
import type { AgentEffect, UntimedAgentEvent } from './agent-events.ts';
import type { AgentMachine, AgentMachineOptions } from './agent-machine.ts';
import { createAgentMachine } from './agent-machine.ts';
import { channelNumber, contentDigest, grantId, timeMs } from './brand.ts';
import { stamp } from './machine-runner.ts';
import type {
  AgentId,
  BlockHeader,
  BlockId,
  Grant,
  GrantedChannel,
  RequestId,
  ServerId,
  UrgencyClass,
} from './model.ts';

/** The brand of a name in a test. */
export const server = (name: string): ServerId => name as ServerId;
export const agent = (name: string): AgentId => name as AgentId;

/** Size of a block where only the order matters. */
const BLOCK_BYTES = 100;
/** Without minimum shares: strictly the most urgent first. */
const STRICT: AgentMachineOptions = { minimumShares: { urgent: 0, elevated: 0, normal: 0, bulk: 0 } };

export function block(
  sequence: number,
  urgency: UrgencyClass = 'normal',
  rawBytes: number = BLOCK_BYTES,
): BlockHeader {
  const id: BlockId = { agentId: agent('a'), epoch: 1, sequence, digest: contentDigest(`${sequence}`) };
  return { id, urgency, rawBytes, recordCount: 1, oldestObservedMs: timeMs(0) };
}

/** An agent machine with a clock in the test's hand. */
export class TestAgent {
  readonly machine: AgentMachine;
  nowMs = 1_000;
  readonly effects: AgentEffect[] = [];
  readonly #asked = new Map<ServerId, RequestId>();
  #wakeMs = Number.POSITIVE_INFINITY;
  #grants = 0;

  constructor(options: AgentMachineOptions = STRICT, machine: AgentMachine = createAgentMachine(options)) {
    this.machine = machine;
  }

  /** Steps with the event at the present time; returns this step's effects. */
  step(event: UntimedAgentEvent): AgentEffect[] {
    if (event.type === 'woken') this.#wakeMs = Number.POSITIVE_INFINITY;
    const effects = this.machine.step(stamp(event, timeMs(this.nowMs)));
    for (const effect of effects) {
      if (effect.type === 'wake_at') this.#wakeMs = effect.atMs;
      if (effect.type === 'send_request') this.#asked.set(effect.serverId, effect.request.requestId);
    }
    this.effects.push(...effects);
    return effects;
  }

  /** Time passes; the machine is woken whenever it wants to be, and at the end. Returns the effects of all of it. */
  after(ms: number): AgentEffect[] {
    const untilMs = this.nowMs + ms;
    const effects: AgentEffect[] = [];
    while (this.#wakeMs < untilMs) {
      this.nowMs = Math.max(this.nowMs, this.#wakeMs);
      effects.push(...this.step({ type: 'woken' }));
    }
    this.nowMs = untilMs;
    return [...effects, ...this.step({ type: 'woken' })];
  }

  /** The computer sleeps: the machine is woken late. */
  sleep(ms: number): AgentEffect[] {
    this.nowMs += ms;
    return this.step({ type: 'woken' });
  }

  connect(...names: string[]): void {
    for (const name of names) this.step({ type: 'server_connected', serverId: server(name) });
  }

  seal(...blocks: BlockHeader[]): AgentEffect[] {
    return blocks.flatMap((header) => this.step({ type: 'block_sealed', block: header }));
  }

  /** Grants channels of these priorities in answer to the latest request. */
  grant(
    name: string,
    priorities: number[],
    changes: Partial<GrantedChannel> & { lifetimeMs?: number } = {},
  ): Grant {
    const { lifetimeMs = 60_000, ...rest } = changes;
    this.#grants += 1;
    const requestId = this.#asked.get(server(name));
    if (requestId === undefined) throw new Error(`${name} was not asked`);
    const channels = priorities.map((priority, index) => ({
      ...{ channel: channelNumber(index + 1), priority, quotaBytes: BLOCK_BYTES, reservedForUrgentBytes: 0 },
      ...rest,
    }));
    const grant: Grant = { grantId: grantId(`g${this.#grants}`), requestId, channels, lifetimeMs };
    this.step({ type: 'grant_received', serverId: server(name), grant });
    return grant;
  }

  /** The server answers the latest request with this. */
  answer(name: string, changes: Partial<Grant>): void {
    this.#grants += 1;
    const requestId = this.#asked.get(server(name));
    if (requestId === undefined) throw new Error(`${name} was not asked`);
    const channels = [{ channel: channelNumber(1), priority: 1, quotaBytes: 100, reservedForUrgentBytes: 0 }];
    const grant = {
      grantId: grantId(`g${this.#grants}`),
      requestId,
      channels,
      lifetimeMs: 60_000,
      ...changes,
    };
    this.step({ type: 'grant_received', serverId: server(name), grant });
  }

  acknowledge(name: string, sequence: number): AgentEffect[] {
    return this.step({ type: 'block_acknowledged', serverId: server(name), blockId: block(sequence).id });
  }

  /** The uses so far as `server/priority`, the notices as `!server/priority`. */
  order(): string[] {
    return this.effects.flatMap((effect) => {
      if (effect.type === 'send_block') return [`${effect.serverId}/${effect.priority}`];
      if (effect.type === 'send_notice') return [`!${effect.serverId}/${effect.notice.priority}`];
      return [];
    });
  }

  /** The blocks sent so far as `sequence@server` and `?doubt` when marked. */
  sent(): string[] {
    return this.effects.flatMap((effect) =>
      effect.type === 'send_block'
        ? [`${effect.block.id.sequence}@${effect.serverId}${effect.inDoubtAt ? `?${effect.inDoubtAt}` : ''}`]
        : [],
    );
  }
}
