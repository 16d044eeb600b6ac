/**
 * A server of version 1.0, on a real socket: it reads and writes by the schema of 1.0, so that what is newer is not there for
 * it, and judges blocks by the validator of 1.0. It grants what is asked, and keeps what it acknowledged.
 */
import { createServer, type Http2Server, type ServerHttp2Session } from 'node:http2';
import type {
  DescMessage,
  DescMethod,
  DescMethodBiDiStreaming,
  Message,
  MessageInitShape,
  MessageShape,
} from '@bufbuild/protobuf';
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { Code, ConnectError } from '@connectrpc/connect';
import { connectNodeAdapter } from '@connectrpc/connect-node';
import { readAgentId, readUrgency } from '@sluice/wire/convert/fields';
import { openBlock } from '@sluice/wire/fixtures/1.0/block-decoder';
import { oldSchema } from '@sluice/wire/fixtures/1.0/version-1.0';
import type { AgentReport, Block, Hello, SendResponse } from '@sluice/wire/gen/uplink_pb';
import {
  ControlRequestSchema,
  ControlResponseSchema,
  SendRequestSchema,
  SendResponseSchema,
} from '@sluice/wire/gen/uplink_pb';

const schema = oldSchema();

export class OldServer {
  readonly blocks: Block[] = [];
  /** Of blocks that were called malformed. */
  readonly refusals: string[] = [];
  hello: Hello | undefined;
  /** Of all Hellos. */
  readonly epochs: number[] = [];
  report: AgentReport | undefined;
  readonly #http: Http2Server;
  readonly #sessions = new Set<ServerHttp2Session>();

  constructor() {
    const methods = schema.getService('sluice.v1.UplinkService')?.method;
    const [control, send] = [methods?.control, methods?.send];
    if (!streams(control) || !streams(send)) throw new Error('the schema of 1.0 is not as it was');
    this.#http = createServer(
      connectNodeAdapter({
        routes: (router) => {
          router.rpc(control, (requests) => this.#control(requests));
          router.rpc(send, (requests) => this.#send(requests));
        },
      }),
    );
    this.#http.on('session', (session) => {
      this.#sessions.add(session);
      session.on('close', () => this.#sessions.delete(session));
    });
  }

  /** Listens; returns the port. */
  async listen(port = 0): Promise<number> {
    await new Promise<void>((resolve) => this.#http.listen(port, '127.0.0.1', resolve));
    const address = this.#http.address();
    if (address === null || typeof address === 'string') throw new Error('it does not listen on a port');
    return address.port;
  }

  async close(): Promise<void> {
    const closed = new Promise((resolve) => this.#http.close(resolve));
    for (const session of this.#sessions) session.destroy();
    await closed;
  }

  async *#control(requests: AsyncIterable<Message>): AsyncGenerator<Message> {
    let grants = 0;
    for await (const request of requests) {
      const { message } = heard(ControlRequestSchema, request);
      if (message.case === 'hello') {
        this.hello = message.value;
        this.epochs.push(Number(message.value.epoch));
        const welcome = {
          protocolMajor: 1,
          serverId: 'old-server',
          serverVersion: '0.1.0',
          sessionId: 'session',
        };
        yield said(ControlResponseSchema, { message: { case: 'welcome', value: welcome } });
      } else if (message.case === 'uploadRequest') {
        grants += 1;
        const channels = [{ channel: 1, priority: 1, quotaBytes: 16_777_216n }];
        const { requestId } = message.value;
        const grant = { grantId: `old-${grants}`, requestId, channels, lifetimeMs: 20_000n };
        yield said(ControlResponseSchema, { message: { case: 'grant', value: grant } });
      } else if (message.case === 'agentReport') {
        this.report = message.value;
      }
    }
  }

  async *#send(requests: AsyncIterable<Message>): AsyncGenerator<Message> {
    for await (const request of requests) {
      const { message } = heard(SendRequestSchema, request);
      if (message.case === 'block') yield said(SendResponseSchema, this.#answer(message.value));
    }
  }

  #answer(block: Block): SendResponse {
    const { epoch, sequence, rawBytes, recordCount, urgency } = block;
    if (epoch !== this.hello?.epoch)
      throw new ConnectError('not the epoch of the session', Code.InvalidArgument);
    try {
      const id = {
        agentId: readAgentId(this.hello.agentId),
        epoch: Number(epoch),
        sequence: Number(sequence),
      };
      openBlock(block.payload, { ...id, urgency: readUrgency(urgency), rawBytes, recordCount });
    } catch (error) {
      const reason = String(error);
      this.refusals.push(reason);
      return create(SendResponseSchema, {
        message: { case: 'refusal', value: { epoch, sequence, retryable: false, reason } },
      });
    }
    this.blocks.push(block);
    return create(SendResponseSchema, { message: { case: 'acknowledgement', value: { epoch, sequence } } });
  }
}

function streams(
  method: DescMethod | undefined,
): method is DescMethodBiDiStreaming<DescMessage, DescMessage> {
  return method?.methodKind === 'bidi_streaming';
}

function oldMessage(typeName: string): DescMessage {
  const message = schema.getMessage(typeName);
  if (message === undefined) throw new Error(`version 1.0 has no ${typeName}`);
  return message;
}

/** What a program of 1.0 reads out of a message, in today's shape. */
function heard<Schema extends DescMessage>(today: Schema, message: Message): MessageShape<Schema> {
  return fromBinary(today, toBinary(oldMessage(today.typeName), message, { writeUnknownFields: false }));
}

/** The message as a program of 1.0 writes it. */
function said<Schema extends DescMessage>(today: Schema, message: MessageInitShape<Schema>): Message {
  const bytes = toBinary(today, create(today, message));
  return fromBinary(oldMessage(today.typeName), bytes, { readUnknownFields: false });
}
