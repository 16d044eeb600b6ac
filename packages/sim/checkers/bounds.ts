/**
 * U19: whatever happens, both machines stay small. The size of every collection that they hold is looked at again and again,
 * against one table: each has a named limit, or follows what the machine has to hold. A collection that is not in the table
 * is a failure too.
 */

import { MAX_REMOVED_HANDLES } from '@sluice/base/collections/handle';
import {
  GRANT_GRACE_MS,
  MAX_ANSWERS_PER_BLOCK,
  MAX_GRANTS_PER_AGENT,
  MAX_GRANTS_RECALLED_AT_ONCE,
  MAX_GRANTS_REMEMBERED,
  MAX_HAPPENING_PRIORITIES,
  MAX_LIVE_CHANNELS_PER_SERVER,
  MAX_OTHER_HAPPENINGS,
  MAX_RECENT_NOTICES,
  MAX_RECENT_USES,
  MAX_REQUESTS_REMEMBERED,
  MAX_ROUTINE_HAPPENINGS,
  MAX_SERVERS_REMEMBERED,
  MAX_YIELDING_AGENTS,
} from '@sluice/protocol/limits';
import type { AgentId } from '@sluice/protocol/model';
import {
  blockKey,
  MAX_CHANNELS_PER_GRANT,
  MAX_CLOSED_CHANNELS,
  URGENCY_CLASSES,
} from '@sluice/protocol/model';
import { UPLINK_HAPPENING_KINDS } from '@sluice/protocol/uplink-history';
import type { Census } from '../census.ts';
import { takeCensus } from '../census.ts';
import type { Observation } from '../world.ts';
import type { Checker } from './checker.ts';
import { CheckFailure } from './checker.ts';

/** Each machine is looked at once in so many steps: what grows without end is seen all the same. */
const STEPS_APART = 200;

/** What an agent's machine has to hold, by its events. */
interface AgentHolds {
  readonly blocks: Set<string>;
  readonly servers: Set<string>;
}

/** And a server's. */
interface ServerHolds {
  /** Connected, with the ends of their grants by grant. */
  readonly agents: Map<AgentId, Map<string, number>>;
  readonly writing: Set<string>;
  /** Agents that told of a violation, and until when that is remembered. */
  readonly told: Map<AgentId, number>;
}

type Table<Holds> = Readonly<Record<string, (holds: Holds) => number>>;

const perClass = (): number => URGENCY_CLASSES.length;
/** What lives, as much that is dead, and some. */
const swept = (liveCount: number): number => 2 * liveCount + MAX_REMOVED_HANDLES;
const sweptBlocks = ({ blocks }: AgentHolds): number => swept(blocks.size);
const blockCount = ({ blocks }: AgentHolds): number => blocks.size;
const serverCount = ({ servers }: AgentHolds): number => Math.min(servers.size, MAX_SERVERS_REMEMBERED);

const AGENT_BOUNDS: Table<AgentHolds> = {
  'agent.servers.servers': serverCount,
  shares: perClass,
  creditBytes: perClass,
  'agent.backlog.entries': blockCount,
  'agent.backlog.waiting': perClass,
  'agent.backlog.waiting[].heaps': () => 4,
  'agent.backlog.waiting[].heaps[].heap.items': sweptBlocks,
  'agent.backlog.bound': ({ blocks, servers }) => Math.min(blocks.size, servers.size),
  'agent.backlog.bound[]': perClass,
  'agent.backlog.bound[][].heap.items': sweptBlocks,
  'agent.backlog.unsent': perClass,
  'agent.backlog.releases.heap.items': sweptBlocks,
  'agent.channels.order.channels': ({ servers }) => servers.size * MAX_LIVE_CHANNELS_PER_SERVER,
  // Each has a block in flight.
  'agent.channels.ending': blockCount,
  'agent.history.uses': () => MAX_RECENT_USES,
  'agent.history.notices': () => MAX_RECENT_NOTICES,
  'agent.history.happenings.routine': () => MAX_ROUTINE_HAPPENINGS,
  'agent.history.happenings.other': () => MAX_OTHER_HAPPENINGS,
  'agent.history.happenings.totals': () => UPLINK_HAPPENING_KINDS.length,
  // A block and a notice for each, the ends of channels, a request to each server, and what the event itself brings.
  'agent.effects.effects': ({ blocks, servers }) =>
    4 * blocks.size + servers.size * (MAX_LIVE_CHANNELS_PER_SERVER + 1) + 5,
  // Of a block.
  doubts: serverCount,
  flights: () => 2,
  // Of a server.
  grants: ({ blocks }) => MAX_LIVE_CHANNELS_PER_SERVER + blocks.size,
  order: () => MAX_LIVE_CHANNELS_PER_SERVER,
  urgentFlights: blockCount,
  askedIds: () => MAX_REQUESTS_REMEMBERED,
  grantIds: () => MAX_GRANTS_REMEMBERED,
  // Between two requests all that lives may end, and what the answers to earlier requests bring.
  closedChannels: () => MAX_LIVE_CHANNELS_PER_SERVER + MAX_REQUESTS_REMEMBERED * MAX_CHANNELS_PER_GRANT,
  // Of a grant, and of a channel.
  channels: () => MAX_CHANNELS_PER_GRANT,
  inFlight: blockCount,
  // Of a happening.
  priorities: () => MAX_HAPPENING_PRIORITIES,
  // Of a notice, and of a request.
  outrankedBy: serverCount,
  heldPriorities: () => MAX_LIVE_CHANNELS_PER_SERVER,
  backlog: perClass,
};

const agentCount = ({ agents }: ServerHolds): number => agents.size;
const sweptGrants = ({ agents }: ServerHolds): number =>
  swept([...agents.values()].reduce((sum, grants) => sum + grants.size, 0));

const SERVER_BOUNDS: Table<ServerHolds> = {
  'server.channels': () => MAX_CHANNELS_PER_GRANT,
  'server.agents': agentCount,
  'server.intake.writing': ({ writing }) => writing.size,
  'server.ranking.yielding.yields': ({ told }) => Math.min(told.size, MAX_YIELDING_AGENTS),
  'server.line.line.heap.heap.items': ({ agents }) => swept(agents.size),
  'server.line.line.handles': agentCount,
  'server.grants.ends.handles': sweptGrants,
  'server.grants.recall.recallables.handles': sweptGrants,
  'server.grants.recall.recalled.handles': sweptGrants,
  'server.recentNotices': () => MAX_RECENT_NOTICES,
  'server.history.routine': () => MAX_ROUTINE_HAPPENINGS,
  'server.history.other': () => MAX_OTHER_HAPPENINGS,
  'server.history.totals': () => UPLINK_HAPPENING_KINDS.length,
  // To each agent an answer and a revocation, and what the event itself brings.
  'server.effects.effects': ({ agents }) =>
    2 * agents.size + MAX_GRANTS_RECALLED_AT_ONCE + MAX_ANSWERS_PER_BLOCK + 2,
  // Of a block that is being written.
  places: () => MAX_ANSWERS_PER_BLOCK,
  // Of an agent.
  grants: ({ agents }) =>
    Math.min(MAX_GRANTS_PER_AGENT, Math.max(0, ...[...agents.values()].map(({ size }) => size))),
  // Of a grant, and of the options.
  channels: () => MAX_CHANNELS_PER_GRANT,
  // Of a request, and of a notice.
  backlog: perClass,
  closedChannels: () => MAX_CLOSED_CHANNELS,
  outrankedBy: () => MAX_SERVERS_REMEMBERED,
  heldPriorities: () => MAX_LIVE_CHANNELS_PER_SERVER,
  // Of a happening.
  priorities: () => MAX_HAPPENING_PRIORITIES,
};

/** Functions among the fields: each was looked at, and holds nothing that grows. */
const FUNCTIONS: readonly string[] = [
  'agent.stalled',
  'agent.backlog.waiting[].heaps[].heap.isBefore',
  'agent.backlog.bound[][].heap.isBefore',
  'agent.backlog.releases.heap.isBefore',
  'server.line.line.heap.heap.isBefore',
];

interface Watched<Holds> {
  readonly name: string;
  readonly machine: object;
  readonly holds: Holds;
  nowMs: number;
  steps: number;
}

export class BoundsChecker implements Checker {
  readonly #agents = new Map<string, Watched<AgentHolds>>();
  readonly #servers = new Map<string, Watched<ServerHolds> & { readonly yieldMemoryMs: number }>();

  observe(observation: Observation): void {
    switch (observation.type) {
      case 'agent_started': {
        const { name, machine } = observation;
        if (machine === undefined) return;
        const holds = { blocks: new Set<string>(), servers: new Set<string>() };
        this.#agents.set(name, { name, machine, holds, nowMs: 0, steps: 0 });
        return;
      }
      case 'server_started': {
        const { serverId: name, machine, shape } = observation;
        if (machine === undefined) return;
        const { yieldMemoryMs } = shape;
        const holds = { agents: new Map(), writing: new Set<string>(), told: new Map() };
        this.#servers.set(name, { name, machine, holds, nowMs: 0, steps: 0, yieldMemoryMs });
        return;
      }
      case 'agent_step': {
        const agent = this.#agents.get(observation.name);
        if (agent === undefined) return;
        bookAgent(agent.holds, observation);
        agent.steps += 1;
        if (agent.steps % STEPS_APART === 0) measureAgent(agent);
        return;
      }
      case 'server_step': {
        const server = this.#servers.get(observation.serverId);
        if (server === undefined) return;
        server.nowMs = Math.max(server.nowMs, observation.event.atMs);
        bookServer(server, observation);
        server.steps += 1;
        if (server.steps % STEPS_APART === 0) measureServer(server);
        return;
      }
      default:
    }
  }

  finish(): void {
    for (const agent of this.#agents.values()) measureAgent(agent);
    for (const server of this.#servers.values()) measureServer(server);
  }
}

function bookAgent(
  { blocks, servers }: AgentHolds,
  { event, effects }: Extract<Observation, { type: 'agent_step' }>,
): void {
  if ('serverId' in event) servers.add(event.serverId);
  if (event.type === 'block_sealed') {
    blocks.add(blockKey(event.block.id));
    if (event.inDoubtAt !== undefined) servers.add(event.inDoubtAt);
  }
  for (const effect of effects) {
    if (effect.type === 'forget_block' || effect.type === 'set_aside_block')
      blocks.delete(blockKey(effect.blockId));
  }
}

function bookServer(
  {
    holds: { agents, writing, told },
    nowMs,
    yieldMemoryMs,
  }: Watched<ServerHolds> & { readonly yieldMemoryMs: number },
  { event, effects }: Extract<Observation, { type: 'server_step' }>,
): void {
  for (const grants of agents.values())
    for (const [id, endsMs] of grants) if (endsMs <= nowMs) grants.delete(id);
  for (const [agentId, untilMs] of told) if (untilMs <= nowMs) told.delete(agentId);
  if (event.type === 'agent_connected') agents.set(event.agentId, new Map());
  if (event.type === 'agent_disconnected') agents.delete(event.agentId);
  if (event.type === 'block_durable' || event.type === 'block_not_durable')
    writing.delete(blockKey(event.blockId));
  if (event.type === 'notice_received') told.set(event.agentId, nowMs + yieldMemoryMs);
  for (const effect of effects) {
    if (effect.type === 'journal_block') writing.add(blockKey(effect.blockId));
    if (effect.type !== 'send_grant' || effect.grant.channels.length === 0) continue;
    const endsMs = nowMs + effect.grant.lifetimeMs + GRANT_GRACE_MS;
    agents.get(effect.agentId)?.set(effect.grant.grantId, endsMs);
  }
}

function measureAgent({ name, machine, holds }: Watched<AgentHolds>): void {
  measure(name, takeCensus(machine, 'agent'), AGENT_BOUNDS, holds);
}

function measureServer({ name, machine, holds }: Watched<ServerHolds>): void {
  measure(name, takeCensus(machine, 'server'), SERVER_BOUNDS, holds);
}

function measure<Holds>(name: string, { sizes, uncounted }: Census, table: Table<Holds>, holds: Holds): void {
  if (sizes.size === 0) fail(`${name} holds nothing that can be counted`);
  for (const [collection, size] of sizes) {
    const bound = table[collection];
    if (bound === undefined) fail(`${name} holds a collection without a bound: ${collection}`);
    const most = bound(holds);
    if (size > most) fail(`${name} holds ${size} in ${collection}, ${most} at most`);
  }
  for (const part of uncounted)
    if (!FUNCTIONS.includes(part)) fail(`${name} holds what cannot be counted: ${part}`);
}

function fail(message: string): never {
  throw new CheckFailure('bounds', message);
}
