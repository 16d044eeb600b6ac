/** Other versions, proofs, and leaving (U20, U21, identity). */
import { createPublicKey, randomFillSync, verify } from 'node:crypto';
import { RefusalReason } from '@sluice/wire/gen/uplink_pb';
import { CHALLENGE_BYTES, IDENTITY_KEY_BYTES, proofText } from '@sluice/wire/identity-proof';
import type { AgentWorld } from '../agent-world.ts';
import { type Check, must, Skipped } from '../check.ts';

const RETURN_MS = 20_000;

async function otherMajor(world: AgentWorld): Promise<string> {
  const newer = await world.server('S1', { welcome: { protocolMajor: 9 } });
  const server = await world.server('S2');
  world.startAgent();
  await world.asked(server);
  await world.grant(server, world.plans([5]));
  await world.part();
  await world.timeline.pass(2_000);
  must(
    newer.requests.length === 0,
    'U20.1',
    'no request to a server of protocol 9',
    `${newer.requests.length}`,
  );
  must(newer.connections <= 4, 'U20.1', 'few tries to connect', `${newer.connections}`);
  return `${newer.connections} connections to the server of protocol 9, no request`;
}

async function namesNothing(world: AgentWorld): Promise<string> {
  const welcome = { blockFormats: [], digestKinds: [], keyKinds: [], protocolMinor: 0 };
  const server = await world.server('S1', { welcome });
  server.onBlock = (heard) => {
    // As a server of before: it names no digest.
    const { epoch, sequence } = heard.block;
    server.answer(heard, { message: { case: 'acknowledgement', value: { epoch, sequence } } });
  };
  world.startAgent();
  await world.asked(server);
  await world.grant(server, world.plans([1], 4));
  world.write();
  await world.expectArrived('the lines at a server of 1.0');
  return `${world.judge.blocks.length} blocks at a server that names neither formats nor digests`;
}

async function proves(world: AgentWorld): Promise<string> {
  const challenge = randomFillSync(new Uint8Array(CHALLENGE_BYTES));
  const server = await world.server('S1', { welcome: { challenge } });
  world.startAgent();
  await world.asked(server);
  const { hello } = server.hellos[0] ?? {};
  if (hello === undefined || hello.identityKey.length === 0) throw new Skipped('the agent names no key');
  const { agentId, identityKey } = hello;
  must(
    identityKey.length === IDENTITY_KEY_BYTES,
    'wire',
    `a key of ${IDENTITY_KEY_BYTES} bytes`,
    `${identityKey.length}`,
  );
  const [signature] = server.proofs;
  must(signature !== undefined, 'wire', 'a Proof before the first request', 'none');
  const x = Buffer.from(identityKey).toString('base64url');
  const key = createPublicKey({ format: 'jwk', key: { kty: 'OKP', crv: 'Ed25519', x } });
  const epoch = Number(hello.epoch);
  const text = proofText({ challenge, sessionId: server.sessionId, serverId: 'S1', agentId, epoch });
  must(verify(null, text, key, signature), 'wire', 'a signature over the text of the proof', 'another one');
  return 'the signature fits key, challenge, session, server, agent and epoch';
}

async function draining(world: AgentWorld): Promise<string> {
  const [first, second] = await world.beginTwo();
  first.onRequest = () => first.refuse(5_000, RefusalReason.DRAINING);
  first.grant(world.plans([1], 4));
  second.grant(world.plans([2], 8));
  await world.takenIn(first, second);
  await world.part();
  first.revoke();
  first.leave('an update');
  await world.takenIn(first);
  await world.part();
  await world.part();
  must(world.order === 'S1/1 S2/2', 'U21', 'S2/2 after the goodbye of S1', world.order);
  return world.order;
}

async function serverRestarts(world: AgentWorld): Promise<string> {
  const server = await world.beginOne();
  await world.grant(server, world.plans([1], 4));
  await world.part();
  await world.takenIn(server);
  server.revoke();
  server.leave('a restart');
  await world.takenIn(server);
  await server.close();
  world.write();
  await world.timeline.pass(500);
  server.requests.length = 0;
  await server.listen();
  await world.asked(server, RETURN_MS);
  await world.grant(server, world.plans([1], 4));
  await world.expectArrived('the lines, after the server is back');
  return `${server.connections} connections`;
}

async function stops(world: AgentWorld): Promise<string> {
  if (!world.program.isOurs) throw new Skipped('the kit did not start the agent');
  const server = await world.beginOne();
  server.onBlock = () => undefined;
  await world.grant(server, world.plans([1], 8));
  await world.part();
  const startMs = world.timeline.nowMs();
  await world.program.stop();
  const tookMs = Math.round(world.timeline.nowMs() - startMs);
  must(server.goodbyes.length > 0, 'U21', 'a Goodbye from an agent that is asked to stop', 'none');
  world.judge.forgivesRepeats = true;
  server.requests.length = 0;
  server.onBlock = (heard) => server.acknowledge(heard);
  server.onRequest = () => void server.grant(world.plans([1], 8));
  world.startAgent();
  await world.timeline.until(() => world.judge.blocks.length > 1, 60_000);
  must(world.judge.blocks.length > 1, 'U21', 'the block that was not answered, after the next start', 'none');
  return `goodbye '${server.goodbyes[0]}', gone after ${tookMs} ms, the block came again`;
}

export const VERSION_CHECKS: readonly Check<AgentWorld>[] = [
  {
    name: 'other-major-version',
    rules: ['U20.1'],
    title: 'a server of another major version is left alone, and delays no other',
    run: otherMajor,
  },
  {
    name: 'first-version',
    rules: ['U20.1', 'U20.2'],
    title: 'a server that names nothing is one of 1.0',
    run: namesNothing,
  },
  { name: 'identity-proof', rules: ['U20.1'], title: 'an agent that names a key proves it', run: proves },
  {
    name: 'server-drains',
    rules: ['U21', 'U4'],
    title: 'a server that leaves gets nothing more',
    run: draining,
  },
  {
    name: 'server-restarts',
    rules: ['U21'],
    title: 'a server that comes back after its goodbye is found',
    run: serverRestarts,
  },
  {
    name: 'agent-stops',
    rules: ['U21'],
    title: 'a stopping agent says goodbye and keeps what was not answered',
    withinMs: 90_000,
    run: stops,
  },
];
