/** Which block goes next, on which channel, and who is told (U6 to U10, U15, U24). */
import { UrgencyClass } from '@sluice/wire/gen/uplink_pb';
import type { AgentWorld } from '../agent-world.ts';
import { type Check, must } from '../check.ts';
import { channelName } from '../heard.ts';
import { placeAmongEquals } from '../priority-order.ts';

const MEBIBYTE: number = 1024 * 1024;
/** A line that is not urgent waits so long for company, and a little more. */
const SEALED_MS = 900;

async function tieOrder(world: AgentWorld): Promise<string> {
  const servers = await world.begin('S1', 'S2', 'S3');
  world.judge.isStepwise = true;
  for (const server of servers) server.grant(world.plans([1]));
  await world.takenIn(...servers);
  for (let part = servers.length; part > 0; part -= 1) await world.part();
  const agentId = servers[0]?.hellos[0]?.hello.agentId ?? '';
  const place = ({ name }: { name: string }): number => placeAmongEquals(agentId, name);
  const expected = servers.toSorted((a, b) => place(a) - place(b)).map(({ name }) => `${name}/1`);
  must(
    world.order === expected.join(' '),
    'U6',
    `${expected.join(' ')} for the agent ${agentId}`,
    world.order,
  );
  return `${world.order} for the agent ${agentId}`;
}

async function lateGrantPreempts(world: AgentWorld): Promise<string> {
  const [first, second] = await world.beginTwo();
  world.judge.isStepwise = true;
  await world.grant(second, world.plans([5], 4));
  await world.part();
  await world.grant(first, world.plans([1], 2));
  await world.part();
  must(world.order === 'S2/5 S1/1', 'U7', 'S2/5, then S1/1 when it is granted', world.order);
  return world.order;
}

async function lateOutranking(world: AgentWorld): Promise<string> {
  const [first, second] = await world.beginTwo();
  world.judge.isStepwise = true;
  await world.grant(second, world.plans([2, 4], 3));
  await world.part();
  must(world.judge.order.length === 1, 'U10', 'no notice while nobody outranks', world.order);
  await world.grant(first, world.plans([1, 3]));
  await world.part();
  await world.part();
  const expected = 'S2/2 S1/1 !S2/2';
  must(world.order === expected, 'U10', `${expected}: the notice at the first violating use`, world.order);
  return world.order;
}

async function oneNotice(world: AgentWorld): Promise<string> {
  const [first, second] = await world.beginTwo();
  world.judge.isStepwise = true;
  first.grant(world.plans([1, 3]));
  second.grant(world.plans([2], 3));
  await world.takenIn(first, second);
  for (let part = 0; part < 5; part += 1) await world.part();
  must(world.order === 'S1/1 !S2/2 S2/2 S1/3', 'U10', 'one notice for the three blocks on S2/2', world.order);
  return world.order;
}

async function noticePerGrant(world: AgentWorld): Promise<string> {
  const [first, second] = await world.beginTwo();
  world.judge.isStepwise = true;
  first.grant(world.plans([1, 9]));
  second.grant(world.plans([2]));
  await world.takenIn(first, second);
  for (let part = 0; part < 2; part += 1) await world.part();
  await world.asked(second);
  await world.grant(second, world.plans([2]));
  await world.part();
  const expected = 'S1/1 !S2/2 S2/2 !S2/2 S2/2';
  must(world.order === expected, 'U10', `${expected}: each grant is told of`, world.order);
  return world.order;
}

/** @param quotaBytes of the channel that carries no block */
async function uselessOutranksNobody(world: AgentWorld, quotaBytes: number): Promise<string> {
  const [first, second] = await world.beginTwo();
  world.judge.isStepwise = true;
  const [good = { priority: 3, quotaBytes: 0 }] = world.plans([3]);
  first.grant([{ priority: 1, quotaBytes }, good]);
  second.grant(world.plans([2]));
  await world.takenIn(first, second);
  for (let part = 0; part < 2; part += 1) await world.part();
  must(world.order === 'S2/2 S1/3', 'U24', 'S2/2 S1/3 and no notice: S1/1 carries no block', world.order);
  return world.order;
}

async function uselessIsNotHeld(world: AgentWorld): Promise<string> {
  const [first, second] = await world.beginTwo();
  world.judge.isStepwise = true;
  const [good = { priority: 1, quotaBytes: 0 }] = world.plans([1]);
  first.grant([good, { priority: 3, quotaBytes: 1 }]);
  second.grant(world.plans([2]));
  await world.takenIn(first, second);
  for (let part = 0; part < 2; part += 1) await world.part();
  must(world.order === 'S1/1 S2/2', 'U24', 'S1/1 S2/2 and no notice: S1/3 carries no block', world.order);
  return world.order;
}

async function largeParts(world: AgentWorld): Promise<string> {
  const servers = await world.beginTwo();
  const quotaBytes = 4 * MEBIBYTE;
  const [first, second] = servers;
  first.grant([1, 3].map((priority) => ({ priority, quotaBytes })));
  second.grant([2, 4].map((priority) => ({ priority, quotaBytes })));
  await world.takenIn(...servers);
  world.write('INFO', 24_000);
  const channels = servers.flatMap(({ grants }) => grants.flatMap((grant) => grant.channels));
  const allUsed = await world.timeline.until(() => channels.every(({ blocks }) => blocks > 0), 20_000);
  // Blocks of one class are numbered in their order, on whatever connection one arrives first.
  const bySequence = world.judge.blocks.toSorted((a, b) => Number(a.block.sequence - b.block.sequence));
  const uses = new Set(
    bySequence.flatMap(({ channel }) => (channel === undefined ? [] : channelName(channel))),
  );
  const seen = [...uses].join(' ');
  must(allUsed, 'U7', 'all four channels carry, as logs remain', seen);
  must(seen === 'S1/1 S2/2 S1/3 S2/4', 'U7', 'S1/1 S2/2 S1/3 S2/4', seen);
  const told = second.notices.map(({ notice }) => notice.priority).join();
  must(told === '2' && first.notices.length === 0, 'U10', 'one notice, for S2/2', `S2: ${told}`);
  const parts = channels.map((channel) => `${channelName(channel)}: ${channel.usedBytes}`);
  return parts.join(', ');
}

async function urgentOvertakes(world: AgentWorld): Promise<string> {
  const server = await world.beginOne();
  for (const severity of ['DEBUG', 'INFO', 'WARN', 'ERROR'] as const) {
    world.write(severity);
    await world.timeline.pass(SEALED_MS);
  }
  await world.grant(server, world.plans([1], 6));
  await world.expectArrived('the lines of all classes');
  const classes = world.judge.blocks.map(({ block }) => block.urgency);
  const isSorted = classes.join() === classes.toSorted((a, b) => a - b).join();
  const seen = classes.map((urgency) => UrgencyClass[urgency]).join(' ');
  must(isSorted && new Set(classes).size === 4, 'U7', 'urgent, elevated, normal, bulk', seen);
  return seen;
}

async function nextClassFits(world: AgentWorld): Promise<string> {
  const server = await world.beginOne();
  world.write('WARN', 200);
  await world.timeline.pass(SEALED_MS);
  world.write('DEBUG');
  await world.timeline.pass(SEALED_MS);
  await world.grant(server, world.plans([1]));
  const isThere = await world.timeline.until(() => world.judge.blocks.length > 0, 3_000);
  const seen = world.judge.blocks.map(({ block }) => UrgencyClass[block.urgency]).join(' ');
  must(isThere && seen === 'BULK', 'U7.1', 'the bulk block, as the elevated one does not fit', seen);
  return seen;
}

async function reserve(world: AgentWorld): Promise<string> {
  const server = await world.beginOne();
  const reservedForUrgentBytes = Math.ceil((world.bytes(3) * 4) / 7);
  await world.grant(server, [{ priority: 1, quotaBytes: world.bytes(3), reservedForUrgentBytes }]);
  await world.part('INFO');
  world.write('INFO');
  await world.expectNothing(1_200, 'U8', 'that is not urgent, when only the reserve is left');
  world.write('ERROR');
  const before = world.judge.blocks.length;
  const isThere = await world.timeline.until(() => world.judge.blocks.length > before, 3_000);
  const urgency = world.judge.blocks.at(-1)?.block.urgency;
  must(isThere && urgency === UrgencyClass.URGENT, 'U8', 'the urgent block in the reserve', `${urgency}`);
  return 'one normal block, then only the urgent one';
}

const STORM_PARTS = 60;
const STORM_QUOTA_PARTS = 50;

async function nobodyStarves(world: AgentWorld): Promise<string> {
  const server = await world.beginOne();
  world.write('DEBUG');
  await world.timeline.pass(SEALED_MS);
  for (let part = 0; part < STORM_PARTS; part += 1) {
    world.write('ERROR');
    await world.timeline.pass(60);
  }
  await world.timeline.pass(300);
  await world.grant(server, world.plans([1], STORM_QUOTA_PARTS));
  const isBulk = (): boolean => world.judge.blocks.some(({ block }) => block.urgency === UrgencyClass.BULK);
  await world.timeline.until(isBulk, 4_000);
  const urgent = world.judge.blocks.filter(({ block }) => block.urgency === UrgencyClass.URGENT).length;
  must(
    isBulk(),
    'U15',
    `a bulk block within ${STORM_QUOTA_PARTS} parts of an urgent storm`,
    `${urgent} urgent ones`,
  );
  return `a bulk block among ${world.judge.blocks.length}`;
}

export const ORDER_CHECKS: readonly Check<AgentWorld>[] = [
  {
    name: 'large-parts',
    rules: ['U7', 'U10', 'U4'],
    title: 'all four channels carry their part of a large log, in the order of their priorities',
    run: largeParts,
  },
  {
    name: 'tie-order',
    rules: ['U6'],
    title: 'equal channels are used in the order of the hash',
    run: tieOrder,
  },
  {
    name: 'late-grant-preempts',
    rules: ['U7'],
    title: 'a higher channel that is granted later takes the next block',
    run: lateGrantPreempts,
  },
  {
    name: 'late-outranking',
    rules: ['U10'],
    title: 'a notice at the first violating use, also when the channel was used before',
    run: lateOutranking,
  },
  {
    name: 'notice-once',
    rules: ['U10'],
    title: 'one notice per channel, however many blocks',
    run: oneNotice,
  },
  {
    name: 'notice-per-grant',
    rules: ['U10'],
    title: 'the same channel under a new grant is told anew',
    run: noticePerGrant,
  },
  {
    name: 'quota-0-outranks-nobody',
    rules: ['U24'],
    title: 'a channel of quota 0 does not rank its server',
    run: (world) => uselessOutranksNobody(world, 0),
  },
  {
    name: 'quota-1-outranks-nobody',
    rules: ['U24'],
    title: 'a channel of 1 byte does not rank its server',
    run: (world) => uselessOutranksNobody(world, 1),
  },
  {
    name: 'quota-1-is-not-held',
    rules: ['U24'],
    title: 'a channel of 1 byte is not held',
    run: uselessIsNotHeld,
  },
  {
    name: 'urgent-overtakes',
    rules: ['U7'],
    title: 'the most urgent class goes first',
    run: urgentOvertakes,
  },
  {
    name: 'next-class-fits',
    rules: ['U7.1'],
    title: 'a block that fits nowhere holds up no other class',
    run: nextClassFits,
  },
  { name: 'reserve-is-kept', rules: ['U8'], title: 'only urgent blocks use the reserve', run: reserve },
  {
    name: 'nobody-starves',
    rules: ['U15'],
    title: 'bulk keeps a share in an urgent storm',
    run: nobodyStarves,
  },
];
