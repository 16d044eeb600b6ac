/** What the ingest is given. */
import type { AgentId, BlockHeader, BlockRefusal, ServerId } from '@sluice/protocol/model';
import type { ServerMachineOptions } from '@sluice/protocol/server-machine';
import type { Logger } from 'pino';
import type { IdentityBook } from '../identity/identity-book.ts';
import type { BlockJournal, ValidateBlock } from './block-journal.ts';
import type { ServerTls } from './listener.ts';

/** Called as things happen; for counters. None may throw. */
export interface IngestMetrics {
  blockReceived?(header: BlockHeader, payloadBytes: number, known: boolean): void;
  blockAcknowledged?(header: BlockHeader, priority: number, waitedMs: number): void;
  blockRefused?(agentId: AgentId, refusal: BlockRefusal): void;
  noticeReceived?(agentId: AgentId): void;
  agentConnected?(agentId: AgentId): void;
  agentDisconnected?(agentId: AgentId): void;
}

export interface IngestOptions {
  readonly host: string;
  /** 0 for a free one. */
  readonly port: number;
  readonly tls?: ServerTls;
  /** Agents must present it. */
  readonly token?: string;
  readonly serverId: ServerId;
  readonly version: string;
  /** Where this server is; agents that name another region get lower priorities. */
  readonly region?: string;
  readonly journal: BlockJournal;
  readonly validate: ValidateBlock;
  /** For the state machine; server id and journal come from above. */
  readonly machine: Omit<ServerMachineOptions, 'serverId' | 'journalBytes'>;
  readonly logger: Logger;
  readonly metrics?: IngestMetrics;
  readonly maxAgents?: number;
  readonly handshakeTimeoutMs?: number;
  /** How often it is looked whether the peers live. Default: PING_INTERVAL_MS. */
  readonly pingIntervalMs?: number;
  /** Who agents are. Default: one that forgets with the process. */
  readonly identities?: IdentityBook;
  /** How long an earlier session of an agent has to answer when another one comes; default TWIN_PING_TIMEOUT_MS. */
  readonly twinPingTimeoutMs?: number;
}
