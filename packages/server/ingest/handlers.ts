/**
 * The two calls of the uplink service: Control (one per agent) and Send (one per logical channel). They read, check
 * and hand on; the ingest behind {@link HandlerHost} decides nothing either, that is the machine's.
 *
 * Invariants: a peer's fault ends its call with a typed error and touches nobody else; a call that ended leaves no
 * timer and no pending read behind.
 */

import type { KeyObject } from 'node:crypto';
import { create } from '@bufbuild/protobuf';
import type { HandlerContext } from '@connectrpc/connect';
import { Code, ConnectError } from '@connectrpc/connect';
import { defined } from '@sluice/base/defined';
import { type ErrorCode, SluiceError } from '@sluice/base/error';
import type { ChannelNumber, GrantId, PriorityViolationNotice, UploadRequest } from '@sluice/protocol/model';
import { agentPrincipal } from '@sluice/protocol/principal';
import { SERVER_CAPABILITIES, sharedCapabilities, writeCapabilities } from '@sluice/wire/capabilities';
import type { ReceivedBlock } from '@sluice/wire/convert/block';
import { readBlock } from '@sluice/wire/convert/block';
import {
  readAgentId,
  readChannelNumber,
  readEpoch,
  readGrantId,
  readMark,
  readSettledBelow,
  readText,
} from '@sluice/wire/convert/fields';
import { readNotice } from '@sluice/wire/convert/notice';
import { readUploadRequest } from '@sluice/wire/convert/request';
import type {
  AgentReport,
  ControlRequest,
  ControlResponse,
  Hello,
  SendRequest,
  SendResponse,
} from '@sluice/wire/gen/uplink_pb';
import { ControlResponseSchema } from '@sluice/wire/gen/uplink_pb';
import type { ProofFields } from '@sluice/wire/identity-proof';
import { PROTOCOL_MAJOR, PROTOCOL_MINOR } from '@sluice/wire/protocol-version';
import { keyIdentity } from '../identity/agent-identity.ts';
import { checkProof, drawChallenge, readIdentityKey } from '../identity/proof.ts';
import type { ChannelInbox } from './agent-session.ts';
import { AgentSession } from './agent-session.ts';
import { HANDSHAKE_TIMEOUT_MS, OPEN_CHANNEL_TIMEOUT_MS } from './limits.ts';
import { PEER_CONNECTION } from './peer-connection.ts';

/** One channel of one agent, with its open stream. */
export interface OpenedChannel {
  readonly session: AgentSession;
  readonly grantId: GrantId;
  readonly channel: ChannelNumber;
  readonly inbox: ChannelInbox;
}

/** What the calls need of the ingest. */
export interface HandlerHost {
  readonly serverId: string;
  readonly version: string;
  /** Takes in an agent that has proven what it shows; it may have gone meanwhile. @throws SluiceError `limit_exceeded` */
  admit(session: AgentSession): Promise<void>;
  disconnected(session: AgentSession): void;
  sessionOf(sessionId: string): AgentSession | undefined;
  requested(session: AgentSession, request: UploadRequest): void;
  noticed(session: AgentSession, notice: PriorityViolationNotice): void;
  reported(session: AgentSession, report: AgentReport): void;
  settled(session: AgentSession, belowSequence: number): void;
  /** The agent says goodbye. */
  left(session: AgentSession, reason: string): void;
  /** The agent's control stream ended with an error of its own making, or of ours. */
  failed(session: AgentSession, error: ConnectError): void;
  /** A Send stream is over. */
  channelClosed(): void;
  /** Resolves when the next block of the channel may be read. */
  take(channel: OpenedChannel, block: ReceivedBlock): Promise<void>;
}

/** The Control call. */
export async function* control(
  host: HandlerHost,
  requests: AsyncIterable<ControlRequest>,
  context: HandlerContext,
): AsyncGenerator<ControlResponse> {
  const connection = context.values.get(PEER_CONNECTION);
  // What bounds connections bounds agents too.
  if (connection?.takeControl() === false)
    throw new ConnectError('this connection has its control stream already', Code.FailedPrecondition);
  const input = requests[Symbol.asyncIterator]();
  const first = await firstMessage(input, HANDSHAKE_TIMEOUT_MS, 'Hello');
  if (first.message.case !== 'hello')
    throw new ConnectError('the first message must be Hello', Code.InvalidArgument);
  const hello = first.message.value;
  const session = readTyped(() => readHello(hello, connection));
  const settledBelow = readTyped(() => readSettledBelow(hello.settledBelowSequence));
  const proof = readTyped(() => askForProof(host, session, hello));
  session.control.push(welcome(host, session, proof?.challenge));
  const onAbort = (): void => session.control.end();
  context.signal.addEventListener('abort', onAbort, { once: true });
  if (context.signal.aborted) onAbort();
  try {
    void admit(host, session, input, proof, settledBelow);
    yield* session.control;
  } finally {
    context.signal.removeEventListener('abort', onAbort);
    host.disconnected(session);
    connection?.leave();
  }
}

/** The Send call. */
export async function* send(
  host: HandlerHost,
  requests: AsyncIterable<SendRequest>,
  context: HandlerContext,
): AsyncGenerator<SendResponse> {
  const input = requests[Symbol.asyncIterator]();
  const first = await firstMessage(input, OPEN_CHANNEL_TIMEOUT_MS, 'OpenChannel');
  if (first.message.case !== 'openChannel') {
    throw new ConnectError('the first message must be OpenChannel', Code.InvalidArgument);
  }
  const open = first.message.value;
  const session = host.sessionOf(open.sessionId);
  if (session === undefined || session.agentId !== open.agentId) {
    throw new ConnectError('the session is not that of this agent, or is over', Code.FailedPrecondition);
  }
  const grantId = readTyped(() => readGrantId(open.grantId));
  const channel = readTyped(() => readChannelNumber(open.channel));
  if (!session.wasGranted(grantId, channel)) {
    throw new ConnectError(
      `channel ${channel} of grant ${grantId} was not given to this session`,
      Code.FailedPrecondition,
    );
  }
  const inbox = session.openChannel(grantId, channel);
  const opened: OpenedChannel = { session, grantId, channel, inbox };
  const onAbort = (): void => inbox.answers.end();
  context.signal.addEventListener('abort', onAbort, { once: true });
  if (context.signal.aborted) onAbort();
  try {
    void readBlocks(host, opened, input);
    yield* inbox.answers;
    if (inbox.leftBecause !== undefined) throw new ConnectError(inbox.leftBecause, Code.Unavailable);
  } finally {
    context.signal.removeEventListener('abort', onAbort);
    session.closeChannel(grantId, channel, inbox);
    host.channelClosed();
  }
}

/** Lets the agent in once it has proven the key that it named, and reads what it says from then on. */
async function admit(
  host: HandlerHost,
  session: AgentSession,
  input: AsyncIterator<ControlRequest>,
  proof: AwaitedProof | undefined,
  settledBelowSequence: number,
): Promise<void> {
  try {
    if (proof !== undefined) {
      const { message } = await firstMessage(input, HANDSHAKE_TIMEOUT_MS, 'Proof');
      if (message.case !== 'proof')
        throw new SluiceError('protocol_violation', 'Hello named a key, and no Proof followed');
      checkProof(proof.key, message.value.signature, proof);
    }
    await host.admit(session);
    session.connection?.welcomed();
    host.settled(session, settledBelowSequence);
  } catch (error) {
    fail(host, session, error);
    return;
  }
  await readControl(host, session, input);
}

/** Reads until the agent ends its half, leaves or breaks a rule; then the control stream ends. */
async function readControl(
  host: HandlerHost,
  session: AgentSession,
  input: AsyncIterator<ControlRequest>,
): Promise<void> {
  try {
    for (let next = await input.next(); next.done !== true; next = await input.next()) {
      const { message } = next.value;
      if (!session.control.isOpen) return;
      switch (message.case) {
        case 'uploadRequest':
          host.settled(session, readSettledBelow(message.value.settledBelowSequence));
          host.requested(session, readUploadRequest(message.value));
          break;
        case 'priorityViolationNotice':
          host.noticed(session, readNotice(message.value));
          break;
        case 'agentReport':
          host.reported(session, message.value);
          break;
        case 'goodbye':
          host.left(session, readText(message.value.reason));
          session.control.end();
          return;
        case 'hello':
          throw new SluiceError('protocol_violation', 'Hello came twice');
        case 'proof':
          throw new SluiceError('protocol_violation', 'a Proof that nobody asked for');
        case undefined:
          break; // a kind of message newer than this program (U20)
        default:
          message satisfies never;
      }
    }
    session.control.end();
  } catch (error) {
    fail(host, session, error);
  }
}

function fail(host: HandlerHost, session: AgentSession, thrown: unknown): void {
  if (!session.control.isOpen) return;
  const error = toConnectError(thrown);
  host.failed(session, error);
  session.control.fail(error);
}

async function readBlocks(
  host: HandlerHost,
  opened: OpenedChannel,
  input: AsyncIterator<SendRequest>,
): Promise<void> {
  const { session, inbox } = opened;
  try {
    for (let next = await input.next(); next.done !== true; next = await input.next()) {
      const { message } = next.value;
      if (!inbox.answers.isOpen) return;
      if (message.case === undefined) continue; // newer than this program (U20)
      if (message.case === 'openChannel')
        throw new SluiceError('protocol_violation', 'OpenChannel came twice');
      const block = readBlock(message.value, session.agentId);
      inbox.arrived();
      await host.take(opened, block);
    }
    inbox.endInput();
  } catch (error) {
    inbox.answers.fail(toConnectError(error));
  }
}

function readHello(hello: Hello, connection: AgentSession['connection']): AgentSession {
  if (hello.protocolMajor !== PROTOCOL_MAJOR) {
    throw new ConnectError(
      `the agent speaks protocol ${hello.protocolMajor}, this server speaks ${PROTOCOL_MAJOR}`,
      Code.FailedPrecondition,
    );
  }
  if (sharedCapabilities(hello, SERVER_CAPABILITIES).blockFormats.length === 0) {
    throw new ConnectError(
      `the agent writes block formats ${hello.blockFormats.join(', ')}, this server takes ${SERVER_CAPABILITIES.blockFormats.join(', ')}`,
      Code.FailedPrecondition,
    );
  }
  const epoch = readEpoch(hello.epoch);
  const { identityKey } = hello;
  return new AgentSession({
    principal: agentPrincipal(readAgentId(hello.agentId), {
      key: identityKey.length === 0 ? undefined : keyIdentity(identityKey),
      certificate: connection?.certificate,
    }),
    epoch,
    marks: { epoch, nextSequence: readMark(hello.nextSequence, 'next_sequence') },
    hostName: readText(hello.hostName),
    region: readText(hello.region),
    connection,
  });
}

/** What an agent's Proof must fit. */
interface AwaitedProof extends ProofFields {
  readonly key: KeyObject;
}

/** Undefined for an agent that named no key. */
function askForProof(host: HandlerHost, session: AgentSession, hello: Hello): AwaitedProof | undefined {
  if (hello.identityKey.length === 0) return undefined;
  const { agentId, epoch, sessionId } = session;
  const key = readIdentityKey(hello.identityKey);
  return { key, challenge: drawChallenge(), sessionId, serverId: host.serverId, agentId, epoch };
}

function welcome(
  host: HandlerHost,
  session: AgentSession,
  challenge: Uint8Array | undefined,
): ControlResponse {
  return create(ControlResponseSchema, {
    message: {
      case: 'welcome',
      value: {
        protocolMajor: PROTOCOL_MAJOR,
        protocolMinor: PROTOCOL_MINOR,
        serverId: host.serverId,
        serverVersion: host.version,
        sessionId: session.sessionId,
        ...writeCapabilities(SERVER_CAPABILITIES),
        ...defined({ challenge }),
      },
    },
  });
}

async function firstMessage<T>(input: AsyncIterator<T>, timeoutMs: number, name: string): Promise<T> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(
    () => reject(new ConnectError(`no ${name} within ${timeoutMs} ms`, Code.DeadlineExceeded)),
    timeoutMs,
  );
  try {
    const next = await Promise.race([input.next(), late]);
    if (next.done === true) throw new ConnectError(`the stream ended before ${name}`, Code.InvalidArgument);
    return next.value;
  } finally {
    clearTimeout(timer);
  }
}

function readTyped<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw toConnectError(error);
  }
}

const CODES: ReadonlyMap<ErrorCode, Code> = new Map([
  ['protocol_violation', Code.InvalidArgument],
  ['limit_exceeded', Code.ResourceExhausted],
]);

/** A fault of the peer as an RPC error that says so; anything else stays what it is. */
function toConnectError(error: unknown): ConnectError {
  if (error instanceof SluiceError) {
    const code = CODES.get(error.code) ?? Code.Internal;
    return new ConnectError(error.message, code, undefined, undefined, error);
  }
  return ConnectError.from(error);
}
