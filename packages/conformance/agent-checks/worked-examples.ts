/** The worked examples of the method, and more of their kind: who holds which priorities, and in which order they are used. */
import type { AgentWorld } from '../agent-world.ts';
import { type Check, must } from '../check.ts';
import { channelName, placeOf } from '../heard.ts';

/** Between the grants and the order of first uses; `!` a notice; `a|b` in either order. */
interface Row {
  readonly name: string;
  readonly rules: readonly string[];
  readonly title: string;
  readonly granted: Readonly<Record<string, readonly number[]>>;
  readonly order: string;
}

const ROWS: readonly Row[] = [
  {
    ...{ name: 'one-channel', rules: ['U5'], title: 'one channel takes all' },
    ...{ granted: { S1: [1] }, order: 'S1/1' },
  },
  {
    ...{ name: 'three-channels', rules: ['U6', 'U7'], title: 'the channels of one server in their order' },
    ...{ granted: { S1: [1, 2, 3] }, order: 'S1/1 S1/2 S1/3' },
  },
  {
    ...{ name: 'contiguous', rules: ['U6', 'U9'], title: 'two servers, contiguous: no notice' },
    ...{ granted: { S1: [1, 2], S2: [3, 4] }, order: 'S1/1 S1/2 S2/3 S2/4' },
  },
  {
    ...{
      name: 'interleaved',
      rules: ['U6', 'U9', 'U10'],
      title: 'two servers, interleaved: a notice at S2/2',
    },
    ...{ granted: { S1: [1, 3], S2: [2, 4] }, order: 'S1/1 !S2/2 S2/2 S1/3 S2/4' },
  },
  {
    ...{
      name: 'three-servers',
      rules: ['U6', 'U9', 'U10'],
      title: 'three servers: both outranked ones are told',
    },
    ...{ granted: { S1: [1, 4], S2: [2], S3: [3] }, order: 'S1/1 !S2/2 S2/2 !S3/3 S3/3 S1/4' },
  },
  {
    ...{ name: 'two-violations', rules: ['U9', 'U10'], title: 'each violating channel of a server is told' },
    ...{ granted: { S1: [1, 3, 5], S2: [2, 4] }, order: 'S1/1 !S2/2 S2/2 S1/3 !S2/4 S2/4 S1/5' },
  },
  {
    ...{ name: 'equal', rules: ['U6', 'U9'], title: 'equal priorities violate nothing' },
    ...{ granted: { S1: [1], S2: [1] }, order: 'S1/1|S2/1' },
  },
  {
    ...{
      name: 'other-way-round',
      rules: ['U9', 'U10'],
      title: 'the first in the list may be the one to be told',
    },
    ...{ granted: { S1: [2], S2: [1, 3] }, order: 'S2/1 !S1/2 S1/2 S2/3' },
  },
  {
    ...{
      name: 'equal-highest',
      rules: ['U9'],
      title: 'servers of equal highest priority do not outrank each other',
    },
    ...{ granted: { S1: [1, 3], S2: [1, 2] }, order: 'S1/1|S2/1 S2/2 S1/3' },
  },
  {
    ...{ name: 'equal-lower', rules: ['U9'], title: 'an equal priority that is held is no lower one' },
    ...{ granted: { S1: [2], S2: [1, 2] }, order: 'S2/1 S1/2|S2/2' },
  },
  {
    ...{ name: 'gaps', rules: ['U6', 'U9', 'U10'], title: 'priorities with gaps between them are as good' },
    ...{ granted: { S1: [3, 70], S2: [10, 1000] }, order: 'S1/3 !S2/10 S2/10 S1/70 S2/1000' },
  },
  {
    ...{ name: 'unsorted', rules: ['U6'], title: 'channels are listed in any order' },
    ...{ granted: { S1: [9, 2, 5] }, order: 'S1/2 S1/5 S1/9' },
  },
  {
    ...{ name: 'three-equal', rules: ['U6', 'U9'], title: 'three servers that are all equal: no notice' },
    ...{
      granted: { S1: [1, 2], S2: [1, 2], S3: [1, 2] },
      order: 'S1/1|S2/1|S3/1 S1/2|S2/2|S3/2',
    },
  },
  {
    ...{
      name: 'five-servers',
      rules: ['U6', 'U9', 'U10'],
      title: 'five servers: four are outranked and told',
    },
    ...{
      granted: { S1: [1, 6], S2: [2, 7], S3: [3], S4: [4], S5: [5] },
      order: 'S1/1 !S2/2 S2/2 !S3/3 S3/3 !S4/4 S4/4 !S5/5 S5/5 S1/6 S2/7',
    },
  },
];

/** @returns whether the uses came in the order; of `a|b` and of as many uses, each once, in any order */
function isOrder(seen: readonly string[], expected: string): boolean {
  let at = 0;
  for (const group of expected.split(' ')) {
    const names = group.split('|');
    const part = seen.slice(at, at + names.length);
    if (part.toSorted().join() !== names.toSorted().join()) return false;
    at += names.length;
  }
  return at === seen.length;
}

async function runRow(world: AgentWorld, { granted, order }: Row): Promise<string> {
  const servers = await world.begin(...Object.keys(granted));
  world.judge.isStepwise = true;
  for (const server of servers) server.grant(world.plans(granted[server.name] ?? []));
  // All grants are in hand before the first log, as the examples have it.
  await world.takenIn(...servers);
  for (let part = Object.values(granted).flat().length; part > 0; part -= 1) await world.part();
  must(isOrder(world.judge.order, order), 'U7', `the order of use ${order}`, world.order);
  return world.order;
}

async function littleLog(world: AgentWorld): Promise<string> {
  const [first, second] = await world.beginTwo();
  world.judge.isStepwise = true;
  first.grant(world.plans([1, 3]));
  second.grant(world.plans([2, 4]));
  await world.takenIn(first, second);
  await world.part();
  await world.expectNothing(800, 'U7', 'when nothing waits any more');
  must(world.order === 'S1/1', 'U7', 'S1/1 only', world.order);
  return world.order;
}

async function leaderDies(world: AgentWorld): Promise<string> {
  const [first, second] = await world.beginTwo();
  world.judge.isStepwise = true;
  first.onBlock = () => undefined;
  first.grant(world.plans([1, 3]));
  second.grant(world.plans([2, 4]), { lifetimeMs: 120_000 });
  await world.takenIn(first, second);
  await world.part();
  await first.close();
  await world.part();
  const [doubted] = first.blocks;
  must(doubted !== undefined, 'U7', 'a block at S1', 'none');
  const place = placeOf(doubted.block);
  const moved = (): boolean => second.blocks.some(({ block }) => placeOf(block) === place);
  await world.timeline.until(moved, IN_DOUBT_MS);
  must(moved(), 'U14.2', `the block in doubt at S2 within ${IN_DOUBT_MS} ms`, world.order);
  must(world.order === 'S1/1 S2/2 S2/4', 'U14.2', 'the uses S1/1 S2/2 S2/4 and no notice', world.order);
  const [again] = second.blocks.filter(({ block }) => placeOf(block) === place);
  const channel = again?.channel === undefined ? 'no channel' : channelName(again.channel);
  return `${world.order}; block ${place} again on ${channel}, marked ${again?.block.inDoubtAtServerId}`;
}

/** A block in doubt waits 30 s for its server by default. */
const IN_DOUBT_MS = 45_000;

export const WORKED_EXAMPLES: readonly Check<AgentWorld>[] = [
  ...ROWS.map((row) => ({
    ...{ name: `row-${row.name}`, rules: row.rules, title: row.title },
    run: (world: AgentWorld) => runRow(world, row),
  })),
  {
    name: 'row-little-log',
    rules: ['U7'],
    title: 'a second channel is used only when logs remain',
    run: littleLog,
  },
  {
    name: 'row-leader-dies',
    rules: ['U10', 'U14.2'],
    title: 'the leader dies: its block in doubt goes to the other server, marked, and nobody is told',
    withinMs: 75_000,
    run: leaderDies,
  },
];
