/** Streams and bytes that are not of the protocol, and leaving (U19, U21). */
import { type Check, must, Skipped } from '../check.ts';
import { CallEnded } from '../client-call.ts';
import { ANSWER_MS, describe, isAcknowledged, mustEnd, type ServerWorld } from '../server-world.ts';

/** Codes by which a call ends that cannot be understood. */
const NOT_UNDERSTOOD = [
  'invalid_argument',
  'internal',
  'unimplemented',
  'resource_exhausted',
  'broken',
  'http',
];

async function garbage(world: ServerWorld): Promise<string> {
  const raw = world.raw();
  raw.control.say(Buffer.from([0xff, 0xff, 0xff, 0xff, 0x07]));
  const seen = await mustEnd(raw.control, NOT_UNDERSTOOD, 'U19.4');
  await world.stillServes();
  return seen;
}

async function wrongFlags(world: ServerWorld): Promise<string> {
  const raw = world.raw();
  // Compressed, and the call named no compression.
  raw.control.say(Buffer.from([1, 2, 3]), 0b1);
  const seen = await mustEnd(raw.control, NOT_UNDERSTOOD, 'U19.4');
  await world.stillServes();
  return seen;
}

async function hugeControl(world: ServerWorld): Promise<string> {
  const agent = await world.welcomed();
  agent.raw.say({ case: 'goodbye', value: { reason: 'x'.repeat(300 * 1024) } });
  const seen = await mustEnd(agent.raw.control, ['resource_exhausted'], 'U19.4');
  await world.stillServes();
  return seen;
}

async function hugeBlock(world: ServerWorld): Promise<string> {
  const agent = await world.welcomed();
  const grant = await agent.granted();
  const call = agent.open(grant);
  call.say({ case: 'block', value: { ...agent.block(), payload: new Uint8Array(5 * 1024 * 1024) } });
  const seen = await mustEnd(call.call, ['resource_exhausted'], 'U19.4');
  const answer = await agent.offer(agent.open(grant), agent.block());
  must(isAcknowledged(answer), 'U19.4', 'that the next stream goes on', describe(answer));
  return seen;
}

async function badRequest(world: ServerWorld): Promise<string> {
  const agent = await world.welcomed();
  const one = { urgency: 1, recordCount: 1n, rawBytes: 1n };
  agent.raw.say({ case: 'uploadRequest', value: { requestId: 1n, backlog: [one, one] } });
  return await mustEnd(agent.raw.control, ['invalid_argument'], 'U19.4');
}

async function badNotice(world: ServerWorld): Promise<string> {
  const agent = await world.welcomed();
  const outrankedBy = Array.from({ length: 65 }, () => ({
    serverId: 's',
    highestPriority: 1,
    heldPriorities: [2],
  }));
  agent.raw.say({
    case: 'priorityViolationNotice',
    value: { grantId: 'g', channel: 1, priority: 1, outrankedBy },
  });
  return await mustEnd(agent.raw.control, ['invalid_argument'], 'U19.4');
}

async function openFirst(world: ServerWorld): Promise<string> {
  const agent = await world.welcomed();
  const call = agent.raw.openSend();
  call.say({ case: 'block', value: agent.block() });
  return await mustEnd(call.call, ['invalid_argument'], 'wire');
}

async function openTwice(world: ServerWorld): Promise<string> {
  const agent = await world.welcomed();
  const grant = await agent.granted();
  const call = agent.open(grant);
  const { sessionId, agentId } = agent;
  call.say({ case: 'openChannel', value: { sessionId, agentId, grantId: grant.grantId, channel: 1 } });
  return await mustEnd(call.call, ['invalid_argument'], 'wire');
}

async function otherPath(world: ServerWorld): Promise<string> {
  const call = world.raw().call('/etc/passwd');
  const end = await call.ended(ANSWER_MS);
  const seen = end === undefined ? 'nothing' : String(end);
  must(end instanceof CallEnded && seen.includes('404'), 'wire', 'the HTTP status 404', seen);
  return seen;
}

async function noToken(world: ServerWorld): Promise<string> {
  if (world.options.token === undefined) throw new Skipped('no SLUICE_TOKEN: the server lets in everybody');
  const stranger = world.stranger();
  stranger.sayHello();
  return await mustEnd(stranger.control, ['unauthenticated', 'http'], 'wire');
}

async function goodbye(world: ServerWorld): Promise<string> {
  const agent = await world.welcomed();
  agent.raw.say({ case: 'goodbye', value: { reason: 'the check is over' } });
  const end = await agent.raw.control.ended(ANSWER_MS);
  must(end === 'ended', 'U21', 'the end of the control stream without an error', String(end));
  return 'the control stream ended well';
}

async function drains(world: ServerWorld): Promise<string> {
  const { program } = world.options;
  if (program === undefined)
    throw new Skipped('the kit did not start the server: it cannot tell it to leave');
  const agent = await world.welcomed();
  const grant = await agent.granted();
  const call = agent.open(grant);
  const before = await agent.offer(call, agent.block());
  must(isAcknowledged(before), 'U12', 'a block that is taken', describe(before));
  // On its way while the server is told.
  call.say({ case: 'block', value: agent.block() });
  program.askToEnd();
  const answer = await call.hear(ANSWER_MS);
  must(answer?.case === 'acknowledgement', 'U21', 'an answer to what was in flight', describe(answer));
  await agent.listen(ANSWER_MS, () => agent.revocations.length > 0);
  const revoked = agent.revocations.includes('all') || agent.revocations.includes(grant.grantId);
  must(revoked, 'U21', 'that the grant is taken back', agent.heard.join(' '));
  const refused = await agent.answer(agent.ask(), 2_000);
  must(
    refused?.channels.length !== undefined && refused.channels.length === 0,
    'U21',
    'no grant any more',
    describeGrant(refused),
  );
  // The agent has nothing more to say on its channel.
  call.call.end();
  await agent.listen(ANSWER_MS, () => agent.goodbyes.length > 0);
  must(agent.goodbyes.length > 0, 'U21', 'Goodbye', agent.heard.join(' '));
  const end = await agent.raw.control.ended(ANSWER_MS);
  must(end === 'ended', 'U21', 'the end of the control stream without an error', String(end));
  return `revoked ${agent.revocations.join()}, goodbye '${agent.goodbyes[0]}'`;
}

function describeGrant(grant: { channels: readonly unknown[] } | undefined): string {
  return grant === undefined ? 'no answer' : `${grant.channels.length} channels`;
}

export const STREAM_CHECKS: readonly Check<ServerWorld>[] = [
  { name: 'not-protobuf', rules: ['U19.4'], title: 'bytes that are no message end the stream', run: garbage },
  {
    name: 'unknown-flags',
    rules: ['U19.4'],
    title: 'an envelope of unknown flags ends the stream',
    run: wrongFlags,
  },
  {
    name: 'control-oversize',
    rules: ['U19.4'],
    title: 'a control message of 300 KiB ends the stream',
    run: hugeControl,
  },
  {
    name: 'block-oversize',
    rules: ['U19.4'],
    title: 'a block of 5 MiB ends its stream and no other',
    run: hugeBlock,
  },
  {
    name: 'request-malformed',
    rules: ['U19.4'],
    title: 'a request that names a class twice ends the stream',
    run: badRequest,
  },
  {
    name: 'notice-malformed',
    rules: ['U19.4'],
    title: 'a notice that names 65 servers ends the stream',
    run: badNotice,
  },
  { name: 'open-first', rules: ['U4'], title: 'a Send stream begins with OpenChannel', run: openFirst },
  { name: 'open-twice', rules: ['U4'], title: 'OpenChannel comes once', run: openTwice },
  { name: 'other-path', rules: ['U19.4'], title: 'another path is answered with 404', run: otherPath },
  {
    name: 'wrong-token',
    rules: ['U19.4'],
    title: 'a call without the token is unauthenticated',
    run: noToken,
  },
  { name: 'agent-leaves', rules: ['U21'], title: 'an agent that says goodbye is let go', run: goodbye },
];

/** At the end: the server is gone then. */
export const LAST_CHECKS: readonly Check<ServerWorld>[] = [
  {
    name: 'drains',
    rules: ['U21', 'U4'],
    title: 'a server that leaves revokes, answers what is in flight, and says goodbye',
    isAlone: true,
    run: drains,
  },
];
