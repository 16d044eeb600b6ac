/** Who is asked, when, and with what (U1, U2, U3). */
import { UrgencyClass } from '@sluice/wire/gen/uplink_pb';
import { type AgentWorld, LINES_PER_PART } from '../agent-world.ts';
import { type Check, must } from '../check.ts';

/** A statement is there in so much after the lines were written. */
const SAID_MS = 3_000;
const REFUSED_FOR_MS = 1_500;
/** At most so much of the wait is added at random (U3). */
const JITTER = 1.5;
/** Busy machine. */
const LATE_MS = 1_500;

async function everyone(world: AgentWorld): Promise<string> {
  const servers = await world.begin('S1', 'S2', 'S3');
  for (const server of servers) server.requests.length = 0;
  world.write();
  for (const server of servers) await world.asked(server, SAID_MS);
  return servers.map(({ name, requests }) => `${name}: ${requests.length} requests`).join(', ');
}

async function silentServer(world: AgentWorld): Promise<string> {
  const silent = await world.server('S1');
  silent.welcomes = false;
  const server = await world.server('S2');
  world.startAgent();
  await world.asked(server);
  await world.grant(server, world.plans([5]));
  await world.part();
  must(silent.hellos.length > 0, 'U1', 'a Hello to the server that says nothing', 'none');
  return 'S1 says nothing, S2 has the lines';
}

async function serverDown(world: AgentWorld): Promise<string> {
  const down = await world.server('S1');
  const server = await world.server('S2');
  await down.close();
  world.startAgent();
  await world.asked(server);
  await world.grant(server, world.plans([5], 4));
  await world.part();
  await down.listen();
  await world.asked(down);
  return 'S2 has the lines; S1 is found when it comes';
}

async function saysWhatWaits(world: AgentWorld): Promise<string> {
  const server = await world.beginOne();
  world.write('INFO');
  await world.timeline.pass(1_000);
  world.write('ERROR');
  const latest = () => server.requests.at(-1)?.request.backlog ?? [];
  const of = (urgency: UrgencyClass) => latest().find((backlog) => backlog.urgency === urgency);
  const isSaid = await world.timeline.until(() => of(UrgencyClass.URGENT)?.recordCount === 20n, SAID_MS);
  const said = latest()
    .map(({ urgency, recordCount, rawBytes }) => `${UrgencyClass[urgency]} ${recordCount} in ${rawBytes}`)
    .join(', ');
  must(isSaid, 'U2.1', `a request that states ${LINES_PER_PART} urgent records`, said);
  const normal = of(UrgencyClass.NORMAL);
  must(normal?.recordCount === BigInt(LINES_PER_PART), 'U2.1', 'and as many normal ones', said);
  must(Number(normal.rawBytes) > 0 && Number(normal.oldestAgeMs) > 0, 'U2.1', 'with bytes and age', said);
  const next = of(UrgencyClass.URGENT)?.nextBlockRawBytes ?? 0n;
  must(next > 0n, 'U2.1', 'the size of the next block at its class', `${next}`);
  await world.grant(server, [{ priority: 1, quotaBytes: Number(next) }]);
  const fits = await world.timeline.until(() => world.judge.blocks.length > 0, 2_000);
  must(fits, 'U2.1', `a block on a channel of just ${next} bytes`, 'none');
  return said;
}

async function asksAhead(world: AgentWorld): Promise<string> {
  const server = await world.beginOne();
  await world.grant(server, world.plans([1], 4));
  for (let part = 0; part < 3; part += 1) await world.part();
  const isAsked = await world.timeline.until(() => server.openRequest !== undefined, SAID_MS);
  must(isAsked, 'U2.2', 'a request when a quarter of the grant is left', 'none');
  return 'asked with quota in hand';
}

async function replacesRequest(world: AgentWorld): Promise<string> {
  const server = await world.beginOne();
  world.write('DEBUG');
  const count = (): number => server.requests.length;
  await world.timeline.until(() => count() >= 2, SAID_MS);
  const before = count();
  world.write('ERROR');
  const isAsked = await world.timeline.until(() => count() > before, SAID_MS);
  must(isAsked, 'U2.3', 'a new request when a more urgent class waits than the open one named', 'none');
  const [older] = server.requests.slice(-2);
  await world.grant(server, world.plans([1], 3), { requestId: older?.request.requestId ?? 0n });
  await world.expectArrived('the lines, on the answer to the request that was replaced');
  return `${count()} requests; the answer to an earlier one is used`;
}

async function closesChannels(world: AgentWorld): Promise<string> {
  const server = await world.beginOne();
  const { grantId, channels } = await world.grant(server, world.plans([1, 2]));
  await world.part();
  server.requests.length = 0;
  server.revoke(grantId);
  await world.asked(server, SAID_MS);
  const closed = server.requests.flatMap(({ request }) => request.closedChannels);
  const seen = closed.map((one) => `${one.grantId}/${one.channel}: ${one.usedBytes}`).join(', ');
  for (const { channel, usedBytes } of channels) {
    const isSaid = closed.some(
      (one) => one.grantId === grantId && one.channel === channel && Number(one.usedBytes) === usedBytes,
    );
    must(isSaid, 'U2.4', `channel ${channel} closed with ${usedBytes} bytes used`, seen);
  }
  return seen;
}

async function waitsOut(world: AgentWorld): Promise<string> {
  const server = await world.beginOne();
  world.write();
  await world.timeline.pass(1_000);
  const refusedAtMs = world.timeline.nowMs();
  server.refuse(REFUSED_FOR_MS);
  await world.timeline.pass(300);
  // A more urgent class is no reason to come sooner.
  world.write('ERROR');
  await world.asked(server);
  const waitedMs = (server.openRequest?.atMs ?? 0) - refusedAtMs;
  must(waitedMs >= REFUSED_FOR_MS, 'U3', `no request within ${REFUSED_FOR_MS} ms`, `after ${waitedMs} ms`);
  const mostMs = REFUSED_FOR_MS * JITTER + LATE_MS;
  must(waitedMs <= mostMs, 'U3', `a request within ${mostMs} ms`, `after ${waitedMs} ms`);
  await world.grant(server, world.plans([1], 3));
  await world.expectArrived('the lines, after the refusal');
  return `asked again after ${Math.round(waitedMs)} ms`;
}

async function refusedAlways(world: AgentWorld): Promise<string> {
  const server = await world.beginOne();
  server.onRequest = () => server.refuse(0);
  server.refuse(0);
  world.write();
  await world.timeline.pass(500);
  const before = server.requests.length;
  await world.timeline.pass(2_000);
  const asked = server.requests.length - before;
  must(asked <= 21, 'U3', 'at most one request in 100 ms, whatever a refusal says', `${asked} in 2 s`);
  must(asked > 0, 'U3', 'that it goes on asking', 'no request in 2 s');
  return `${asked} requests in 2 s`;
}

async function longRefusal(world: AgentWorld): Promise<string> {
  const [first, second] = await world.beginTwo();
  first.refuse(24 * 60 * 60 * 1_000);
  await world.grant(second, world.plans([7], 4));
  await world.part();
  must(world.order === 'S2/7', 'U1', 'the other server is used meanwhile', world.order);
  return world.order;
}

export const ASKING_CHECKS: readonly Check<AgentWorld>[] = [
  { name: 'asks-everyone', rules: ['U1', 'U2.2'], title: 'each connected server is asked', run: everyone },
  {
    name: 'server-silent',
    rules: ['U1'],
    title: 'a server that says nothing delays no other',
    run: silentServer,
  },
  {
    name: 'server-down',
    rules: ['U1'],
    title: 'a server that is down delays no other, and is found',
    run: serverDown,
  },
  {
    name: 'says-what-waits',
    rules: ['U2.1'],
    title: 'a request states what waits per class',
    run: saysWhatWaits,
  },
  { name: 'asks-ahead', rules: ['U2.2'], title: 'asks before the grant is used up', run: asksAhead },
  {
    name: 'request-replaced',
    rules: ['U2.3'],
    title: 'a more urgent class replaces the open request, and the answer to that is still used',
    run: replacesRequest,
  },
  {
    name: 'closes-channels',
    rules: ['U2.4'],
    title: 'a request closes what was taken back with quota left, with the bytes that were sent',
    run: closesChannels,
  },
  {
    name: 'refusal-waited-out',
    rules: ['U3'],
    title: 'a refusal is waited out, and not much longer',
    run: waitsOut,
  },
  {
    name: 'refusal-0',
    rules: ['U3'],
    title: 'a refusal that names no time does not make it hammer',
    run: refusedAlways,
  },
  {
    name: 'refusal-for-a-day',
    rules: ['U1', 'U3'],
    title: 'a refusal of absurd length leaves the other servers alone',
    run: longRefusal,
  },
];
