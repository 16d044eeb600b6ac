/**
 * A server that says what a check wants it to say, on a real socket. It keeps books of all that it gave and heard, and hands
 * each happening to a witness in the turn in which it arrived.
 *
 * By itself it only says Welcome, and acknowledges each block at once; requests wait until the script answers them.
 */
import { once } from 'node:events';
import {
  createServer,
  type Http2Server,
  type Http2Session,
  type IncomingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from 'node:http2';
import { create, fromBinary, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import type { Block, ControlRequest, OpenChannel, WelcomeSchema } from '@sluice/wire/gen/uplink_pb';
import {
  ControlRequestSchema,
  ControlResponseSchema,
  RefusalReason,
  SendRequestSchema,
  SendResponseSchema,
  UplinkService,
} from '@sluice/wire/gen/uplink_pb';
import type {
  ChannelPlan,
  GivenChannel,
  GivenGrant,
  HeardBlock,
  HeardHello,
  HeardNotice,
  HeardRequest,
} from './heard.ts';
import { channelName, placeOf } from './heard.ts';
import { giveGrant, grantFields, welcomeBytes } from './server-messages.ts';
import type { Timeline } from './timeline.ts';
import { type EndCode, WireStream } from './wire-stream.ts';
import type { ScriptedServerOptions, Witness } from './witness.ts';

const CONTROL_PATH = `/${UplinkService.typeName}/${UplinkService.method.control.name}`;
const SEND_PATH = `/${UplinkService.typeName}/${UplinkService.method.send.name}`;
/** As a real server: holds a usual block, and the blocks of some channels. */
const STREAM_WINDOW_BYTES: number = 1024 * 1024;
const CONNECTION_WINDOW_BYTES: number = 4 * STREAM_WINDOW_BYTES;

/** One open Send stream. */
interface SendStream {
  readonly wire: WireStream;
  unanswered: number;
  inputEnded: boolean;
}

interface Session {
  readonly sessionId: string;
  readonly control: WireStream;
  readonly connection: Http2Session;
  agentId: string;
}

export class ScriptedServer {
  readonly name: string;
  readonly hellos: HeardHello[] = [];
  readonly requests: HeardRequest[] = [];
  readonly notices: HeardNotice[] = [];
  readonly blocks: HeardBlock[] = [];
  readonly grants: GivenGrant[] = [];
  readonly proofs: Uint8Array[] = [];
  readonly goodbyes: string[] = [];
  /** Control streams that began, that of each connection. */
  connections = 0;
  /** Answers Hello; false: it takes connections and says nothing. */
  welcomes = true;
  welcome: MessageInitShape<typeof WelcomeSchema>;
  /** What it does with a request; by default it waits for the script. */
  onRequest: ((heard: HeardRequest) => void) | undefined;
  /** What it does with a block; by default it acknowledges. */
  onBlock: (heard: HeardBlock) => void = (heard) => this.acknowledge(heard);
  readonly #timeline: Timeline;
  readonly #witness: Witness | undefined;
  readonly #http: Http2Server = createServer({ settings: { initialWindowSize: STREAM_WINDOW_BYTES } });
  readonly #sockets = new Set<ServerHttp2Session>();
  readonly #streams = new Map<HeardBlock, SendStream>();
  #session: Session | undefined;
  #sessions = 0;
  #port: number;

  private constructor({ name, timeline, witness, port = 0, welcome = {} }: ScriptedServerOptions) {
    this.name = name;
    this.welcome = welcome;
    this.#timeline = timeline;
    this.#witness = witness;
    this.#port = port;
    this.#http.on('session', (session) => {
      session.setLocalWindowSize(CONNECTION_WINDOW_BYTES);
      this.#sockets.add(session);
      session.on('error', (error) => this.#note(`connection failed: ${error.message}`));
      session.once('close', () => this.#left(session));
    });
    this.#http.on('stream', (stream, headers) => this.#accept(stream, headers));
  }

  /** Listens on loopback. */
  static async listen(options: ScriptedServerOptions): Promise<ScriptedServer> {
    const server = new ScriptedServer(options);
    await server.listen();
    return server;
  }

  /** Listens, also again after {@link close}: on the same port. */
  async listen(): Promise<void> {
    this.#http.listen(this.#port, '127.0.0.1');
    await once(this.#http, 'listening');
    const address = this.#http.address();
    if (address === null || typeof address === 'string') throw new Error('it does not listen on a port');
    this.#port = address.port;
  }

  get port(): number {
    return this.#port;
  }

  get address(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  get isConnected(): boolean {
    return this.#session?.control.isOpen === true && this.#session.agentId !== '';
  }

  get sessionId(): string {
    return this.#session?.sessionId ?? '';
  }

  /** The latest request that was not answered. */
  get openRequest(): HeardRequest | undefined {
    return this.requests.findLast(({ answered }) => !answered);
  }

  /** Grants these channels in answer to the latest request, or to the one that is named. */
  grant(
    plans: readonly ChannelPlan[],
    options: { lifetimeMs?: number; requestId?: bigint; grantId?: string; isVoid?: boolean } = {},
  ): GivenGrant {
    const requestId = options.requestId ?? this.openRequest?.request.requestId;
    if (requestId === undefined) throw new Error(`${this.name} was not asked`);
    for (const heard of this.requests) if (heard.request.requestId <= requestId) heard.answered = true;
    const grant = giveGrant(plans, {
      ...{ grantId: `${this.name}-g${this.grants.length + 1}`, ...options, requestId },
      ...{ server: this.name, givenAtMs: this.#timeline.nowMs() },
    });
    this.grants.push(grant);
    const shown = plans.map(({ priority, quotaBytes }) => `${priority}:${quotaBytes}`).join(' ');
    this.#note(`grants ${grant.grantId} ${shown}`);
    this.say({ message: { case: 'grant', value: grantFields(grant) } });
    return grant;
  }

  /** Refuses the latest request. */
  refuse(retryAfterMs: number, refusalReason: RefusalReason = RefusalReason.OVERLOADED): void {
    const open = this.openRequest;
    if (open === undefined) throw new Error(`${this.name} was not asked`);
    for (const heard of this.requests) heard.answered = true;
    const { requestId } = open.request;
    this.#note(`refuses request ${requestId} for ${retryAfterMs} ms`);
    const grantId = `${this.name}-r${requestId}`;
    const value = { grantId, requestId, refusalReason, retryAfterMs: BigInt(retryAfterMs) };
    this.say({ message: { case: 'grant', value } });
  }

  /** Takes back: a channel, a grant, or without arguments all. */
  revoke(grantId = '', channel = 0): void {
    const nowMs = this.#timeline.nowMs();
    for (const grant of this.grants) {
      if (grantId !== '' && grant.grantId !== grantId) continue;
      for (const given of grant.channels) {
        if (channel === 0 || given.channel === channel) given.endedAtMs ??= nowMs;
      }
    }
    this.#note(`revokes ${grantId === '' ? 'all' : `${grantId}/${channel}`}`);
    this.say({ message: { case: 'revocation', value: { grantId, channel } } });
  }

  /** Says goodbye and ends the control stream. */
  leave(reason = 'it leaves'): void {
    this.say({ message: { case: 'goodbye', value: { reason } } });
    this.#session?.control.end();
    this.#note('says goodbye');
  }

  say(message: MessageInitShape<typeof ControlResponseSchema>): void {
    this.sayBytes(toBinary(ControlResponseSchema, create(ControlResponseSchema, message)));
  }

  sayBytes(message: Uint8Array): void {
    this.#session?.control.say(message);
  }

  /** Ends the control stream with an error. */
  endControl(code: EndCode, message: string): void {
    this.#session?.control.end(code, message);
  }

  acknowledge(heard: HeardBlock): void {
    const { epoch, sequence, digest } = heard.block;
    this.answer(heard, { message: { case: 'acknowledgement', value: { epoch, sequence, digest } } });
    this.#answered(heard, 'acknowledged');
  }

  refuseBlock(heard: HeardBlock, retryable: boolean, reason = 'the check refuses it'): void {
    const { epoch, sequence, digest } = heard.block;
    const value = { epoch, sequence, digest, retryable, reason };
    this.answer(heard, { message: { case: 'refusal', value } });
    this.#answered(heard, retryable ? 'retryable' : 'malformed');
  }

  /** Says something on the stream on which the block came; for the books the block is not answered by it. */
  answer(heard: HeardBlock, message: MessageInitShape<typeof SendResponseSchema>): void {
    this.answerBytes(heard, toBinary(SendResponseSchema, create(SendResponseSchema, message)));
  }

  answerBytes(heard: HeardBlock, message: Uint8Array): void {
    this.#streams.get(heard)?.wire.say(message);
  }

  /** Ends the stream on which the block came with an error. */
  breakChannel(heard: HeardBlock, code: EndCode, message: string): void {
    this.#streams.get(heard)?.wire.end(code, message);
  }

  /** Resolves when the agent's HTTP/2 layer has what was said before; at once when it is not connected. */
  async delivered(): Promise<void> {
    const connection = this.#session?.connection;
    if (connection === undefined || connection.destroyed) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    connection.once('close', () => resolve());
    connection.ping(() => resolve());
    await promise;
  }

  /** Destroys all connections; the agent may come again. */
  breakConnections(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  /** Destroys all connections and listens no more. */
  async close(): Promise<void> {
    if (!this.#http.listening) return;
    const closed = new Promise((resolve) => this.#http.close(resolve));
    this.breakConnections();
    await closed;
  }

  #answered(heard: HeardBlock, answer: HeardBlock['answer']): void {
    const stream = this.#streams.get(heard);
    if (stream !== undefined && heard.answer === undefined) stream.unanswered -= 1;
    heard.answer = answer;
    heard.answeredAtMs = this.#timeline.nowMs();
    if (stream?.inputEnded === true && stream.unanswered === 0) stream.wire.end();
  }

  #note(text: string): void {
    this.#timeline.note(`${this.name} ${text}`);
  }

  #left(connection: ServerHttp2Session): void {
    this.#sockets.delete(connection);
    if (this.#session?.connection === connection) this.#session = undefined;
    this.#note('connection closed');
  }

  #accept(stream: ServerHttp2Stream, headers: IncomingHttpHeaders): void {
    const path = headers[':path'];
    if (path === CONTROL_PATH) this.#acceptControl(stream, headers);
    else if (path === SEND_PATH) this.#acceptSend(stream, headers);
    else {
      this.#broken(`a call of ${String(path)}`);
      stream.respond({ ':status': 404 }, { endStream: true });
    }
  }

  #broken(reason: string): void {
    this.#note(`hears what is wrong: ${reason}`);
    this.#witness?.broken(this, reason);
  }

  #acceptControl(stream: ServerHttp2Stream, headers: IncomingHttpHeaders): void {
    const control = WireStream.accept(stream, headers, {
      message: (bytes) => {
        const message = this.#read(() => fromBinary(ControlRequestSchema, bytes));
        if (message !== undefined) this.#hear(session, message);
      },
      inputEnded: () => session?.control.end(),
      closed: () => this.#note('control stream closed'),
      broken: (reason) => this.#broken(`control: ${reason}`),
    });
    const connection = stream.session;
    this.connections += 1;
    this.#sessions += 1;
    const session: Session | undefined =
      control === undefined || connection === undefined
        ? undefined
        : { sessionId: `${this.name}-session-${this.#sessions}`, control, connection, agentId: '' };
    if (session !== undefined) this.#session = session;
  }

  #read<Message>(read: () => Message): Message | undefined {
    try {
      return read();
    } catch (error) {
      this.#broken(`no message: ${String(error)}`);
      return undefined;
    }
  }

  #hear(session: Session | undefined, { message }: ControlRequest): void {
    if (session === undefined) return;
    const atMs = this.#timeline.nowMs();
    if ((session.agentId === '') !== (message.case === 'hello')) {
      this.#broken(`${message.case ?? 'nothing known'} where Hello comes first and once`);
      return;
    }
    switch (message.case) {
      case 'hello':
        session.agentId = message.value.agentId;
        this.hellos.push({ atMs, hello: message.value });
        this.#witness?.hello(this, { atMs, hello: message.value });
        if (this.welcomes) session.control.say(welcomeBytes(this.name, session.sessionId, this.welcome));
        break;
      case 'uploadRequest': {
        const heard: HeardRequest = { atMs, request: message.value, answered: false };
        this.requests.push(heard);
        this.onRequest?.(heard);
        break;
      }
      case 'priorityViolationNotice': {
        const heard: HeardNotice = { server: this.name, atMs, notice: message.value };
        this.notices.push(heard);
        this.#witness?.notice(this, heard);
        break;
      }
      case 'goodbye':
        this.goodbyes.push(message.value.reason);
        break;
      case 'proof':
        this.proofs.push(message.value.signature);
        break;
      default:
        break;
    }
    this.#note(`hears ${message.case}`);
  }

  #acceptSend(stream: ServerHttp2Stream, headers: IncomingHttpHeaders): void {
    let open: OpenChannel | undefined;
    let send: SendStream | undefined;
    const wire = WireStream.accept(stream, headers, {
      message: (bytes) => {
        const message = this.#read(() => fromBinary(SendRequestSchema, bytes))?.message;
        if (message === undefined || send === undefined) return;
        if (message.case === 'openChannel' && open === undefined) {
          open = message.value;
          this.#witness?.opened(this, open, this.#channelOf(open));
        } else if (message.case === 'block' && open !== undefined) this.#arrived(send, open, message.value);
        else this.#broken(`${message.case ?? 'nothing known'} where OpenChannel comes first and once`);
      },
      inputEnded: () => {
        if (send === undefined) return;
        send.inputEnded = true;
        if (send.unanswered === 0) send.wire.end();
      },
      closed: () => undefined,
      broken: (reason) => this.#broken(`channel: ${reason}`),
    });
    if (wire !== undefined) send = { wire, unanswered: 0, inputEnded: false };
  }

  #channelOf({ grantId, channel }: OpenChannel): GivenChannel | undefined {
    const grant = this.grants.find((given) => given.grantId === grantId && !given.isVoid);
    return grant?.channels.find((given) => given.channel === channel);
  }

  #arrived(stream: SendStream, open: OpenChannel, block: Block): void {
    const channel = this.#channelOf(open);
    const heard: HeardBlock = {
      ...{ server: this.name, atMs: this.#timeline.nowMs(), sessionId: open.sessionId },
      ...{ block, channel, answer: undefined, answeredAtMs: 0 },
    };
    this.blocks.push(heard);
    this.#streams.set(heard, stream);
    stream.unanswered += 1;
    const where = channel === undefined ? `${open.grantId}/${open.channel}` : channelName(channel);
    this.#witness?.block(this, heard);
    // Noted before the script acts, so that the timeline has the block before its answer.
    this.#note(
      `hears block ${placeOf(block)} (${block.recordCount} records, ${block.rawBytes} bytes) on ${where}`,
    );
    this.onBlock(heard);
  }
}
