/**
 * What server and agent process know of one another's objects: the agent's end of a connection and of a channel stream.
 */
import type { BlockRefusal, ChannelNumber, Grant, GrantId } from '@sluice/protocol/model';
import type { Connection } from './connection.ts';

/** The agent's end of one channel stream. */
export interface AgentStream {
  /** `channel/grant`, as the wire's streams are told apart. */
  readonly key: string;
  readonly grantId: GrantId;
  readonly channel: ChannelNumber;
  /** An acknowledgement, or a refusal. */
  answered(sequence: number, refusal: BlockRefusal | undefined): void;
}

/** The agent's side of its connection to one server, as the server's messages reach it. */
export interface AgentLink<S = unknown, P = unknown> {
  /** Whether the process lives, and goes on with this connection. */
  holds(connection: Connection): boolean;
  welcomed(connection: Connection, session: S, server: P): void;
  granted(session: S, grant: Grant): void;
  revoked(session: S, grantId: GrantId | undefined, channel: ChannelNumber | undefined): void;
}
