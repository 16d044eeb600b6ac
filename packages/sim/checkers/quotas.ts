/**
 * U4, U8 in the plainest way: no byte without a live grant. Each grant is followed from the server that gives it to the
 * agent that uses it and back, and what is sent and what is taken on each of its channels is added up.
 */
import { GRANT_GRACE_MS } from '@sluice/protocol/limits';
import type { AgentId } from '@sluice/protocol/model';
import type { Observation } from '../world.ts';
import type { Checker } from './checker.ts';
import { CheckFailure } from './checker.ts';

interface Followed {
  readonly agentId: AgentId;
  /** The process that has it. */
  holder: string | undefined;
  readonly channels: ReadonlyMap<number, Counted>;
  readonly lifetimeMs: number;
  /** By the server's clock. */
  readonly givenMs: number;
  /** By the agent's clock; undefined until it has it. */
  endsAtMs: number | undefined;
}

interface Counted {
  readonly quotaBytes: number;
  readonly reservedBytes: number;
  sentBytes: number;
  takenBytes: number;
}

export class QuotaChecker implements Checker {
  readonly #grants = new Map<string, Followed>();
  /** Clocks that never go back, by agent and server. */
  readonly #clocks = new Map<string, number>();

  observe(observation: Observation): void {
    switch (observation.type) {
      case 'agent_started':
        this.#clocks.delete(observation.name);
        // What an earlier life was given is nothing to this one; what it sent may still arrive.
        for (const grant of this.#grants.values())
          if (grant.holder === observation.name) grant.endsAtMs = Number.NEGATIVE_INFINITY;
        return;
      case 'server_started':
        this.#clocks.delete(observation.serverId);
        return;
      case 'agent_step':
        this.#agentStep(observation, this.#now(observation.name, observation.event.atMs));
        return;
      case 'server_step':
        this.#serverStep(observation, this.#now(observation.serverId, observation.event.atMs));
        return;
      default:
    }
  }

  #now(name: string, atMs: number): number {
    const nowMs = Math.max(this.#clocks.get(name) ?? 0, atMs);
    this.#clocks.set(name, nowMs);
    return nowMs;
  }

  #agentStep({ name, event, effects }: Extract<Observation, { type: 'agent_step' }>, nowMs: number): void {
    if (event.type === 'grant_received') {
      const grant = this.#grants.get(`${event.serverId} ${event.grant.grantId}`);
      if (grant !== undefined) {
        grant.endsAtMs ??= nowMs + event.grant.lifetimeMs;
        grant.holder = name;
      }
    }
    if (event.type === 'revoked' || event.type === 'server_disconnected') {
      const grantId = 'grantId' in event ? event.grantId : undefined;
      for (const [id, grant] of this.#grants) {
        const isMeant =
          grantId === undefined ? id.startsWith(`${event.serverId} `) : id === `${event.serverId} ${grantId}`;
        const isWhole = !('channel' in event) || event.channel === undefined;
        if (isMeant && isWhole && grant.holder === name && grant.endsAtMs !== undefined)
          grant.endsAtMs = Number.NEGATIVE_INFINITY;
      }
    }
    for (const effect of effects) {
      if (effect.type !== 'send_block') continue;
      const what = `${name} sent block ${effect.block.id.sequence} on ${effect.grantId}/${effect.channel}`;
      const grant = this.#grants.get(`${effect.serverId} ${effect.grantId}`);
      const channel = grant?.channels.get(effect.channel);
      if (grant === undefined || channel === undefined || grant.holder !== name)
        fail(`${what}, which nobody gave to it`);
      if (grant.endsAtMs === undefined || grant.endsAtMs <= nowMs) fail(`${what}, which is over`);
      const { rawBytes, urgency } = effect.block;
      channel.sentBytes += rawBytes;
      if (channel.sentBytes > channel.quotaBytes) fail(`${what}, past its quota`);
      // A block that is not urgent must leave what is reserved, as far as it is not used by urgent ones.
      const leftBytes = channel.quotaBytes - channel.sentBytes;
      if (urgency !== 'urgent' && leftBytes < channel.reservedBytes) fail(`${what}, into its reserve`);
    }
  }

  #serverStep(
    { serverId, event, effects }: Extract<Observation, { type: 'server_step' }>,
    nowMs: number,
  ): void {
    for (const effect of effects) {
      if (effect.type === 'send_grant') {
        const { grant, agentId } = effect;
        const channels = grant.channels.map(
          ({ channel, quotaBytes, reservedForUrgentBytes }): [number, Counted] => [
            channel,
            { quotaBytes, reservedBytes: reservedForUrgentBytes, sentBytes: 0, takenBytes: 0 },
          ],
        );
        this.#grants.set(`${serverId} ${grant.grantId}`, {
          ...{ agentId, channels: new Map(channels), lifetimeMs: grant.lifetimeMs, givenMs: nowMs },
          ...{ holder: undefined, endsAtMs: undefined },
        });
      }
      if (effect.type !== 'journal_block' || event.type !== 'block_arrived') continue;
      const what = `${serverId} took block ${effect.blockId.sequence} of ${event.agentId} on ${event.grantId}/${event.channel}`;
      const grant = this.#grants.get(`${serverId} ${event.grantId}`);
      const channel = grant?.channels.get(event.channel);
      if (grant === undefined || channel === undefined || grant.agentId !== event.agentId)
        fail(`${what}, which it never gave`);
      if (nowMs >= grant.givenMs + grant.lifetimeMs + GRANT_GRACE_MS) fail(`${what}, which is over`);
      channel.takenBytes += event.block.rawBytes;
      if (channel.takenBytes > channel.quotaBytes) fail(`${what}, past its quota`);
    }
  }
}

function fail(message: string): never {
  throw new CheckFailure('quota', message);
}
