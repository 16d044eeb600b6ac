/** Servers that do not answer, break, or come back (U13, U14, U23). */
import type { AgentWorld } from '../agent-world.ts';
import { type Check, must, Skipped } from '../check.ts';
import { placeOf } from '../heard.ts';

/** A server that answers nothing is passed over within this, and a busy machine. */
const STALL_MS = 15_000;
/** A full window without progress for a second is a stall (U23). */
const FULL_WINDOW_MS = 5_000;
/** An urgent block goes to a second server after about twice the usual time (U23). */
const HEDGE_MS = 5_000;
const RETURN_MS = 20_000;

/** Writes a part now and then until it comes to another server than the first. */
async function untilPassedOver(world: AgentWorld, name: string): Promise<number> {
  const isAt = (): boolean => world.judge.blocks.some(({ server }) => server === name);
  const startMs = world.timeline.nowMs();
  while (!isAt() && world.timeline.nowMs() - startMs < STALL_MS) {
    world.write();
    await world.timeline.until(isAt, 800);
  }
  const waitedMs = Math.round(world.timeline.nowMs() - startMs);
  must(
    isAt(),
    'U13',
    `a block at ${name} within ${STALL_MS} ms, as the first server answers nothing`,
    world.order,
  );
  return waitedMs;
}

async function stalled(world: AgentWorld): Promise<string> {
  const [first, second] = await world.beginTwo();
  first.onBlock = () => undefined;
  first.grant(world.plans([1], 60));
  second.grant(world.plans([2], 60));
  await world.takenIn(first, second);
  const waitedMs = await untilPassedOver(world, 'S2');
  return `S2 is used after ${waitedMs} ms`;
}

async function stalledServer(world: AgentWorld): Promise<string> {
  const [first, second] = await world.beginTwo();
  first.onBlock = () => undefined;
  first.grant(world.plans([1, 2], 60));
  second.grant(world.plans([3], 60));
  await world.takenIn(first, second);
  const waitedMs = await untilPassedOver(world, 'S2');
  await world.timeline.pass(500);
  must(
    !world.judge.order.includes('S1/2'),
    'U13',
    'that the second channel of a silent server is not tried',
    world.order,
  );
  return `${world.order} after ${waitedMs} ms`;
}

async function recovers(world: AgentWorld): Promise<string> {
  const [first, second] = await world.beginTwo();
  first.onBlock = () => undefined;
  first.grant(world.plans([1], 60));
  second.grant(world.plans([2], 60));
  await world.takenIn(first, second);
  await untilPassedOver(world, 'S2');
  for (const heard of first.blocks) first.acknowledge(heard);
  first.onBlock = (heard) => first.acknowledge(heard);
  await world.takenIn(first);
  const before = first.blocks.length;
  world.write();
  await world.timeline.until(() => first.blocks.length > before, 4_000);
  must(first.blocks.length > before, 'U13', 'the next block at S1, which answers again', world.order);
  return 'S1 is used again when it answers';
}

const FLOOD_LINES = 14_000;
const FLOOD_QUOTA_BYTES: number = 64 * 1024 * 1024;

async function fullWindow(world: AgentWorld): Promise<string> {
  const [first, second] = await world.beginTwo();
  first.onBlock = () => undefined;
  first.grant([{ priority: 1, quotaBytes: FLOOD_QUOTA_BYTES }]);
  second.grant([{ priority: 2, quotaBytes: FLOOD_QUOTA_BYTES }]);
  await world.takenIn(first, second);
  world.write('INFO', FLOOD_LINES);
  await world.timeline.until(() => first.blocks.length > 0, 8_000);
  const startMs = world.timeline.nowMs();
  const isUsed = await world.timeline.until(() => second.blocks.length > 0, FULL_WINDOW_MS);
  const sentBytes = first.blocks.reduce((sum, { block }) => sum + block.rawBytes, 0);
  must(
    isUsed,
    'U23',
    `a block at S2 within ${FULL_WINDOW_MS} ms`,
    `none; S1 has ${sentBytes} bytes and answers nothing`,
  );
  return `S2 is used after ${Math.round(world.timeline.nowMs() - startMs)} ms, with ${sentBytes} bytes at S1`;
}

async function hedges(world: AgentWorld): Promise<string> {
  const [first, second] = await world.beginTwo();
  first.grant(world.plans([1], 60));
  second.grant(world.plans([2], 60));
  await world.takenIn(first, second);
  // So that there is a usual time, and a budget of urgent bytes.
  for (let part = 0; part < 24; part += 1) await world.part('ERROR');
  const before = first.blocks.length;
  first.onBlock = () => undefined;
  world.write('ERROR');
  await world.timeline.until(() => first.blocks.length > before, 5_000);
  const waiting = first.blocks[before];
  must(waiting !== undefined, 'U7', 'the urgent block at S1', world.order);
  const place = placeOf(waiting.block);
  const copy = () => second.blocks.find(({ block }) => placeOf(block) === place);
  await world.timeline.until(() => copy() !== undefined, HEDGE_MS);
  const seen = `${second.blocks.length} blocks at S2`;
  must(
    copy() !== undefined,
    'U23',
    `the urgent block at S2 too, within ${HEDGE_MS} ms without an answer`,
    seen,
  );
  const waitedMs = Math.round((copy()?.atMs ?? 0) - waiting.atMs);
  return `at S2 after ${waitedMs} ms, marked ${copy()?.block.inDoubtAtServerId}`;
}

async function returns(world: AgentWorld): Promise<string> {
  const server = await world.beginOne();
  server.onBlock = () => undefined;
  await world.grant(server, world.plans([1], 4));
  await world.part();
  const [first] = world.judge.blocks;
  must(first !== undefined, 'U7', 'a block', 'none');
  server.requests.length = 0;
  server.breakConnections();
  server.onBlock = (heard) => server.acknowledge(heard);
  await world.asked(server, RETURN_MS);
  await world.grant(server, world.plans([1], 4));
  await world.timeline.until(() => world.judge.blocks.length > 1, 8_000);
  const again = world.judge.blocks[1];
  must(again !== undefined, 'U14.1', 'the block in doubt, when the server is back', 'none');
  must(
    placeOf(again.block) === placeOf(first.block),
    'U14.1',
    'the block in doubt first',
    placeOf(again.block),
  );
  const mark = again.block.inDoubtAtServerId;
  must(mark === '', 'U14.1', 'no mark, as no other server may have it', `'${mark}'`);
  return `block ${placeOf(again.block)} again, unmarked`;
}

async function killed(world: AgentWorld): Promise<string> {
  if (!world.program.isOurs) throw new Skipped('the kit did not start the agent');
  const server = await world.beginOne();
  server.onBlock = () => undefined;
  await world.grant(server, world.plans([1], 4));
  await world.part();
  const [first] = world.judge.blocks;
  must(first !== undefined, 'U7', 'a block', 'none');
  await world.program.kill();
  world.judge.forgivesRepeats = true;
  server.requests.length = 0;
  server.onBlock = (heard) => server.acknowledge(heard);
  world.startAgent();
  await world.asked(server, RETURN_MS);
  server.onRequest = () => void server.grant(world.plans([1], 8));
  server.grant(world.plans([1], 8));
  const isAgain = await world.timeline.until(() => world.judge.blocks.length > 1, 40_000);
  must(isAgain, 'U12', 'the block that nobody acknowledged, after the agent was killed', 'none');
  await world.part();
  const places = new Set(world.judge.blocks.map(({ block }) => placeOf(block)));
  must(
    places.size >= 2 && world.judge.records === world.linesWritten,
    'U12',
    `${world.linesWritten} records`,
    `${world.judge.records}`,
  );
  const [early, late] = [server.hellos.at(0)?.hello, server.hellos.at(-1)?.hello];
  must(early?.epoch !== late?.epoch, 'U25.1', 'a new epoch after the start', `${late?.epoch}`);
  const sequences = world.judge.blocks.map(({ block }) => Number(block.sequence));
  must((sequences.at(-1) ?? 0) > (sequences[0] ?? 0), 'U25.1', 'sequences that count on', sequences.join());
  return `epochs ${early?.epoch} and ${late?.epoch}, sequences ${sequences.join()}`;
}

export const SILENCE_CHECKS: readonly Check<AgentWorld>[] = [
  {
    name: 'stall',
    rules: ['U13'],
    title: 'a server that answers nothing is passed over',
    withinMs: 60_000,
    run: stalled,
  },
  {
    name: 'stall-per-server',
    rules: ['U13'],
    title: 'silence is judged per server: no other channel of a silent one is tried',
    run: stalledServer,
  },
  { name: 'stall-ends', rules: ['U13'], title: 'a server that answers again is used again', run: recovers },
  {
    name: 'stall-full-window',
    rules: ['U13', 'U23'],
    title: 'a full window without progress is a stall: the other server is used',
    run: fullWindow,
  },
  {
    name: 'hedge',
    rules: ['U23', 'U14.2'],
    title: 'an urgent block without an answer goes to a second server too, marked',
    run: hedges,
  },
  {
    name: 'server-returns',
    rules: ['U14.1'],
    title: 'a server that returns gets its blocks in doubt, unmarked',
    run: returns,
  },
  {
    name: 'agent-killed',
    rules: ['U12', 'U25.1'],
    title: 'a killed agent sends again what nobody acknowledged, in a new epoch',
    withinMs: 90_000,
    run: killed,
  },
];
