/**
 * The channel streams of one connection: opened at a channel's first block, closed when the machine is done with the channel.
 *
 * Invariants: after `abort` nothing is told any more; what the server says wrongly is told to `conduct`.
 */
import { SluiceError } from '@sluice/base/error';
import { within } from '@sluice/host/within';
import type { AgentEffect, UntimedAgentEvent } from '@sluice/protocol/agent-events';
import type { ChannelNumber, GrantId, ServerId } from '@sluice/protocol/model';
import type { Logger } from 'pino';
import type { BlockQueue } from './block-queue.ts';
import { ChannelStream, type ChannelStreamOptions } from './channel-stream.ts';
import type { Http2Link } from './http2-link.ts';
import type { PeerConduct } from './peer-conduct.ts';
import { isTypedRefusal, streamErrorText } from './uplink-errors.ts';

export interface ChannelStreamsOptions {
  readonly link: Http2Link;
  readonly token: string | undefined;
  readonly queue: BlockQueue;
  readonly serverId: ServerId;
  readonly sessionId: string;
  readonly namesDigests: boolean;
  readonly conduct: PeerConduct;
  readonly logger: Logger;
  readonly problemOf: ChannelStreamOptions['problemOf'];
  /** Resolves when what was handed to the control stream before has left: a notice goes before the block (M10). */
  readonly controlFlushed: () => Promise<void>;
  readonly dispatch: (event: UntimedAgentEvent) => void;
}

export class ChannelStreams {
  readonly #options: ChannelStreamsOptions;
  readonly #streams = new Map<string, ChannelStream>();
  #isOver = false;
  #isClosing = false;

  constructor(options: ChannelStreamsOptions) {
    this.#options = options;
  }

  /** Blocks handed in and not answered. */
  get unansweredCount(): number {
    let count = 0;
    for (const stream of this.#streams.values()) count += stream.unansweredCount;
    return count;
  }

  /** Hands a block to its channel's stream, opening it at its first block. */
  send(effect: Extract<AgentEffect, { type: 'send_block' }>): void {
    const { queue, serverId, controlFlushed } = this.#options;
    const key = channelKey(effect.grantId, effect.channel);
    let stream = this.#streams.get(key);
    if (stream === undefined) {
      stream = this.#open(effect.grantId, effect.channel);
      this.#streams.set(key, stream);
    }
    const marked = queue.markSent?.(effect.block.id, serverId);
    const gate = Promise.all([marked, controlFlushed()]);
    // Whoever sends the block sees a failure; a block whose stream broke before is not sent, and nobody looks.
    gate.catch(() => undefined);
    stream.send({ header: effect.block, inDoubtAt: effect.inDoubtAt, gate });
  }

  /**
   * The machine is done with the channel: its stream ends. What is unanswered then was given up (the server was silent
   * for too long), and what of it has not left must not leave any more: it goes to another server.
   */
  close(grantId: GrantId, channel: ChannelNumber): void {
    const key = channelKey(grantId, channel);
    const stream = this.#streams.get(key);
    if (stream === undefined) return;
    this.#streams.delete(key);
    if (stream.unansweredCount === 0) stream.close();
    else stream.abort(new SluiceError('not_reachable', 'the server did not answer on this channel in time'));
  }

  /** Nothing more is sent on any channel: half-closes them. */
  closeAll(): void {
    this.#isClosing = true;
    for (const stream of this.#streams.values()) stream.close();
  }

  /** Resolves when all streams that are open now are over, after timeoutMs at the latest. */
  async ended(timeoutMs: number): Promise<void> {
    await within(Promise.all([...this.#streams.values()].map(({ done }) => done)), timeoutMs);
  }

  /** Ends all at once, and tells nothing more. */
  abort(reason: unknown): void {
    this.#isOver = true;
    for (const stream of this.#streams.values()) stream.abort(reason);
  }

  #open(grantId: GrantId, channel: ChannelNumber): ChannelStream {
    const { serverId, conduct, dispatch } = this.#options;
    const stream: ChannelStream = new ChannelStream({
      ...this.#options,
      grantId,
      channel,
      acknowledged: (blockId) => {
        if (!this.#isOver) dispatch({ type: 'block_acknowledged', serverId, blockId });
      },
      refused: (blockId, refusal) => {
        if (!this.#isOver) dispatch({ type: 'block_refused', serverId, blockId, refusal });
      },
      repeated: (position) => conduct.note('repeated_answer', `it answered block ${position} twice`),
      breached: (error) => conduct.breach('answer', error),
      ended: (error) => {
        if (this.#isOver) return;
        const key = channelKey(grantId, channel);
        if (this.#streams.get(key) === stream) this.#streams.delete(key);
        if (error !== undefined && !this.#isClosing) this.#broken(grantId, channel, error);
      },
    });
    return stream;
  }

  #broken(grantId: GrantId, channel: ChannelNumber, error: unknown): void {
    const { serverId, conduct, logger, dispatch } = this.#options;
    const text = streamErrorText(error);
    logger.warn({ serverId, grantId, channel, error: text }, 'channel broken');
    if (isTypedRefusal(error)) {
      conduct.note('refused_channel', `it refused channel ${channel} of a grant of its own: ${text}`);
      // The server said why it does not want this channel: sending on it again would be refused again.
      dispatch({ type: 'revoked', serverId, grantId, channel });
    } else if (SluiceError.is(error, 'protocol_violation')) {
      conduct.violated('channel', error);
    }
    dispatch({ type: 'channel_broken', serverId, grantId, channel });
  }
}

function channelKey(grantId: GrantId, channel: ChannelNumber): string {
  return `${channel}/${grantId}`;
}
