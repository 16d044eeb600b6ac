/**
 * What the ingest holds of one connected agent, and the streams on which it sends.
 *
 * Invariants: a session that has left tells nothing any more; what is remembered per session is bounded.
 */
import { randomUUID } from 'node:crypto';
import { create } from '@bufbuild/protobuf';
import { Code, ConnectError } from '@connectrpc/connect';
import type { AgentId, BlockId, BlockRefusal, ChannelNumber, Grant, GrantId } from '@sluice/protocol/model';
import type { AgentPrincipal, ShownIdentity } from '@sluice/protocol/principal';
import { writeAcknowledgement, writeRefusal } from '@sluice/wire/convert/block';
import type { Revocation } from '@sluice/wire/convert/grant';
import { writeGrant, writeRevocation } from '@sluice/wire/convert/grant';
import type { ControlResponse, SendResponse } from '@sluice/wire/gen/uplink_pb';
import {
  ControlResponseSchema,
  type IdentityProblemKind,
  SendResponseSchema,
} from '@sluice/wire/gen/uplink_pb';
import { Outbox } from '@sluice/wire/outbox';
import type { Standing } from '../identity/agent-identity.ts';
import type { QueueMarks } from '../identity/agent-record.ts';
import { MAX_ANSWERS_WAITING, MAX_CONTROL_MESSAGES_WAITING, MAX_GRANTS_REMEMBERED } from './limits.ts';
import type { PeerConnection } from './peer-connection.ts';

/** One open Send stream. */
export class ChannelInbox {
  readonly answers: Outbox<SendResponse> = new Outbox(MAX_ANSWERS_WAITING);
  #unanswered = 0;
  #inputEnded = false;
  #leftBecause: string | undefined;

  /** Why the stream ended with blocks that were not answered; undefined when there are none. */
  get leftBecause(): string | undefined {
    return this.#unanswered > 0 ? this.#leftBecause : undefined;
  }

  /** A block has come in whole. */
  arrived(): void {
    this.#unanswered += 1;
  }

  acknowledge(id: BlockId): void {
    const value = writeAcknowledgement(id);
    this.#answer(create(SendResponseSchema, { message: { case: 'acknowledgement', value } }));
  }

  refuse(id: BlockId, refusal: BlockRefusal): void {
    this.#answer(
      create(SendResponseSchema, { message: { case: 'refusal', value: writeRefusal(id, refusal) } }),
    );
  }

  /** The agent sends no more: the stream ends when everything is answered. */
  endInput(): void {
    this.#inputEnded = true;
    if (this.#unanswered <= 0) this.answers.end();
  }

  /** Ends the stream after the answers that wait, whatever is not answered. */
  leave(reason: string): void {
    this.#leftBecause ??= reason;
    this.answers.end();
  }

  #answer(response: SendResponse): void {
    this.#unanswered -= 1;
    if (!this.answers.push(response) && this.answers.isOpen) {
      this.answers.fail(new ConnectError('the agent does not read its answers', Code.ResourceExhausted));
    }
    if (this.#inputEnded && this.#unanswered <= 0) this.answers.end();
  }
}

export interface SessionOptions {
  /** Counts only once the agent has proven what it shows. */
  readonly principal: AgentPrincipal;
  readonly epoch: number;
  readonly hostName: string;
  readonly region: string;
  readonly connection: PeerConnection | undefined;
  readonly marks: QueueMarks;
}

/** What the agent is to know of its own identity. */
export interface ToldProblem {
  readonly kind: IdentityProblemKind;
  readonly text: string;
}

export class AgentSession {
  readonly principal: AgentPrincipal;
  /** The run of the agent. Its blocks may be of earlier runs too. */
  readonly epoch: number;
  readonly hostName: string;
  /** Empty: anywhere. */
  readonly region: string;
  /** Unguessable; each Send stream presents it. */
  readonly sessionId: string = randomUUID();
  readonly control: Outbox<ControlResponse> = new Outbox(MAX_CONTROL_MESSAGES_WAITING);
  readonly connection: PeerConnection | undefined;
  /** As Hello told them. */
  readonly marks: QueueMarks;
  /** Under which the state machine knows this session; see session-registry.ts. */
  machineKey: AgentId;
  standing: Standing = 'unproven';
  /** ms since 1970, when the agent was let in. */
  connectedSinceMs: number = Date.now();
  /** The same moment by the clock that only counts on: how long it is connected does not change with the time of day. */
  connectedAtMs: number = performance.now();
  /** It and another session of the same identity were both seen alive, since then. */
  twinSinceMs: number | undefined;
  /** Its queue is an earlier one than it had. */
  rolledBack = false;
  /** The sequence behind the highest one that came. */
  nextSequence = 0;
  #told = '';
  readonly #channels = new Map<string, ChannelInbox>();
  readonly #granted = new Map<GrantId, ReadonlySet<ChannelNumber>>();

  constructor(options: SessionOptions) {
    this.principal = options.principal;
    this.epoch = options.epoch;
    this.hostName = options.hostName;
    this.region = options.region;
    this.connection = options.connection;
    this.marks = options.marks;
    this.machineKey = options.principal.agentId;
  }

  get agentId(): AgentId {
    return this.principal.agentId;
  }

  get shown(): ShownIdentity {
    return this.principal.shown;
  }

  get openChannelCount(): number {
    return this.#channels.size;
  }

  /** The open Send streams. */
  channels(): Iterable<ChannelInbox> {
    return this.#channels.values();
  }

  sendGrant(grant: Grant): void {
    if (grant.channels.length > 0) {
      this.#granted.set(grant.grantId, new Set(grant.channels.map((channel) => channel.channel)));
      if (this.#granted.size > MAX_GRANTS_REMEMBERED) {
        for (const oldest of this.#granted.keys()) {
          this.#granted.delete(oldest);
          break;
        }
      }
    }
    this.#push(create(ControlResponseSchema, { message: { case: 'grant', value: writeGrant(grant) } }));
  }

  sendRevocation(revocation: Revocation): void {
    const value = writeRevocation(revocation);
    this.#push(create(ControlResponseSchema, { message: { case: 'revocation', value } }));
  }

  /** Tells the agent what is wrong with its identity, when that is something else than it was told last. */
  sendIdentityNotice(problems: readonly ToldProblem[]): void {
    const told = problems.map(({ kind, text }) => `${kind} ${text}`).join('\n');
    if (told === this.#told) return;
    this.#told = told;
    const value = { problems: problems.map(({ kind, text }) => ({ kind, text })) };
    this.#push(create(ControlResponseSchema, { message: { case: 'identityNotice', value } }));
  }

  /** True when this session was given the channel. Whether it may still be used is the machine's matter. */
  wasGranted(grantId: GrantId, channel: ChannelNumber): boolean {
    return this.#granted.get(grantId)?.has(channel) === true;
  }

  /** A Send stream opened; a stream that it replaces ends. */
  openChannel(grantId: GrantId, channel: ChannelNumber): ChannelInbox {
    const key = channelKey(grantId, channel);
    this.#channels.get(key)?.leave('the channel was opened anew');
    const inbox = new ChannelInbox();
    this.#channels.set(key, inbox);
    return inbox;
  }

  /** The open stream of a channel; undefined when it is gone (then the agent asks again with the block itself). */
  channel(grantId: GrantId, channel: ChannelNumber): ChannelInbox | undefined {
    return this.#channels.get(channelKey(grantId, channel));
  }

  closeChannel(grantId: GrantId, channel: ChannelNumber, inbox: ChannelInbox): void {
    const key = channelKey(grantId, channel);
    if (this.#channels.get(key) === inbox) this.#channels.delete(key);
  }

  /** Says goodbye and ends the control stream; the connection follows. */
  leave(reason: string): void {
    this.#push(create(ControlResponseSchema, { message: { case: 'goodbye', value: { reason } } }));
    this.control.end();
    for (const inbox of this.#channels.values()) inbox.leave(reason);
  }

  #push(message: ControlResponse): void {
    if (this.control.push(message) || !this.control.isOpen) return;
    this.control.fail(new ConnectError('the agent does not read its control stream', Code.ResourceExhausted));
    this.connection?.leave();
  }
}

function channelKey(grantId: GrantId, channel: ChannelNumber): string {
  return `${channel}/${grantId}`;
}
