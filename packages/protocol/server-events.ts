/**
 * The border of the server's uplink state machine: what may happen to it, and what it asks its shell to do.
 * The shell (packages/server/ingest) validates bytes, runs the journal and the streams; it decides nothing.
 */
import type {
  AgentId,
  BlockHeader,
  BlockId,
  BlockRefusal,
  ChannelNumber,
  Grant,
  GrantId,
  PriorityViolationNotice,
  TimeMs,
  UploadRequest,
} from './model.ts';

export type ServerEvent =
  /** Handshake done. A second connection of the same agent replaces the first (say `agent_disconnected` before). */
  | {
      readonly type: 'agent_connected';
      readonly atMs: TimeMs;
      readonly agentId: AgentId;
      /** The agent is of another region than this server: it gets lower lanes. */
      readonly isRemote?: boolean;
    }
  | { readonly type: 'agent_disconnected'; readonly atMs: TimeMs; readonly agentId: AgentId }
  | {
      readonly type: 'request_received';
      readonly atMs: TimeMs;
      readonly agentId: AgentId;
      readonly request: UploadRequest;
    }
  | {
      readonly type: 'notice_received';
      readonly atMs: TimeMs;
      readonly agentId: AgentId;
      readonly notice: PriorityViolationNotice;
    }
  /**
   * A block has arrived whole on a channel and its payload is valid. `known` when the journal already took it (in this
   * or an earlier life): it is acknowledged again and journaled no second time.
   */
  | {
      readonly type: 'block_arrived';
      readonly atMs: TimeMs;
      readonly agentId: AgentId;
      readonly grantId: GrantId;
      readonly channel: ChannelNumber;
      readonly block: BlockHeader;
      readonly known: boolean;
    }
  /** The journal's commit that holds the block has been synced. */
  | { readonly type: 'block_durable'; readonly atMs: TimeMs; readonly blockId: BlockId }
  /** The journal could not take the block (disk full, I/O error). */
  | {
      readonly type: 'block_not_durable';
      readonly atMs: TimeMs;
      readonly blockId: BlockId;
      readonly reason: string;
    }
  /** How many more uncompressed bytes the journal can take now, beyond what it holds and is writing. */
  | { readonly type: 'journal_room_changed'; readonly atMs: TimeMs; readonly roomBytes: number }
  | { readonly type: 'woken'; readonly atMs: TimeMs }
  /** The server drains (U21): revokes, takes what is in flight, grants nothing. */
  | { readonly type: 'draining'; readonly atMs: TimeMs };

/** What happened, before the shell has stamped its time. */
export type UntimedServerEvent = ServerEvent extends infer E
  ? E extends ServerEvent
    ? Omit<E, 'atMs'>
    : never
  : never;

/** The event with the time at which it is handed to the machine. */
export function timedServerEvent(event: UntimedServerEvent, atMs: TimeMs): ServerEvent {
  // A union without one of its fields, with it again: the compiler takes it apart and cannot put it together.
  return { ...event, atMs } as ServerEvent;
}

export type ServerEffect =
  | { readonly type: 'send_grant'; readonly agentId: AgentId; readonly grant: Grant }
  | {
      readonly type: 'revoke';
      readonly agentId: AgentId;
      readonly grantId?: GrantId;
      readonly channel?: ChannelNumber;
    }
  /** Take the block of the `block_arrived` just handed in; then say `block_durable` or `block_not_durable`. */
  | {
      readonly type: 'journal_block';
      readonly agentId: AgentId;
      readonly blockId: BlockId;
      readonly priority: number;
    }
  | {
      readonly type: 'acknowledge_block';
      readonly agentId: AgentId;
      readonly blockId: BlockId;
      readonly grantId: GrantId;
      readonly channel: ChannelNumber;
    }
  | {
      readonly type: 'refuse_block';
      readonly agentId: AgentId;
      readonly blockId: BlockId;
      readonly grantId: GrantId;
      readonly channel: ChannelNumber;
      readonly refusal: BlockRefusal;
    }
  /** To be counted, kept and shown (U11). */
  | { readonly type: 'record_notice'; readonly agentId: AgentId; readonly notice: PriorityViolationNotice }
  | { readonly type: 'wake_at'; readonly atMs: TimeMs };
