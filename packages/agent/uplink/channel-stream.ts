/**
 * One logical channel on the wire: an RPC stream that starts with OpenChannel, then carries blocks in the order in
 * which they were handed in; answers come back as they become durable.
 *
 * Invariants: a payload is read from the queue only when the transport asks for the next message, so at most one
 * payload of a channel is in this program's hands; a block leaves only after its gate (its notice is on the wire, its
 * "may be there" mark is durable); `ended` is called exactly once. An answer that comes twice changes nothing; one to a block
 * that was not sent says that the server's answers are worth nothing: then `breached` is called.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { SluiceError } from '@sluice/base/error';
import { digestProblem, readDigest } from '@sluice/block/digest';
import type {
  BlockHeader,
  BlockId,
  BlockRefusal,
  ChannelNumber,
  GrantId,
  ServerId,
} from '@sluice/protocol/model';
import { positionKey } from '@sluice/protocol/model';
import { readPosition, readRefusal } from '@sluice/wire/convert/block';
import type { SendResponse } from '@sluice/wire/gen/uplink_pb';
import { Outbox } from '@sluice/wire/outbox';
import type { BlockQueue } from './block-queue.ts';
import type { Http2Link } from './http2-link.ts';
import { MAX_ANSWERED_REMEMBERED, MAX_BLOCKS_WAITING_PER_CHANNEL, QUEUE_FAILED_PAUSE_MS } from './limits.ts';
import type { MessagePieces } from './send-call.ts';
import { callSend, encodeBlock, encodeOpenChannel } from './send-call.ts';

/** A block on its way. */
export interface OutgoingBlock {
  readonly header: BlockHeader;
  readonly inDoubtAt: ServerId | undefined;
  /** Resolves when the block may leave. */
  readonly gate: Promise<unknown>;
}

export interface ChannelStreamOptions {
  readonly link: Http2Link;
  readonly token: string | undefined;
  readonly queue: BlockQueue;
  readonly sessionId: string;
  readonly grantId: GrantId;
  readonly channel: ChannelNumber;
  /** Whether the server names the digest of what it answers: one that knows digests does. */
  readonly namesDigests: boolean;
  /** Why the block must not be sent here; undefined when it may. */
  problemOf(header: BlockHeader, payload: Uint8Array): string | undefined;
  acknowledged(blockId: BlockId): void;
  refused(blockId: BlockId, refusal: BlockRefusal): void;
  /** The server answered a block again. */
  repeated(position: string): void;
  /** The server answered a block that it was not sent; the stream ends with this error. */
  breached(error: SluiceError): void;
  /** The stream is over; without an error when `close` was called and everything was answered. */
  ended(error: unknown): void;
}

export class ChannelStream {
  readonly #options: ChannelStreamOptions;
  readonly #outbox = new Outbox<OutgoingBlock>(MAX_BLOCKS_WAITING_PER_CHANNEL);
  readonly #abort = new AbortController();
  /** By position: a server of an older version names no digest. */
  readonly #unanswered = new Map<string, BlockId>();
  /** Of these, what the transport was given: nobody can have the others yet. */
  readonly #sent = new Set<string>();
  /** Digests of what was answered, by position, the oldest first. */
  readonly #answered = new Map<string, string>();
  #closing = false;
  /** Resolves once the stream is over. */
  readonly done: Promise<void>;

  /** Opens the stream. */
  constructor(options: ChannelStreamOptions) {
    this.#options = options;
    this.done = this.#run();
  }

  /** Blocks handed in and not answered. */
  get unansweredCount(): number {
    return this.#unanswered.size;
  }

  /** Hands in a block. Past the bound, or after the end, the stream breaks (and says so). */
  send(block: OutgoingBlock): void {
    const { id } = block.header;
    this.#unanswered.set(positionKey(id), id);
    if (!this.#outbox.push(block)) {
      this.#abort.abort(new SluiceError('limit_exceeded', 'more blocks than one channel stream may hold'));
    }
  }

  /** Nothing more will be sent: half-closes; the server answers what it has and ends the stream. */
  close(): void {
    this.#closing = true;
    this.#outbox.end();
  }

  /** Ends at once. */
  abort(reason: unknown): void {
    this.#abort.abort(reason);
    this.#outbox.fail(reason);
  }

  async #run(): Promise<void> {
    let failure: unknown;
    try {
      const { link, token } = this.#options;
      const responses = callSend(link, token, this.#messages(), this.#abort.signal);
      for await (const response of responses) this.#answer(response);
      if (!this.#closing || this.#unanswered.size > 0) {
        failure = new SluiceError('protocol_violation', 'it ended a channel before all was answered');
      }
    } catch (error) {
      failure = error;
    }
    this.#outbox.fail(failure ?? new Error('the channel is closed'));
    this.#options.ended(failure);
  }

  async *#messages(): AsyncGenerator<MessagePieces> {
    const { queue, sessionId, grantId, channel } = this.#options;
    yield encodeOpenChannel({ sessionId, agentId: queue.agentId, grantId, channel });
    for await (const block of this.#outbox) {
      const payload = await this.#payloadOf(block);
      if (payload === undefined) continue;
      this.#sent.add(positionKey(block.header.id));
      yield encodeBlock(block.header, payload, block.inDoubtAt);
    }
  }

  /** Undefined when the block cannot be sent: then the machine has been told. */
  async #payloadOf(block: OutgoingBlock): Promise<Uint8Array | undefined> {
    const { id } = block.header;
    let refusal: BlockRefusal;
    try {
      await block.gate;
      const payload = await this.#options.queue.readPayload(id);
      const damage =
        payload === undefined ? 'the queue does not hold the payload' : digestProblem(block.header, payload);
      if (payload === undefined || damage !== undefined) {
        refusal = { kind: 'malformed', reason: damage ?? '' };
      } else {
        const problem = this.#options.problemOf(block.header, payload);
        if (problem === undefined) return payload;
        refusal = { kind: 'retryable', reason: problem };
      }
    } catch (error) {
      refusal = { kind: 'retryable', reason: `the queue failed: ${SluiceError.from(error).message}` };
      // A queue that cannot be read stays so for long, and each try costs a grant.
      await sleep(QUEUE_FAILED_PAUSE_MS, undefined, { signal: this.#abort.signal }).catch(() => undefined);
    }
    this.#unanswered.delete(positionKey(id));
    this.#options.refused(id, refusal);
    return undefined;
  }

  #answer(response: SendResponse): void {
    const { message } = response;
    if (message.case === undefined) return; // a kind of answer newer than this program
    const key = positionKey(readPosition(message.value, this.#options.queue.agentId));
    const id = this.#sent.has(key) ? this.#unanswered.get(key) : undefined;
    const named = this.#namedDigest(message.value.digest);
    if (id === undefined || (named !== undefined && named !== id.digest)) {
      const answered = this.#answered.get(key);
      if (answered !== undefined && (named === undefined || named === answered)) {
        this.#options.repeated(key);
        return;
      }
      const error = new SluiceError('protocol_violation', `it answered a block that it was not sent: ${key}`);
      this.#options.breached(error);
      throw error;
    }
    this.#unanswered.delete(key);
    this.#sent.delete(key);
    this.#remember(key, id.digest);
    if (message.case === 'acknowledgement') this.#options.acknowledged(id);
    else this.#options.refused(id, readRefusal(message.value));
  }

  /** Undefined from a server that knows no digests. */
  #namedDigest(digest: Uint8Array): string | undefined {
    if (digest.length === 0 && !this.#options.namesDigests) return undefined;
    try {
      return readDigest(digest);
    } catch (thrown) {
      const error = SluiceError.from(thrown, 'protocol_violation');
      this.#options.breached(error);
      throw error;
    }
  }

  #remember(key: string, digest: string): void {
    this.#answered.delete(key);
    this.#answered.set(key, digest);
    if (this.#answered.size <= MAX_ANSWERED_REMEMBERED) return;
    for (const oldest of this.#answered.keys()) {
      this.#answered.delete(oldest);
      return;
    }
  }
}
