/** What a server can be told, and what of it its state machine gets. */

import { randomBytes } from 'node:crypto';
import { defined } from '@sluice/base/defined';
import { DEFAULT_CHANNELS } from '@sluice/protocol/channel-allocation';
import { CHANNEL_QUOTA_BYTES } from '@sluice/protocol/limits';
import type { ServerMachineOptions } from '@sluice/protocol/server-machine';
import type { Logger } from 'pino';
import type { ServerTls } from './ingest/listener.ts';
import type { StorePlace } from './store/store-client.ts';

/** More than the channels of a few servers side by side: those that are not loaded go first. */
const DEFAULT_LOADED_OFFSET = 10;
/** A loaded server of the same region is still nearer than one of another. */
const REMOTE_OFFSET = 100;

export interface Listen {
  readonly host: string;
  readonly port: number;
}

interface Credentials {
  readonly user?: string;
  readonly password?: string;
}

/** Where the records go: an engine that this server starts and looks after, or one that is somewhere. */
export type StoreChoice =
  | ({ readonly kind: 'embedded'; readonly listen?: Listen } & Credentials)
  | (StorePlace & Credentials);

export interface ServerOptions {
  /** Unique among the servers. */
  readonly serverId: string;
  /** Data directory: the journal, and the embedded store. */
  readonly directory: string;
  readonly uplink: Listen;
  readonly api: Listen;
  /** Further names that a Host header may carry while the API listens on loopback. */
  readonly apiHostNames?: readonly string[];
  readonly store: StoreChoice;
  /** Priorities of the channels of each grant. */
  readonly priorities?: readonly number[];
  /** Most uncompressed bytes in one channel of one grant. */
  readonly quotaBytes?: number;
  readonly grantLifetimeMs?: number;
  /** What a priority violation notice does: `yield` ranks the next grants lower for a while, `ignore` only counts. */
  readonly onNotice?: 'ignore' | 'yield';
  /** How long a notice is remembered. */
  readonly yieldMemoryMs?: number;
  /** Where this server is; for agents that name another region its channels rank {@link REMOTE_OFFSET} lower. */
  readonly region?: string;
  /** Added to all priorities: a standby ranks behind. */
  readonly priorityOffset?: number;
  /** Added while the journal is mostly full. Default {@link DEFAULT_LOADED_OFFSET}. */
  readonly loadedOffset?: number;
  /** Most uncompressed bytes that are granted per second; default: no limit. */
  readonly ingestLimitBytesPerSecond?: number;
  /** Uncompressed bytes that the journal may hold. */
  readonly journalBytes?: number;
  /** For agents, console and API; only agents are asked for a certificate. */
  readonly tls?: ServerTls;
  /** Bearer token that agents and readers must show. */
  readonly token?: string;
  readonly consoleDirectory: string;
  readonly version: string;
  readonly logger: Logger;
}

/** For the machine; its server id comes from the ingest. */
export function machineOptions(options: ServerOptions): Omit<ServerMachineOptions, 'serverId'> {
  const quotaBytes = options.quotaBytes ?? CHANNEL_QUOTA_BYTES;
  const priorities = options.priorities ?? DEFAULT_CHANNELS.map(({ priority }) => priority);
  return {
    // Grants of an earlier life of this server must never be taken for ones of this life.
    instance: `${Date.now().toString(36)}${randomBytes(3).toString('hex')}`,
    ...defined({ grantLifetimeMs: options.grantLifetimeMs }),
    channels: priorities.map((priority) => ({ priority, quotaBytes })),
    ...defined({ onNotice: options.onNotice, yieldMemoryMs: options.yieldMemoryMs }),
    priorityOffset: options.priorityOffset ?? 0,
    remoteOffset: REMOTE_OFFSET,
    loadedOffset: options.loadedOffset ?? DEFAULT_LOADED_OFFSET,
    ...defined({ ingestLimitBytesPerSecond: options.ingestLimitBytesPerSecond }),
  };
}
