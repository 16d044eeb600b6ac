/** Hello and Welcome, proofs of keys, and what is no Hello (U19, U20, identity). */
import { generateKeyPairSync, sign } from 'node:crypto';
import { proofText } from '@sluice/wire/identity-proof';
import { type Check, must } from '../check.ts';
import { ANSWER_MS, isAcknowledged, mustEnd, type PlayedAgent, type ServerWorld } from '../server-world.ts';

async function welcomes(world: ServerWorld): Promise<string> {
  const agent = world.agent();
  const welcome = await agent.raw.greet(agent.hello);
  const { protocolMajor, serverId, sessionId, blockFormats, digestKinds } = welcome;
  must(protocolMajor === 1, 'U20.1', 'protocol 1', `${protocolMajor}`);
  must(
    serverId.length > 0 && serverId.length <= 128,
    'wire',
    'a server id of 1 to 128 bytes',
    `'${serverId}'`,
  );
  must(sessionId.length >= 8, 'wire', 'a session id that nobody guesses', `'${sessionId}'`);
  const other = world.agent();
  const second = await other.raw.greet(other.hello);
  must(second.sessionId !== sessionId, 'wire', 'another session id for another agent', sessionId);
  must(second.serverId === serverId, 'wire', 'one server id', `${serverId}, then ${second.serverId}`);
  return `${serverId}, formats ${blockFormats.join()}, digests ${digestKinds.join()}`;
}

async function otherMajor(world: ServerWorld): Promise<string> {
  const agent = world.agent();
  agent.raw.sayHello({ ...agent.hello, protocolMajor: 2 });
  const seen = await mustEnd(agent.raw.control, ['failed_precondition'], 'U20.1');
  must(/2/.test(seen) && /1/.test(seen), 'U20.1', 'an error that names both versions', seen);
  await world.stillServes();
  return seen;
}

async function futureFormats(world: ServerWorld): Promise<string> {
  const agent = world.agent();
  agent.raw.sayHello({ ...agent.hello, blockFormats: [900] });
  return await mustEnd(agent.raw.control, ['failed_precondition'], 'U20.2');
}

async function newerMinor(world: ServerWorld): Promise<string> {
  const agent = world.agent();
  const value = {
    protocolMajor: 1,
    protocolMinor: 900,
    ...agent.hello,
    digestKinds: ['sha256-128', 'blake9'],
  };
  agent.raw.say({ case: 'hello', value });
  const welcome = await agent.raw.hear();
  must(welcome.case === 'welcome', 'U20.1', 'Welcome', `${welcome.case}`);
  agent.sessionId = welcome.value.sessionId;
  // A kind of message of a version to come: field 1000, a varint.
  agent.raw.control.say(Buffer.from([0xc0, 0x3e, 0x01]));
  const call = agent.open(await agent.granted());
  call.call.say(Buffer.from([0xc0, 0x3e, 0x01]));
  const answer = await agent.offer(call, agent.block());
  must(isAcknowledged(answer), 'U20.1', 'that the block is taken', 'it was not');
  return 'unknown kinds of messages and capabilities are passed over';
}

/** Hellos that no agent says. */
const BAD_HELLOS: readonly (readonly [string, string, Record<string, unknown>])[] = [
  ['agent-id-empty', 'no agent id', { agentId: '' }],
  ['agent-id-long', 'an agent id of 129 bytes', { agentId: 'x'.repeat(129) }],
  ['agent-id-line-break', 'a line break in the agent id', { agentId: 'a\nb' }],
  ['epoch-unsafe', 'an epoch beyond 2^53', { epoch: 2n ** 60n }],
  ['key-short', 'a key of 31 bytes', { identityKey: new Uint8Array(31) }],
  [
    'capabilities-many',
    '65 block formats',
    { blockFormats: Array.from({ length: 65 }, (_, index) => index + 1) },
  ],
];

async function badHello(world: ServerWorld, overrides: Record<string, unknown>): Promise<string> {
  const agent = world.agent();
  agent.raw.sayHello({ ...agent.hello, ...overrides });
  return await mustEnd(agent.raw.control, ['invalid_argument'], 'U19.4');
}

async function helloFirst(world: ServerWorld): Promise<string> {
  const raw = world.raw();
  raw.say({ case: 'goodbye', value: { reason: 'no Hello' } });
  return await mustEnd(raw.control, ['invalid_argument'], 'wire');
}

async function helloTwice(world: ServerWorld): Promise<string> {
  const agent = await world.welcomed();
  agent.raw.sayHello(agent.hello);
  return await mustEnd(agent.raw.control, ['invalid_argument'], 'wire');
}

async function secondControl(world: ServerWorld): Promise<string> {
  const first = await world.welcomed();
  const second = world.agent(world.raw(first.raw));
  second.raw.sayHello(second.hello);
  const seen = await mustEnd(second.raw.control, ['failed_precondition'], 'U19.4');
  const answer = await first.offer(first.open(await first.granted()), first.block());
  must(isAcknowledged(answer), 'U19.4', 'that the first one lives on', 'it does not');
  return seen;
}

/** An Ed25519 key pair, and what proves it. */
function newKey(): {
  identityKey: Uint8Array;
  prove: (agent: PlayedAgent, challenge: Uint8Array, serverId: string) => Uint8Array;
} {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519');
  const { x = '' } = publicKey.export({ format: 'jwk' });
  return {
    identityKey: new Uint8Array(Buffer.from(x, 'base64url')),
    prove: ({ sessionId, agentId, epoch }, challenge, serverId) =>
      new Uint8Array(sign(null, proofText({ challenge, sessionId, serverId, agentId, epoch }), privateKey)),
  };
}

async function proof(world: ServerWorld): Promise<string> {
  const { identityKey, prove } = newKey();
  const agent = world.agent();
  const welcome = await agent.raw.greet({ ...agent.hello, identityKey, keyKinds: ['ed25519'] });
  if (welcome.challenge.length === 0) return 'it asks for no proof';
  must(welcome.challenge.length === 32, 'wire', 'a challenge of 32 bytes', `${welcome.challenge.length}`);
  agent.sessionId = welcome.sessionId;
  const signature = prove(agent, welcome.challenge, welcome.serverId);
  agent.raw.say({ case: 'proof', value: { signature } });
  const grant = await agent.granted();
  return `proven, and granted ${grant.channels.length} channels`;
}

async function wrongProof(world: ServerWorld): Promise<string> {
  const { identityKey, prove } = newKey();
  const agent = world.agent();
  const welcome = await agent.raw.greet({ ...agent.hello, identityKey, keyKinds: ['ed25519'] });
  if (welcome.challenge.length === 0) return 'it asks for no proof';
  // Of another session: a proof that was overheard.
  agent.sessionId = `${welcome.sessionId}x`;
  agent.raw.say({ case: 'proof', value: { signature: prove(agent, welcome.challenge, welcome.serverId) } });
  const seen = await mustEnd(
    agent.raw.control,
    ['invalid_argument', 'unauthenticated', 'failed_precondition'],
    'wire',
  );
  await world.stillServes();
  return seen;
}

async function noProof(world: ServerWorld): Promise<string> {
  const { identityKey } = newKey();
  const agent = world.agent();
  const welcome = await agent.raw.greet({ ...agent.hello, identityKey, keyKinds: ['ed25519'] });
  if (welcome.challenge.length === 0) return 'it asks for no proof';
  agent.ask();
  return await mustEnd(
    agent.raw.control,
    ['invalid_argument', 'unauthenticated', 'failed_precondition'],
    'wire',
  );
}

async function grpc(world: ServerWorld): Promise<string> {
  const agent = world.agent(world.raw(world.options.address, 'grpc'));
  await agent.greet();
  const call = agent.open(await agent.granted());
  const answer = await agent.offer(call, agent.block());
  must(isAcknowledged(answer), 'wire', 'a block that is acknowledged over gRPC', 'it is not');
  call.call.end();
  const end = await call.call.ended(ANSWER_MS);
  must(end === 'ended', 'wire', 'the status 0 in the trailers', String(end));
  return 'asked, granted, acknowledged, ended with status 0';
}

export const HANDSHAKE_CHECKS: readonly Check<ServerWorld>[] = [
  { name: 'welcome', rules: ['U20.1'], title: 'Hello is answered with Welcome', run: welcomes },
  {
    name: 'other-major-version',
    rules: ['U20.1'],
    title: 'another major version is told both',
    run: otherMajor,
  },
  {
    name: 'future-formats',
    rules: ['U20.2'],
    title: 'an agent of unknown block formats is refused',
    run: futureFormats,
  },
  { name: 'newer-minor-version', rules: ['U20.1'], title: 'what is newer is passed over', run: newerMinor },
  ...BAD_HELLOS.map(([name, what, overrides]) => ({
    ...{ name: `hello-${name}`, rules: ['U19.4'], title: `a Hello with ${what} is refused` },
    run: (world: ServerWorld) => badHello(world, overrides),
  })),
  { name: 'hello-first', rules: ['U20.1'], title: 'the first message is Hello', run: helloFirst },
  { name: 'hello-twice', rules: ['U20.1'], title: 'Hello comes once', run: helloTwice },
  { name: 'second-control', rules: ['U19.4'], title: 'a connection is one agent', run: secondControl },
  { name: 'proof', rules: ['U25.1'], title: 'an agent that proves its key is served', run: proof },
  { name: 'proof-wrong', rules: ['U25.1'], title: 'a proof of another session is none', run: wrongProof },
  {
    name: 'proof-missing',
    rules: ['U25.1'],
    title: 'an agent that named a key and proves nothing is not served',
    run: noProof,
  },
  { name: 'grpc', rules: ['U20.1'], title: 'gRPC is spoken beside Connect', run: grpc },
];
