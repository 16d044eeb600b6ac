/** What an agent makes of what a server says of its blocks (U12, U25). */
import type { AgentWorld } from '../agent-world.ts';
import { type Check, must } from '../check.ts';
import { type HeardBlock, placeOf } from '../heard.ts';
import type { ScriptedServer } from '../scripted-server.ts';

/** Nothing comes again within this. */
const SETTLED_MS = 1_500;
/** What was not believed is sent again within this, also over a new connection. */
const AGAIN_MS = 30_000;

/** A server that grants whatever it is asked for, so that an agent that comes back can go on. */
async function generous(world: AgentWorld): Promise<ScriptedServer> {
  const server = await world.beginOne();
  server.onRequest = () => void server.grant(world.plans([1], 20));
  await world.grant(server, world.plans([1], 20));
  return server;
}

function copiesOf(world: AgentWorld, heard: HeardBlock | undefined): HeardBlock[] {
  if (heard === undefined) return [];
  return world.judge.blocks.filter(({ block }) => placeOf(block) === placeOf(heard.block));
}

async function outOfOrder(world: AgentWorld): Promise<string> {
  const server = await world.beginOne();
  const held: HeardBlock[] = [];
  server.onBlock = (heard) => void held.push(heard);
  await world.grant(server, world.plans([1], 8));
  // Within what silence of a server may last before others are asked.
  for (let part = 0; part < 3; part += 1) world.write('ERROR');
  await world.expectArrived('the lines');
  for (const heard of held.toReversed()) server.acknowledge(heard);
  server.onBlock = (heard) => server.acknowledge(heard);
  await world.expectNothing(SETTLED_MS, 'U12', 'again after its acknowledgement');
  await world.part();
  must(server.connections === 1, 'U12', 'one connection', `${server.connections}`);
  return `${held.length} blocks, acknowledged from the last to the first`;
}

async function duplicated(world: AgentWorld): Promise<string> {
  const server = await world.beginOne();
  server.onBlock = (heard) => {
    server.acknowledge(heard);
    server.acknowledge(heard);
  };
  await world.grant(server, world.plans([1], 8));
  for (let part = 0; part < 3; part += 1) await world.part();
  await world.expectNothing(SETTLED_MS, 'U12', 'again after two acknowledgements');
  must(server.connections === 1, 'U12', 'one connection', `${server.connections}`);
  must(
    world.judge.streams === 1,
    'U12',
    'that the channel goes on',
    `it was opened ${world.judge.streams} times`,
  );
  return `${world.judge.blocks.length} blocks on one stream`;
}

/** Says something wrong of the first block, once, and then what is right. */
async function notBelieved(
  world: AgentWorld,
  say: (server: ScriptedServer, heard: HeardBlock) => void,
): Promise<string> {
  const server = await generous(world);
  let first: HeardBlock | undefined;
  server.onBlock = (heard) => {
    if (first !== undefined) server.acknowledge(heard);
    else {
      first = heard;
      say(server, heard);
    }
  };
  world.write();
  const isAgain = await world.timeline.until(() => copiesOf(world, first).length > 1, AGAIN_MS);
  must(isAgain, 'U12', 'the block again, as no acknowledgement of it came', 'it was forgotten');
  return `sent ${copiesOf(world, first).length} times`;
}

function acknowledgeAs(
  server: ScriptedServer,
  { block }: HeardBlock,
  changes: { sequence?: bigint; digest?: Uint8Array },
  on: HeardBlock,
): void {
  const { epoch, sequence, digest } = block;
  const value = { epoch, sequence, digest, ...changes };
  server.answer(on, { message: { case: 'acknowledgement', value } });
}

async function unsent(world: AgentWorld): Promise<string> {
  const server = await generous(world);
  let isFirst = true;
  server.onBlock = (heard) => {
    // The true one first: with the other one the agent may leave.
    server.acknowledge(heard);
    if (isFirst) acknowledgeAs(server, heard, { sequence: heard.block.sequence + 1n }, heard);
    isFirst = false;
  };
  world.write();
  await world.timeline.until(() => world.judge.blocks.length > 0, 5_000);
  world.write();
  await world.expectArrived('the lines of a block that was acknowledged before it was sent', AGAIN_MS);
  return `${world.judge.records} records`;
}

async function retryable(world: AgentWorld): Promise<string> {
  const server = await generous(world);
  let first: HeardBlock | undefined;
  server.onBlock = (heard) => {
    if (first === undefined) {
      first = heard;
      server.refuseBlock(heard, true);
    } else server.acknowledge(heard);
  };
  world.write();
  const isAgain = await world.timeline.until(() => copiesOf(world, first).length > 1, AGAIN_MS);
  must(isAgain, 'U12', 'the refused block again', 'it did not come');
  const [before, again] = copiesOf(world, first);
  await world.part();
  must(server.connections === 1, 'U12', 'one connection', `${server.connections}`);
  return `again after ${Math.round((again?.atMs ?? 0) - (before?.atMs ?? 0))} ms`;
}

async function refusedAlways(world: AgentWorld): Promise<string> {
  const server = await world.beginOne();
  await world.grant(server, world.plans([1], 200));
  server.onBlock = (heard) => server.refuseBlock(heard, true);
  world.write();
  await world.timeline.until(() => world.judge.blocks.length > 0, 5_000);
  await world.timeline.pass(3_000);
  const times = world.judge.blocks.length;
  must(times <= 20, 'U12', 'at most 20 tries in 3 s', `${times}`);
  must(times >= 2, 'U12', 'further tries', `${times}`);
  return `${times} tries in 3 s`;
}

async function malformed(world: AgentWorld): Promise<string> {
  const server = await generous(world);
  let first: HeardBlock | undefined;
  server.onBlock = (heard) => {
    if (first === undefined) {
      first = heard;
      server.refuseBlock(heard, false);
    } else server.acknowledge(heard);
  };
  await world.part();
  await world.part();
  await world.expectNothing(SETTLED_MS, 'U12', 'again that is malformed by the word of the server');
  must(copiesOf(world, first).length === 1, 'U12', 'one copy', `${copiesOf(world, first).length}`);
  return 'set aside; the next one went on';
}

async function channelBreaks(world: AgentWorld): Promise<string> {
  const server = await generous(world);
  let first: HeardBlock | undefined;
  server.onBlock = (heard) => {
    if (first === undefined) {
      first = heard;
      server.breakChannel(heard, 'internal', 'the check breaks it');
    } else server.acknowledge(heard);
  };
  world.write();
  const isAgain = await world.timeline.until(() => copiesOf(world, first).length > 1, AGAIN_MS);
  must(isAgain, 'U12', 'the block again, on another stream', 'it did not come');
  must(server.connections === 1, 'U12', 'that the connection lives on', `${server.connections} connections`);
  return 'again on another stream of the same connection';
}

async function channelRefused(world: AgentWorld): Promise<string> {
  const server = await world.beginOne();
  await world.grant(server, world.plans([1, 2], 3));
  server.onBlock = (heard) => {
    if (heard.channel?.priority === 1) server.breakChannel(heard, 'failed_precondition', 'not this one');
    else server.acknowledge(heard);
  };
  world.write();
  const isLower = await world.timeline.until(
    () => world.judge.blocks.some(({ channel }) => channel?.priority === 2),
    AGAIN_MS,
  );
  const tries = world.judge.blocks.filter(({ channel }) => channel?.priority === 1).length;
  must(isLower, 'U12', 'the other channel, as this one is refused for good', `${tries} tries`);
  must(tries <= 3, 'U12', 'no tries without end', `${tries} tries`);
  return `${tries} tries on S1/1, then S1/2`;
}

async function unknownAnswer(world: AgentWorld): Promise<string> {
  const server = await world.beginOne();
  // A field that nobody knows, of a kind of message to come: number 1000, a varint.
  const unknown = Buffer.from([0xc0, 0x3e, 0x01]);
  server.onBlock = (heard) => {
    server.answerBytes(heard, unknown);
    server.acknowledge(heard);
  };
  server.sayBytes(unknown);
  await world.grant(server, world.plans([1], 4));
  server.sayBytes(unknown);
  await world.part();
  await world.part();
  must(server.connections === 1, 'U20', 'one connection', `${server.connections}`);
  return 'passed over on both kinds of streams';
}

const FLIPPED = 0xff;
const flip = (digest: Uint8Array): Uint8Array => digest.map((byte) => byte ^ FLIPPED);

export const ANSWER_CHECKS: readonly Check<AgentWorld>[] = [
  { name: 'acknowledged-backwards', rules: ['U12'], title: 'answers come in any order', run: outOfOrder },
  {
    name: 'acknowledged-twice',
    rules: ['U12'],
    title: 'a second acknowledgement changes nothing',
    run: duplicated,
  },
  {
    name: 'acknowledged-by-digest',
    rules: ['U12', 'U25.2'],
    title: 'an acknowledgement of another content is not believed',
    run: (world) =>
      notBelieved(world, (server, heard) =>
        acknowledgeAs(server, heard, { digest: flip(heard.block.digest) }, heard),
      ),
  },
  {
    name: 'acknowledged-without-digest',
    rules: ['U12', 'U25.2'],
    title: 'a server that knows digests acknowledges nothing without one',
    run: (world) =>
      notBelieved(world, (server, heard) =>
        acknowledgeAs(server, heard, { digest: new Uint8Array(0) }, heard),
      ),
  },
  {
    name: 'acknowledged-unsent',
    rules: ['U12'],
    title: 'what was not sent is not acknowledged',
    run: unsent,
  },
  {
    name: 'refused-once',
    rules: ['U12'],
    title: 'a block that is refused as retryable comes again',
    run: retryable,
  },
  { name: 'refused-always', rules: ['U12'], title: 'refusals do not make it hammer', run: refusedAlways },
  { name: 'refused-as-malformed', rules: ['U12'], title: 'a malformed block is set aside', run: malformed },
  { name: 'channel-breaks', rules: ['U12'], title: 'a broken channel is opened again', run: channelBreaks },
  {
    name: 'channel-refused',
    rules: ['U12'],
    title: 'a channel that is refused for good is left',
    run: channelRefused,
  },
  {
    name: 'answer-unknown',
    rules: ['U20'],
    title: 'kinds of messages to come are passed over',
    run: unknownAnswer,
  },
];
