/**
 * U11: yields converge. A server that yields is told of a priority once: the grants that it gives then rank below what was
 * named, so the next notice about them, if any, names lower ones; and this ends soon.
 *
 * Invariants: counted within the memory of one yield, in one life of the server.
 */
import { GRANT_GRACE_MS } from '@sluice/protocol/limits';
import type { AgentId } from '@sluice/protocol/model';
import type { ServerShape } from '../options.ts';
import type { Observation } from '../world.ts';
import type { Checker } from './checker.ts';
import { CheckFailure } from './checker.ts';

/** Times that a server moves down before it is forgotten, per server in the world: each may have outranked it. */
const MOST_RAISES_PER_SERVER = 4;

interface Yielding {
  /** What was named, and by when it is forgotten. */
  readonly named: number;
  readonly untilMs: number;
  readonly raises: number;
}

interface Watched {
  readonly shape: ServerShape;
  /** By grant: whose it is, until when, and how low the server had been told to go before it gave it. */
  readonly grants: Map<
    string,
    { readonly agentId: AgentId; readonly untilMs: number; readonly named: number }
  >;
  readonly yields: Map<AgentId, Yielding>;
  nowMs: number;
}

export class YieldingChecker implements Checker {
  readonly #servers = new Map<string, Watched>();
  readonly #ids = new Set<string>();

  observe(observation: Observation): void {
    if (observation.type === 'server_started') {
      this.#ids.add(observation.serverId);
      this.#servers.set(observation.serverId, {
        ...{ shape: observation.shape, grants: new Map(), yields: new Map(), nowMs: 0 },
      });
    }
    if (observation.type !== 'server_step') return;
    const server = this.#servers.get(observation.serverId);
    if (server === undefined || server.shape.onNotice === 'ignore') return;
    const { event, effects } = observation;
    server.nowMs = Math.max(server.nowMs, event.atMs);
    if (event.type === 'agent_connected' || event.type === 'agent_disconnected') {
      for (const [id, { agentId }] of server.grants) if (agentId === event.agentId) server.grants.delete(id);
    }
    if (event.type === 'notice_received') this.#notice(observation.serverId, server, event);
    for (const effect of effects) {
      if (effect.type !== 'send_grant') continue;
      const highest = Math.min(...effect.grant.channels.map(({ priority }) => priority));
      const yielded = server.yields.get(effect.agentId);
      const named = yielded !== undefined && yielded.untilMs > server.nowMs ? yielded.named : 0;
      if (highest <= named)
        fail(`${observation.serverId} was told of ${named} and grants ${effect.agentId} ${highest}`);
      const untilMs = server.nowMs + effect.grant.lifetimeMs + GRANT_GRACE_MS;
      server.grants.set(effect.grant.grantId, { agentId: effect.agentId, untilMs, named });
    }
  }

  #notice(
    serverId: string,
    server: Watched,
    {
      agentId,
      notice,
    }: Extract<Extract<Observation, { type: 'server_step' }>['event'], { type: 'notice_received' }>,
  ): void {
    const grant = server.grants.get(notice.grantId);
    if (grant === undefined || grant.untilMs <= server.nowMs) return;
    const named = Math.max(...notice.outrankedBy.flatMap(({ heldPriorities }) => heldPriorities));
    if (named <= grant.named) fail(`${agentId} tells ${serverId} again of ${named}, which it ranks below`);
    const before = server.yields.get(agentId);
    const isRemembered = before !== undefined && before.untilMs > server.nowMs;
    const isRaise = !isRemembered || named > before.named;
    const raises = (isRemembered ? before.raises : 0) + (isRaise ? 1 : 0);
    if (raises > MOST_RAISES_PER_SERVER * this.#ids.size)
      fail(`${serverId} moves down for ${agentId} again and again: ${raises} times`);
    server.yields.set(agentId, {
      named: Math.max(named, isRemembered ? before.named : 0),
      ...{ untilMs: server.nowMs + server.shape.yieldMemoryMs, raises },
    });
  }
}

function fail(message: string): never {
  throw new CheckFailure('yield', message);
}
