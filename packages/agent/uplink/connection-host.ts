/** What a connection needs of the uplink around it. */

import type { SluiceError } from '@sluice/base/error';
import type { UntimedAgentEvent } from '@sluice/protocol/agent-events';
import type { ServerId } from '@sluice/protocol/model';
import type { Logger } from 'pino';
import type { AgentKey } from '../agent-key.ts';
import type { BlockQueue } from './block-queue.ts';
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
  /** The connection to `address` learned its server's name; the error when another connection already is that server's. */
  claim(serverId: ServerId, address: string): SluiceError | undefined;
  /** The connection to `address` is that server's no more. */
  release(serverId: ServerId, address: string): void;
  /** A server said which block formats it takes. */
  formatsChanged(): void;
  /** 0..1 */
  random(): number;
}
