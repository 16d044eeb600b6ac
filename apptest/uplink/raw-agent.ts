/** An agent made by hand from the generated client, to say what the real one never would. */

import type { MessageInitShape } from '@bufbuild/protobuf';
import { create } from '@bufbuild/protobuf';
import type { Client, Transport } from '@connectrpc/connect';
import { createClient } from '@connectrpc/connect';
import { createConnectTransport } from '@connectrpc/connect-node';
import type { ControlRequest, ControlResponse, SendRequest, SendResponse } from '@sluice/wire/gen/uplink_pb';
import { ControlRequestSchema, SendRequestSchema, UplinkService } from '@sluice/wire/gen/uplink_pb';
import { Outbox } from '@sluice/wire/outbox';

type ControlInit = MessageInitShape<typeof ControlRequestSchema>['message'];
type SendInit = MessageInitShape<typeof SendRequestSchema>['message'];
type Init<Message> = Exclude<Message, undefined>;

export class RawAgent {
  readonly #transport: Transport;
  readonly #client: Client<typeof UplinkService>;
  readonly #abort = new AbortController();
  readonly #control = new Outbox<ControlRequest>(100);
  #answers: AsyncIterator<ControlResponse> | undefined;

  /** @param at a port for a connection of its own, or another agent's connection */
  constructor(at: number | RawAgent) {
    this.#transport =
      typeof at === 'number'
        ? createConnectTransport({ httpVersion: '2', baseUrl: `http://127.0.0.1:${at}` })
        : at.#transport;
    this.#client = createClient(UplinkService, this.#transport);
  }

  say(message: Init<ControlInit>): void {
    this.#control.push(create(ControlRequestSchema, { message }));
  }

  sayHello(overrides: Record<string, unknown> = {}): void {
    this.say({ case: 'hello', value: { protocolMajor: 1, agentId: 'raw', epoch: 1n, ...overrides } });
  }

  /** The next message of the server; throws what the call ended with. */
  async hear(): Promise<ControlResponse['message']> {
    // The call starts here and not in the constructor: one that nobody reads would fail with nobody to tell.
    this.#answers ??= this.#client
      .control(this.#control, { signal: this.#abort.signal })
      [Symbol.asyncIterator]();
    const next = await this.#answers.next();
    if (next.done === true) throw new Error('the control stream ended without an error');
    return next.value.message;
  }

  /** Hello, a request, and the first grant with channels. */
  async begin(
    overrides: Record<string, unknown> = {},
  ): Promise<{ sessionId: string; grantId: string; channel: number }> {
    this.sayHello(overrides);
    const welcome = await this.hear();
    if (welcome.case !== 'welcome') throw new Error(`no welcome but ${welcome.case}`);
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
      return { sessionId: welcome.value.sessionId, grantId: message.value.grantId, channel };
    }
  }

  /** Makes a Send call of these messages and waits for its end; throws what it ended with. */
  async send(...messages: Init<SendInit>[]): Promise<SendResponse[]> {
    const answers: SendResponse[] = [];
    const requests = async function* (): AsyncGenerator<SendRequest> {
      for (const message of messages) yield create(SendRequestSchema, { message });
    };
    for await (const answer of this.#client.send(requests(), { signal: this.#abort.signal }))
      answers.push(answer);
    return answers;
  }

  close(): void {
    this.#abort.abort();
  }
}
