/** Who asks, at the door of the uplink: token, client certificate, proof of a key. */
import { generateKeyPairSync, sign } from 'node:crypto';
import { create } from '@bufbuild/protobuf';
import { Code, type ConnectError, createClient } from '@connectrpc/connect';
import { createConnectTransport } from '@connectrpc/connect-node';
import type { AgentPrincipal, Principal } from '@sluice/protocol/principal';
import { type ControlRequest, ControlRequestSchema, UplinkService } from '@sluice/wire/gen/uplink_pb';
import { proofText } from '@sluice/wire/identity-proof';
import { Outbox } from '@sluice/wire/outbox';
import { pino } from 'pino';
import { generate } from 'selfsigned';
import { afterEach, expect, test } from 'vitest';
import { PRINCIPAL } from '../access/context.ts';
import { Doorkeeper } from '../access/doorkeeper.ts';
import { control, type HandlerHost, send } from './handlers.ts';
import { type Listener, startListener } from './listener.ts';

const SERVER_ID = 's1';
let listener: Listener | undefined;
const calls: AbortController[] = [];
afterEach(async () => {
  for (const call of calls.splice(0)) call.abort();
  await listener?.close();
});

interface Door {
  /** Who called, as the door found out. */
  readonly callers: (Principal | undefined)[];
  /** The agent of a session that was let in. */
  readonly admitted: Promise<AgentPrincipal>;
}

interface Pem {
  readonly cert: string;
  readonly private: string;
}

async function open(
  token: string | undefined,
  tls?: { readonly server: Pem; readonly clients: Pem },
): Promise<Door> {
  const callers: (Principal | undefined)[] = [];
  const admitted = Promise.withResolvers<AgentPrincipal>();
  const host: HandlerHost = {
    serverId: SERVER_ID,
    version: 'test',
    admit: async ({ principal }) => admitted.resolve(principal),
    disconnected: () => undefined,
    sessionOf: () => undefined,
    requested: () => undefined,
    noticed: () => undefined,
    reported: () => undefined,
    settled: () => undefined,
    left: () => undefined,
    failed: () => undefined,
    channelClosed: () => undefined,
    take: async () => undefined,
  };
  listener = await startListener({
    host: '127.0.0.1',
    port: 0,
    maxConnections: 10,
    logger: pino({ level: 'silent' }),
    doorkeeper: new Doorkeeper(token),
    ...(tls === undefined
      ? {}
      : { tls: { cert: tls.server.cert, key: tls.server.private, ca: tls.clients.cert } }),
    routes: (router) =>
      router.service(UplinkService, {
        control: (requests, context) => {
          callers.push(context.values.get(PRINCIPAL));
          return control(host, requests, context);
        },
        send: (requests, context) => {
          callers.push(context.values.get(PRINCIPAL));
          return send(host, requests, context);
        },
      }),
  });
  return { callers, admitted: admitted.promise };
}

function clientOf(tls?: {
  readonly ca: Pem;
  readonly own?: Pem;
}): ReturnType<typeof createClient<typeof UplinkService>> {
  return createClient(
    UplinkService,
    createConnectTransport({
      httpVersion: '2',
      baseUrl: `${tls === undefined ? 'http' : 'https'}://127.0.0.1:${listener?.port}`,
      ...(tls === undefined
        ? {}
        : {
            nodeOptions: {
              ca: tls.ca.cert,
              ...(tls.own === undefined ? {} : { cert: tls.own.cert, key: tls.own.private }),
            },
          }),
    }),
  );
}

/** Says Hello, and signs the challenge when there is a key; the server's word is read until it ends. */
async function greet(
  client: ReturnType<typeof clientOf>,
  authorization: string | undefined,
  keys?: ReturnType<typeof generateKeyPairSync>,
): Promise<void> {
  const call = new AbortController();
  calls.push(call);
  const outbox = new Outbox<ControlRequest>(10);
  const say = (message: Parameters<typeof create<typeof ControlRequestSchema>>[1]): void =>
    void outbox.push(create(ControlRequestSchema, message));
  const x = keys?.publicKey.export({ format: 'jwk' }).x;
  const identityKey = x === undefined ? new Uint8Array() : new Uint8Array(Buffer.from(x, 'base64url'));
  say({
    message: {
      case: 'hello',
      value: { protocolMajor: 1, agentId: 'web-1', epoch: 1n, blockFormats: [1], identityKey },
    },
  });
  const answers = client
    .control(outbox, { signal: call.signal, headers: authorization === undefined ? {} : { authorization } })
    [Symbol.asyncIterator]();
  const { value } = await answers.next();
  if (value?.message.case !== 'welcome') throw new Error('no welcome');
  const { sessionId, challenge } = value.message.value;
  if (keys === undefined) return;
  const text = proofText({ challenge, sessionId, serverId: SERVER_ID, agentId: 'web-1', epoch: 1 });
  say({
    message: { case: 'proof', value: { signature: new Uint8Array(sign(null, text, keys.privateKey)) } },
  });
}

async function codeOf(failing: Promise<unknown>): Promise<Code> {
  return await failing.then(
    () => {
      throw new Error('it did not fail');
    },
    (error: ConnectError) => error.code,
  );
}

async function certificateOf(name: string): Promise<Pem> {
  return await generate([{ name: 'commonName', value: name }], {
    keyType: 'ec',
    algorithm: 'sha256',
    extensions: [
      { name: 'basicConstraints', cA: true, critical: true },
      { name: 'keyUsage', keyCertSign: true, digitalSignature: true },
      { name: 'subjectAltName', altNames: [{ type: 7, ip: '127.0.0.1' }] },
    ],
  });
}

test('without a token, where none is wanted, a call is of nobody, and a session of an agent that has proven nothing', async () => {
  const { callers, admitted } = await open(undefined);
  await greet(clientOf(), undefined);
  expect(await admitted).toEqual({
    kind: 'agent',
    name: 'agent web-1',
    tenant: 'default',
    agentId: 'web-1',
    shown: { key: undefined, certificate: undefined },
  });
  expect(callers).toMatchObject([{ kind: 'anonymous' }]);
});

test('with the token a call is of its holder; with another one, or none, no method is reached', async () => {
  const { callers } = await open('right');
  // All that there are are called below.
  expect(UplinkService.methods.map(({ name }) => name)).toEqual(['Control', 'Send']);
  for (const authorization of [undefined, 'Bearer wrong', 'right']) {
    expect(await codeOf(greet(clientOf(), authorization))).toBe(Code.Unauthenticated);
    const headers: Record<string, string> = authorization === undefined ? {} : { authorization };
    const sending = clientOf().send(new Outbox(1), { headers })[Symbol.asyncIterator]();
    expect(await codeOf(sending.next())).toBe(Code.Unauthenticated);
  }
  expect(callers).toEqual([]);
  await greet(clientOf(), 'Bearer right');
  expect(callers).toMatchObject([{ kind: 'token' }]);
});

test('an agent is known by the key that it has proven', async () => {
  const { admitted } = await open(undefined);
  await greet(clientOf(), undefined, generateKeyPairSync('ed25519'));
  const { shown, kind } = await admitted;
  expect(kind).toBe('agent');
  expect(shown.key).toMatch(/^ed25519 SHA256:/);
  expect(shown.certificate).toBeUndefined();
});

test('and by its certificate, without which nobody gets through a door that asks for one', async () => {
  const [server, agent] = [await certificateOf('server'), await certificateOf('agent-7')];
  const { admitted, callers } = await open(undefined, { server, clients: agent });
  await expect(greet(clientOf({ ca: server }), undefined)).rejects.toThrow();
  expect(callers).toEqual([]);
  await greet(clientOf({ ca: server, own: agent }), undefined);
  const { shown } = await admitted;
  expect(shown.certificate).toMatch(/^certificate CN=agent-7, issued by CN=agent-7, SHA256:/);
});
