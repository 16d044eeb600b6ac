/**
 * The border of the agent's uplink state machine: what may happen to it, and what it asks its shell to do.
 * The shell (packages/agent/uplink) turns network, queue and timer happenings into events and executes effects in
 * order; it decides nothing.
 */
import type { Timed } from './machine-runner.ts';
import type {
  BlockHeader,
  BlockId,
  BlockRefusal,
  ChannelNumber,
  Grant,
  GrantId,
  PriorityViolationNotice,
  ServerId,
  TimeMs,
  UploadRequest,
} from './model.ts';

/** What may happen, as the shell says it; the runner stamps it with the time (machine-runner.ts). */
export type UntimedAgentEvent =
  /** A control stream is open and the handshake is done. */
  | { readonly type: 'server_connected'; readonly serverId: ServerId }
  /** The control stream ended: grants of that server are gone, its blocks in flight are in doubt. */
  | { readonly type: 'server_disconnected'; readonly serverId: ServerId }
  | {
      readonly type: 'grant_received';
      readonly serverId: ServerId;
      readonly grant: Grant;
    }
  /** The server takes back what is unused. Without a channel: the whole grant; without a grant: all of them. */
  | {
      readonly type: 'revoked';
      readonly serverId: ServerId;
      readonly grantId?: GrantId;
      readonly channel?: ChannelNumber;
    }
  /** A block is durable in the queue and may be sent. Also said for each block found in the queue at start. */
  | {
      readonly type: 'block_sealed';
      readonly block: BlockHeader;
      readonly inDoubtAt?: ServerId;
    }
  | {
      readonly type: 'block_acknowledged';
      readonly serverId: ServerId;
      readonly blockId: BlockId;
    }
  | {
      readonly type: 'block_refused';
      readonly serverId: ServerId;
      readonly blockId: BlockId;
      readonly refusal: BlockRefusal;
    }
  /** A channel's stream broke while the control stream lives: blocks in flight on it are sent again (same server). */
  | {
      readonly type: 'channel_broken';
      readonly serverId: ServerId;
      readonly grantId: GrantId;
      readonly channel: ChannelNumber;
    }
  /** The time asked for with `wake_at` has come. */
  | { readonly type: 'woken' }
  /** The agent stops (U21): nothing is sent any more, what is in flight may still be acknowledged. */
  | { readonly type: 'stopping' };

/** What the machine is handed: it has no clock but the times of its events. */
export type AgentEvent = Timed<UntimedAgentEvent>;

export type AgentEffect =
  | { readonly type: 'send_request'; readonly serverId: ServerId; readonly request: UploadRequest }
  /** Send the block on the channel. Effects are in sending order; on one channel order is kept. */
  | {
      readonly type: 'send_block';
      readonly serverId: ServerId;
      readonly grantId: GrantId;
      readonly channel: ChannelNumber;
      readonly priority: number;
      readonly block: BlockHeader;
      /** Set when the block may already be durable at another server (U14). */
      readonly inDoubtAt?: ServerId;
    }
  /** To be sent before the block of the `send_block` that follows it ("at the same time", M10). */
  | { readonly type: 'send_notice'; readonly serverId: ServerId; readonly notice: PriorityViolationNotice }
  /** Durable at a server: the queue may forget it. */
  | { readonly type: 'forget_block'; readonly blockId: BlockId }
  /** Malformed by a server's word: keep it aside and report it, never send it again. */
  | { readonly type: 'set_aside_block'; readonly blockId: BlockId; readonly reason: string }
  /** The channel is used up, expired or revoked and everything sent on it is answered: close its stream. */
  | {
      readonly type: 'close_channel';
      readonly serverId: ServerId;
      readonly grantId: GrantId;
      readonly channel: ChannelNumber;
    }
  /** What the server said is wrong and was not used: to be shown. */
  | { readonly type: 'peer_problem'; readonly serverId: ServerId; readonly problem: string }
  /** Wake me at this time; replaces the earlier wish. */
  | { readonly type: 'wake_at'; readonly atMs: TimeMs };
