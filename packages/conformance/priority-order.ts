/**
 * The order of channels and its violations (SPEC U6, U7, U9, U24), a second time and from what the wire shows alone: what the
 * servers gave, and what has arrived. Exact while one block at a time is on its way.
 */
import type { GivenChannel } from './heard.ts';
import type { ScriptedServer } from './scripted-server.ts';

/** A server of which a block waits so long for its answer may be taken for stuck: nothing is said of the order then. */
const MAYBE_STALLED_MS = 900;
/** A channel rests after a refusal (U12). */
const MAYBE_RESTING_MS = 500;
/** A grant may still be on its way to the agent, and into its machine. */
const GRANT_ON_ITS_WAY_MS = 150;

function live(server: ScriptedServer, nowMs: number): GivenChannel[] {
  if (!server.isConnected) return [];
  return server.grants.flatMap(({ isVoid, givenAtMs, lifetimeMs, channels }) =>
    isVoid || givenAtMs + lifetimeMs <= nowMs
      ? []
      : channels.filter((given) => given.endedAtMs === undefined),
  );
}

function leftBytes(channel: GivenChannel): number {
  return channel.quotaBytes - channel.usedBytes;
}

/**
 * The place of a server among those of equal priority, for one agent; the smaller one is first (U6): FNV-1a (32 bits) over
 * the UTF-16 code units of agent id, NUL and server id, and the finalizer of MurmurHash3.
 */
export function placeAmongEquals(agentId: string, serverId: string): number {
  let hash = 0x811c9dc5;
  const text = `${agentId}\0${serverId}`;
  for (let at = 0; at < text.length; at += 1) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

/** The highest priority of a server: of channels that carry the block, or that were used (also up). */
function highestOf(server: ScriptedServer, blockBytes: number, nowMs: number): number {
  const channels = live(server, nowMs);
  if (!channels.some((channel) => leftBytes(channel) >= blockBytes)) return Number.POSITIVE_INFINITY;
  return channels
    .filter((channel) => channel.blocks > 0 || leftBytes(channel) >= blockBytes)
    .reduce((highest, { priority }) => Math.min(highest, priority), Number.POSITIVE_INFINITY);
}

export interface Outranking {
  readonly serverId: string;
  readonly highestPriority: number;
  /** What it holds that carries the block, lower than the used channel. */
  readonly heldPriorities: readonly number[];
}

/** The servers that outrank the use of a channel by a block, before its bytes are counted; none: no violation. */
export function outranking(
  channel: GivenChannel,
  blockBytes: number,
  servers: readonly ScriptedServer[],
  nowMs: number,
): Outranking[] {
  const own = servers.find(({ name }) => name === channel.grant.server);
  const ownHighest = own === undefined ? Number.POSITIVE_INFINITY : highestOf(own, blockBytes, nowMs);
  return servers.flatMap((server) => {
    if (server === own) return [];
    const highestPriority = highestOf(server, blockBytes, nowMs);
    if (highestPriority >= ownHighest) return [];
    const heldPriorities = live(server, nowMs)
      .filter((held) => leftBytes(held) >= blockBytes && held.priority > channel.priority)
      .map(({ priority }) => priority)
      .sort((a, b) => a - b);
    return heldPriorities.length === 0 ? [] : [{ serverId: server.name, highestPriority, heldPriorities }];
  });
}

/** A channel that should have taken the block instead of the used one; undefined: the order was kept. */
export function higherWithRoom(
  channel: GivenChannel,
  blockBytes: number,
  isUrgent: boolean,
  servers: readonly ScriptedServer[],
  nowMs: number,
): GivenChannel | undefined {
  for (const server of servers) {
    const isStuck = server.blocks.some(
      ({ answer, atMs, answeredAtMs }) =>
        (answer === undefined && nowMs - atMs > MAYBE_STALLED_MS) ||
        (answer === 'retryable' && nowMs - answeredAtMs < MAYBE_RESTING_MS),
    );
    if (isStuck) continue;
    const higher = live(server, nowMs).find(
      (given) =>
        given.priority < channel.priority &&
        nowMs - given.grant.givenAtMs > GRANT_ON_ITS_WAY_MS &&
        leftBytes(given) - (isUrgent ? 0 : given.reservedForUrgentBytes) >= blockBytes,
    );
    if (higher !== undefined) return higher;
  }
  return undefined;
}
