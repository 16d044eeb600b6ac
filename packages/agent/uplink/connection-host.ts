/** What a connection needs of the uplink around it, and what people see of it. */

import type { SluiceError } from '@sluice/base/error';
import type { UntimedAgentEvent } from '@sluice/protocol/agent-events';
import type { ServerId } from '@sluice/protocol/model';
import type { Logger } from 'pino';
import type { AgentKey } from '../agent-key.ts';
import type { BlockQueue } from './block-queue.ts';
import type { ServerConnection } from './connection.ts';
import type { PingTimes } from './http2-link.ts';

/** What a connection needs of the uplink. */
export interface ConnectionHost {
  readonly queue: BlockQueue;
  /** Proves who the agent is; without one it proves nothing. */
  readonly key: AgentKey | undefined;
  readonly hostName: string;
  /** Empty: anywhere. */
  readonly region: string;
  readonly version: string;
  readonly logger: Logger;
  readonly pingTimes: PingTimes | undefined;
  dispatch(event: UntimedAgentEvent): void;
  /** A connection learned its server's name; the error when another connection already is that server's. */
  claim(serverId: ServerId, connection: ServerConnection): SluiceError | undefined;
  release(serverId: ServerId, connection: ServerConnection): void;
  /** A server said which block formats it takes. */
  formatsChanged(): void;
  /** 0..1 */
  random(): number;
}

/** What people see of a connection. */
export interface ConnectionView {
  readonly address: string;
  /** Of the last handshake; undefined until there was one. */
  readonly serverId: ServerId | undefined;
  readonly connected: boolean;
  readonly error: string | undefined;
  /** What the server says is wrong with who this agent is; none while there is no connection. */
  readonly identityProblems: readonly string[];
  readonly blocksInFlight: number;
}
