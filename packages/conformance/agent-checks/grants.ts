/** Grants that give, that give nothing, and that are taken back (U3, U4, U19). */
import type { AgentWorld } from '../agent-world.ts';
import { type Check, must } from '../check.ts';
import type { ChannelPlan } from '../heard.ts';

/** Nothing is waited for so long: a line is read and sealed in half a second. */
const NOTHING_MS = 1_200;
/** An agent that met what is wrong comes back within this, however its pauses grow. */
const RETURN_MS = 30_000;
/** An agent that is given nothing of use asks with growing pauses: far fewer than this in 3 s. */
const HAMMERING_REQUESTS = 15;
const HAMMERING_MS = 3_000;

async function unsolicited(world: AgentWorld): Promise<string> {
  const server = await world.beginOne();
  await world.grant(server, world.plans([1]), { requestId: 999_999n, isVoid: true });
  world.write();
  await world.expectNothing(NOTHING_MS, 'U3', 'on a grant that answers no request');
  await world.asked(server);
  await world.grant(server, world.plans([1]));
  await world.expectArrived('the lines, on a grant that answers one');
  return `nothing came on it, then ${world.order}`;
}

async function repeated(world: AgentWorld): Promise<string> {
  const server = await world.beginOne();
  const { grantId, requestId, channels } = await world.grant(server, world.plans([1]));
  await world.part();
  const again = channels.map(({ channel, priority, quotaBytes }) => ({
    ...{ channel, priority, quotaBytes: BigInt(quotaBytes) },
  }));
  const value = { grantId, requestId, lifetimeMs: 60_000n, channels: again };
  server.say({ message: { case: 'grant', value } });
  await world.takenIn(server);
  world.write();
  await world.expectNothing(NOTHING_MS, 'U3', 'on a grant that was used up and came a second time');
  return 'the second copy gave nothing';
}

async function expired(world: AgentWorld): Promise<string> {
  const server = await world.beginOne();
  await world.grant(server, world.plans([1], 3), { lifetimeMs: 1_500 });
  await world.part();
  await world.timeline.pass(2_000);
  world.write();
  await world.expectNothing(NOTHING_MS, 'U4', 'on a grant that has ended');
  await world.asked(server);
  await world.grant(server, world.plans([1]));
  await world.expectArrived('the lines, on a new grant');
  return 'nothing came after its end; asked, granted, arrived';
}

async function lifetimeZero(world: AgentWorld): Promise<string> {
  const server = await world.beginOne();
  await world.grant(server, world.plans([1]), { lifetimeMs: 0, isVoid: true });
  world.write();
  await world.expectNothing(NOTHING_MS, 'U4', 'on a grant that ends when it arrives');
  await world.asked(server, RETURN_MS);
  await world.grant(server, world.plans([1]));
  await world.expectArrived('the lines, on a grant that lives');
  return `${server.requests.length} requests, then ${world.order}`;
}

/** Grants this in answer to each request for a while, with logs that wait. */
async function useless(world: AgentWorld, plan: ChannelPlan): Promise<string> {
  const server = await world.beginOne();
  const answer = (): void => void server.grant([plan]);
  server.onRequest = answer;
  answer();
  world.write();
  await world.timeline.pass(1_000);
  const before = server.requests.length;
  await world.timeline.pass(HAMMERING_MS);
  const asked = server.requests.length - before;
  must(
    asked <= HAMMERING_REQUESTS,
    'U3',
    `at most ${HAMMERING_REQUESTS} requests in ${HAMMERING_MS} ms while each is answered with ${plan.quotaBytes} bytes`,
    `${asked}`,
  );
  must(world.judge.blocks.length === 0, 'U4', 'no block', `${world.judge.blocks.length}`);
  server.onRequest = () => void server.grant(world.plans([1], 2));
  if (server.openRequest !== undefined) server.grant(world.plans([1], 2));
  await world.expectArrived('the lines, on a grant of use', RETURN_MS);
  return `${asked} requests in ${HAMMERING_MS} ms`;
}

async function zeroBesideGood(world: AgentWorld): Promise<string> {
  const server = await world.beginOne();
  world.judge.isStepwise = true;
  await world.grant(server, [{ priority: 1, quotaBytes: 0 }, ...world.plans([2])].map(numbered));
  await world.part();
  must(world.order === 'S1/2', 'U24', 'the channel with quota is used', world.order);
  return world.order;
}

function numbered(plan: ChannelPlan, index: number): ChannelPlan {
  return { ...plan, channel: index + 1 };
}

async function revokedGrant(world: AgentWorld): Promise<string> {
  const server = await world.beginOne();
  const { grantId } = await world.grant(server, world.plans([1, 2], 3));
  await world.part();
  server.revoke(grantId);
  await world.takenIn(server);
  world.write();
  await world.expectNothing(NOTHING_MS, 'U4', 'on a grant that was taken back');
  await world.asked(server);
  await world.grant(server, world.plans([1], 3));
  await world.expectArrived('the lines, on a new grant');
  return 'nothing came on it; asked, granted, arrived';
}

async function revokedChannel(world: AgentWorld): Promise<string> {
  const server = await world.beginOne();
  const { grantId } = await world.grant(server, world.plans([1, 2], 3));
  server.revoke(grantId, 1);
  await world.takenIn(server);
  await world.part();
  must(world.order === 'S1/2', 'U4', 'only the channel that is left is used', world.order);
  return world.order;
}

async function revokedAll(world: AgentWorld): Promise<string> {
  const [first, second] = await world.beginTwo();
  await world.grant(first, world.plans([1], 3));
  await world.grant(second, world.plans([2], 3));
  first.revoke();
  await world.takenIn(first);
  await world.part();
  must(world.order === 'S2/2', 'U4', 'only the other server is used', world.order);
  return world.order;
}

/** What breaks a limit or contradicts itself: it gives nothing, and costs the agent nothing but its answer. */
const MALFORMED: readonly (readonly [string, string, (good: ChannelPlan) => readonly ChannelPlan[]])[] = [
  ['channel-twice', 'names a channel twice', (good) => [1, 1].map((channel) => ({ ...good, channel }))],
  ['channel-zero', 'numbers a channel 0', (good) => [{ ...good, channel: 0 }]],
  ['priority-zero', 'has a channel of priority 0', (good) => [{ ...good, priority: 0 }]],
  ['priority-too-low', 'has a priority beyond 1,000,000', (good) => [{ ...good, priority: 1_000_001 }]],
  ['seventeen-channels', 'has 17 channels', (good) => Array.from({ length: 17 }, () => good)],
  [
    'reserve-beyond-quota',
    'reserves more than its quota',
    (good) => [{ ...good, reservedForUrgentBytes: good.quotaBytes + 1 }],
  ],
];

async function malformed(world: AgentWorld, plans: readonly ChannelPlan[]): Promise<string> {
  const server = await world.beginOne();
  await world.grant(server, plans, { isVoid: true });
  world.write();
  await world.expectNothing(NOTHING_MS, 'U19.2', 'on a grant that breaks a limit');
  await world.asked(server, RETURN_MS);
  await world.grant(server, world.plans([1]));
  await world.expectArrived('the lines, on a good grant');
  return `${server.connections} connections, ${server.requests.length} requests, then ${world.order}`;
}

async function neverPastQuota(world: AgentWorld): Promise<string> {
  const server = await world.beginOne();
  const MEBIBYTE = 1024 * 1024;
  const answer = (): void => {
    const { request } = server.openRequest ?? {};
    const next = Math.max(0, ...(request?.backlog.map((backlog) => Number(backlog.nextBlockRawBytes)) ?? []));
    server.grant([{ priority: 1, quotaBytes: Math.max(next, MEBIBYTE) }]);
  };
  server.onRequest = answer;
  answer();
  world.write('INFO', 8_000);
  await world.expectArrived('8 MB of lines, in grants of about 1 MiB', 30_000);
  return `${server.grants.length} grants, ${world.judge.blocks.length} blocks, none past its quota`;
}

export const GRANT_CHECKS: readonly Check<AgentWorld>[] = [
  {
    name: 'grant-unsolicited',
    rules: ['U3'],
    title: 'a grant that answers no request gives nothing',
    run: unsolicited,
  },
  {
    name: 'grant-repeated',
    rules: ['U3', 'U4'],
    title: 'a grant that comes twice counts once',
    run: repeated,
  },
  {
    name: 'grant-expired',
    rules: ['U4', 'U2.2'],
    title: 'nothing is sent after the end of a grant',
    run: expired,
  },
  {
    name: 'grant-lifetime-0',
    rules: ['U4'],
    title: 'a grant of lifetime 0 gives nothing',
    run: lifetimeZero,
  },
  {
    name: 'grant-quota-0',
    rules: ['U3', 'U4'],
    title: 'grants without quota do not make an agent hammer',
    run: (world) => useless(world, { priority: 1, quotaBytes: 0 }),
  },
  {
    name: 'grant-quota-1',
    rules: ['U3', 'U4', 'U24'],
    title: 'grants of 1 byte do not make an agent hammer',
    run: (world) => useless(world, { priority: 1, quotaBytes: 1 }),
  },
  {
    name: 'grant-quota-0-beside',
    rules: ['U24'],
    title: 'a channel without quota beside a good one is passed over',
    run: zeroBesideGood,
  },
  {
    name: 'grant-revoked',
    rules: ['U4', 'U2.2'],
    title: 'a grant that is taken back is left',
    run: revokedGrant,
  },
  {
    name: 'channel-revoked',
    rules: ['U4'],
    title: 'a channel that is taken back is left',
    run: revokedChannel,
  },
  {
    name: 'all-revoked',
    rules: ['U4'],
    title: 'a revocation without a grant takes all back',
    run: revokedAll,
  },
  ...MALFORMED.map(([name, what, plans]) => ({
    ...{
      name: `grant-${name}`,
      rules: ['U19.2'],
      title: `a grant that ${what} gives nothing; the next one does`,
    },
    run: (world: AgentWorld) => malformed(world, plans({ priority: 1, quotaBytes: world.bytes(1) })),
  })),
  {
    name: 'quota-never-passed',
    rules: ['U4', 'U2.2'],
    title: 'many small grants in a row: all flows, and none is passed',
    run: neverPastQuota,
  },
];
