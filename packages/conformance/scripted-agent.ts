/** An agent that says what a script wants it to say, on a connection of its own or on that of another one. */
import { type ClientHttp2Session, connect } from 'node:http2';
import type { MessageInitShape } from '@bufbuild/protobuf';
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import type { ControlResponse, SendResponse, Welcome } from '@sluice/wire/gen/uplink_pb';
import {
  ControlRequestSchema,
  ControlResponseSchema,
  SendRequestSchema,
  SendResponseSchema,
  UplinkService,
} from '@sluice/wire/gen/uplink_pb';
import { CallEnded, ClientCall } from './client-call.ts';

const CONTROL_PATH = `/${UplinkService.typeName}/${UplinkService.method.control.name}`;
const SEND_PATH = `/${UplinkService.typeName}/${UplinkService.method.send.name}`;
/** No answer of a server takes longer: it defers a request for 5 s. */
const ANSWER_MS = 30_000;

type ControlInit = Exclude<MessageInitShape<typeof ControlRequestSchema>['message'], undefined>;
type SendInit = Exclude<MessageInitShape<typeof SendRequestSchema>['message'], undefined>;

export interface ScriptedAgentOptions {
  readonly token?: string | undefined;
  readonly protocol?: 'connect' | 'grpc';
}

/** One logical channel. */
export class SendCall {
  readonly call: ClientCall;

  constructor(call: ClientCall) {
    this.call = call;
  }

  say(message: SendInit): void {
    this.call.say(toBinary(SendRequestSchema, create(SendRequestSchema, { message })));
  }

  /** The next answer; undefined at the end or when none came in time. @throws CallEnded */
  async hear(withinMs: number = ANSWER_MS): Promise<SendResponse['message'] | undefined> {
    const bytes = await this.call.next(withinMs);
    return bytes === undefined ? undefined : fromBinary(SendResponseSchema, bytes).message;
  }
}

export class ScriptedAgent {
  readonly #session: ClientHttp2Session;
  readonly #options: ScriptedAgentOptions;
  readonly #isOwn: boolean;
  #control: ClientCall | undefined;

  /** @param at a port of loopback, an address, or another agent whose connection it shares */
  constructor(at: number | string | ScriptedAgent, options: ScriptedAgentOptions = {}) {
    this.#options = options;
    this.#isOwn = !(at instanceof ScriptedAgent);
    if (at instanceof ScriptedAgent) this.#session = at.#session;
    else {
      this.#session = connect(typeof at === 'number' ? `http://127.0.0.1:${at}` : at);
      // Its calls say what became of them.
      this.#session.on('error', () => undefined);
    }
  }

  /** The control stream; it is opened with its first use. */
  get control(): ClientCall {
    this.#control ??= new ClientCall(this.#session, { path: CONTROL_PATH, ...this.#options });
    return this.#control;
  }

  say(message: ControlInit): void {
    this.control.say(toBinary(ControlRequestSchema, create(ControlRequestSchema, { message })));
  }

  sayHello(overrides: Record<string, unknown> = {}): void {
    this.say({ case: 'hello', value: { protocolMajor: 1, agentId: 'raw', epoch: 1n, ...overrides } });
  }

  /** The next message of the server; throws what the call ended with. */
  async hear(withinMs: number = ANSWER_MS): Promise<ControlResponse['message']> {
    const message = await this.hears(withinMs);
    if (message !== undefined) return message;
    if (this.control.outcome === 'ended') throw new Error('the control stream ended without an error');
    throw new Error(`nothing came on the control stream within ${withinMs} ms`);
  }

  /** The next message; undefined when the stream ended well or nothing came in time. @throws CallEnded */
  async hears(withinMs: number): Promise<ControlResponse['message'] | undefined> {
    const bytes = await this.control.next(withinMs);
    return bytes === undefined ? undefined : fromBinary(ControlResponseSchema, bytes).message;
  }

  /** Says Hello. @returns the Welcome. @throws what came instead */
  async greet(overrides: Record<string, unknown> = {}): Promise<Welcome> {
    this.sayHello(overrides);
    const welcome = await this.hear();
    if (welcome.case !== 'welcome') throw new Error(`no welcome but ${welcome.case}`);
    return welcome.value;
  }

  /** Hello, a request, and the first grant with channels. */
  async begin(
    overrides: Record<string, unknown> = {},
  ): Promise<{ sessionId: string; grantId: string; channel: number }> {
    const { sessionId } = await this.greet(overrides);
    this.say({
      case: 'uploadRequest',
      value: {
        requestId: 1n,
        backlog: [{ urgency: 1, recordCount: 10n, rawBytes: 1_000_000n, oldestAgeMs: 5n }],
      },
    });
    for (;;) {
      const message = await this.hear();
      const channel = message.case === 'grant' ? message.value.channels[0]?.channel : undefined;
      if (message.case !== 'grant' || channel === undefined) continue;
      return { sessionId, grantId: message.value.grantId, channel };
    }
  }

  /** Opens a Send stream, and says nothing on it. */
  openSend(): SendCall {
    return new SendCall(new ClientCall(this.#session, { path: SEND_PATH, ...this.#options }));
  }

  /** A call of any path. */
  call(path: string): ClientCall {
    return new ClientCall(this.#session, { path, ...this.#options });
  }

  /** Makes a Send call of these messages and waits for its end; throws what it ended with. */
  async send(...messages: SendInit[]): Promise<SendResponse[]> {
    const { call } = this.openSend();
    for (const message of messages) {
      call.say(toBinary(SendRequestSchema, create(SendRequestSchema, { message })));
    }
    call.end();
    const end = await call.ended(ANSWER_MS);
    if (end instanceof CallEnded) throw end;
    if (end === undefined) throw new Error(`the call did not end within ${ANSWER_MS} ms`);
    const answers: SendResponse[] = [];
    for (let bytes = await call.next(0); bytes !== undefined; bytes = await call.next(0)) {
      answers.push(fromBinary(SendResponseSchema, bytes));
    }
    return answers;
  }

  /** Resolves when the server's HTTP/2 layer has what was said before. */
  async delivered(): Promise<void> {
    if (this.#session.destroyed) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#session.once('close', () => resolve());
    this.#session.ping(() => resolve());
    await promise;
  }

  /** Breaks the connection, when it is its own. */
  close(): void {
    this.#control?.cancel();
    if (this.#isOwn) this.#session.destroy();
  }
}
