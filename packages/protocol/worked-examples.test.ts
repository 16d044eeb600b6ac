import { expect, test } from 'vitest';
import { block, server, TestAgent } from './machine-fixture.ts';

/** `granted` as `S1{1,3}`; `uses` with `!` before a notice. */
function run(granted: Record<string, number[]>, blockCount: number): TestAgent {
  const agent = new TestAgent();
  agent.connect(...Object.keys(granted));
  for (const [name, priorities] of Object.entries(granted)) agent.grant(name, priorities);
  // All grants are in hand before the first log, as the table has it.
  for (let sequence = 1; sequence <= blockCount; sequence += 1) agent.seal(block(sequence));
  return agent;
}

const MANY = 10;
const ROWS: [string, Record<string, number[]>, number, string[]][] = [
  ['M5 U5 one channel takes all', { S1: [1] }, MANY, ['S1/1']],
  ['M4 M6 M8 several channels of one server', { S1: [1, 2, 3] }, MANY, ['S1/1', 'S1/2', 'S1/3']],
  ['M7 M9 contiguous servers', { S1: [1, 2], S2: [3, 4] }, MANY, ['S1/1', 'S1/2', 'S2/3', 'S2/4']],
  ['M7 M10 interleaved', { S1: [1, 3], S2: [2, 4] }, MANY, ['S1/1', '!S2/2', 'S2/2', 'S1/3', 'S2/4']],
  [
    'M10 three servers',
    { S1: [1, 4], S2: [2], S3: [3] },
    MANY,
    ['S1/1', '!S2/2', 'S2/2', '!S3/3', 'S3/3', 'S1/4'],
  ],
  [
    'M10 two violations by one server',
    { S1: [1, 3, 5], S2: [2, 4] },
    MANY,
    ['S1/1', '!S2/2', 'S2/2', 'S1/3', '!S2/4', 'S2/4', 'S1/5'],
  ],
  ['U6 U9 equal priorities violate nothing', { S1: [1], S2: [1] }, MANY, ['S1/1', 'S2/1']],
  ['U9 the other way round', { S1: [2], S2: [1, 3] }, MANY, ['S2/1', '!S1/2', 'S1/2', 'S2/3']],
  [
    'U9 equal highest priorities violate nothing',
    { S1: [1, 3], S2: [1, 2] },
    MANY,
    ['S1/1', 'S2/1', 'S2/2', 'S1/3'],
  ],
  ['U9 an equal lower priority violates nothing', { S1: [2], S2: [1, 2] }, MANY, ['S2/1', 'S1/2', 'S2/2']],
  ['M8 little log stays on the highest channel', { S1: [1, 3], S2: [2, 4] }, 1, ['S1/1']],
];

for (const [title, granted, blockCount, uses] of ROWS) {
  test(`worked example: ${title}`, () => {
    expect(run(granted, blockCount).order()).toEqual(uses);
    // The order of arrival of the grants does not matter.
    const reversed = Object.fromEntries(Object.entries(granted).reverse());
    expect(run(reversed, blockCount).order()).toEqual(uses);
  });
}

test('worked example: M10 U10 the notice names channel, grant and what outranks', () => {
  const agent = run({ S1: [1, 3], S2: [2, 4] }, MANY);
  const notice = agent.effects.find((effect) => effect.type === 'send_notice');
  expect(notice).toEqual({
    type: 'send_notice',
    serverId: server('S2'),
    notice: {
      ...{ grantId: 'g2', channel: 1, priority: 2 },
      outrankedBy: [{ serverId: 'S1', highestPriority: 1, heldPriorities: [3] }],
    },
  });
});

test('worked example: U14 S1 dies after S1/1, its block in doubt goes to S2, no notice', () => {
  const agent = new TestAgent();
  agent.connect('S1', 'S2');
  agent.grant('S1', [1, 3]);
  agent.grant('S2', [2, 4], { lifetimeMs: 120_000 });
  agent.seal(block(1));
  agent.step({ type: 'server_disconnected', serverId: server('S1') });
  agent.seal(block(2));
  agent.acknowledge('S2', 2);
  agent.after(30_000);
  expect(agent.order()).toEqual(['S1/1', 'S2/2', 'S2/4']);
  expect(agent.sent()).toEqual(['1@S1', '2@S2', '1@S2?S1']);
});
