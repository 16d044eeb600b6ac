/**
 * The border of the server's uplink state machine: what may happen to it, and what it asks its shell to do.
 * The shell (packages/server/ingest) validates bytes, runs the journal and the streams; it decides nothing.
 */
import type { Timed } from './machine-runner.ts';
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

/** What may happen, as the shell says it; the runner stamps it with the time (machine-runner.ts). */
export type UntimedServerEvent =
  /** Handshake done. A second connection of the same agent replaces the first (say `agent_disconnected` before). */
  | {
      readonly type: 'agent_connected';
      readonly agentId: AgentId;
      /** The agent is of another region than this server: its channels rank lower. */
      readonly isRemote?: boolean;
    }
  | { readonly type: 'agent_disconnected'; readonly agentId: AgentId }
  | {
      readonly type: 'request_received';
      readonly agentId: AgentId;
      readonly request: UploadRequest;
    }
  | {
      readonly type: 'notice_received';
      readonly agentId: AgentId;
      readonly notice: PriorityViolationNotice;
    }
  /**
   * A block has arrived whole on a channel and its payload is valid. `known` when the journal already took it (in this
   * or an earlier life): it is acknowledged again and journaled no second time.
   */
  | {
      readonly type: 'block_arrived';
      readonly agentId: AgentId;
      readonly grantId: GrantId;
      readonly channel: ChannelNumber;
      readonly block: BlockHeader;
      readonly known: boolean;
    }
  /** The journal's commit that holds the block has been synced. */
  | { readonly type: 'block_durable'; readonly blockId: BlockId }
  /** The journal could not take the block (disk full, I/O error). */
  | {
      readonly type: 'block_not_durable';
      readonly blockId: BlockId;
      readonly reason: string;
    }
  /** How many more uncompressed bytes the journal can take now, beyond what it holds and is writing. */
  | { readonly type: 'journal_room_changed'; readonly roomBytes: number }
  | { readonly type: 'woken' }
  /** The server drains (U21): revokes, takes what is in flight, grants nothing. */
  | { readonly type: 'draining' };

/** What the machine is handed: it has no clock but the times of its events. */
export type ServerEvent = Timed<UntimedServerEvent>;

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
