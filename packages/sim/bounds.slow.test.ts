/** U19: what makes machines grow that seeds do not do for long enough, and that the census sees what they hold. */
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { MAX_REMOVED_HANDLES } from '@sluice/base/collections/handle';
import { createAgentMachine } from '@sluice/protocol/agent-machine';
import { channelNumber } from '@sluice/protocol/brand';
import { block, server, TestAgent } from '@sluice/protocol/machine-fixture';
import { createServerMachine } from '@sluice/protocol/server-machine';
import { expect, test } from 'vitest';
import { BOUNDS_MUTATIONS } from './bounds-mutations.ts';
import { takeCensus } from './census.ts';
import { loadMachines } from './load-machines.ts';
import { drawOptions } from './options.ts';
import { PRODUCTION, runOptions } from './run-seed.ts';
import type { Machines } from './world.ts';

const BLOCKS = 20;
const ROUNDS = 500;
const RELEASES = 'agent.backlog.releases.heap.items';
const BOUND = 'agent.backlog.bound[][].heap.items';

/** The machines with a piece of their text replaced. */
function changed(file: string, from: string, to: string): Promise<Machines> {
  return loadMachines((directory) => {
    const target = path.join(directory, file);
    const source = readFileSync(target, 'utf8');
    expect(source.split(from)).toHaveLength(2);
    writeFileSync(
      target,
      source.replace(from, () => to),
    );
  });
}

function sizeOf({ machine }: TestAgent, collection: string): number {
  return takeCensus(machine, 'agent').sizes.get(collection) ?? 0;
}

/** Two servers take half of the blocks each, and go away in turn without an answer. Returns how many releases are held. */
function flap(machines: Machines): number {
  const agent = new TestAgent({}, machines.createAgentMachine({}));
  const visit = (name: string): void => {
    agent.connect(name);
    agent.grant(name, [1], { quotaBytes: 1_000_000 });
    agent.step({ type: 'server_disconnected', serverId: server(name) });
    agent.after(10_000);
  };
  for (const half of [0, 1]) {
    agent.seal(...Array.from({ length: BLOCKS / 2 }, (_, index) => block(1 + half + 2 * index)));
    visit(`S${half}`);
  }
  for (let round = 0; round < ROUNDS; round += 1) visit(`S${round % 2}`);
  return sizeOf(agent, RELEASES);
}

/** Blocks come back to a server behind one that fits no quota, and are acknowledged late. Returns how many are held for it. */
function acknowledgeLate(machines: Machines): number {
  const agent = new TestAgent({}, machines.createAgentMachine({}));
  agent.connect('S');
  for (let sequence = 1; sequence <= ROUNDS; sequence += 1) {
    const rawBytes = sequence === 1 ? 1_000 : 100;
    agent.seal(block(sequence, 'normal', rawBytes));
    agent.after(20);
    const { grantId } = agent.grant('S', [1], { quotaBytes: rawBytes });
    agent.step({ type: 'channel_broken', serverId: server('S'), grantId, channel: channelNumber(1) });
    if (sequence > 1) agent.acknowledge('S', sequence);
  }
  return sizeOf(agent, BOUND);
}

test('U19 two servers that flap in turn do not make an agent grow', async () => {
  expect(flap(PRODUCTION)).toBeLessThanOrEqual(2 * BLOCKS + MAX_REMOVED_HANDLES);
  const leak = BOUNDS_MUTATIONS.find(({ name }) => name.startsWith('the list of releases'));
  const leaking = await changed(leak?.file ?? '', leak?.from ?? '', leak?.to ?? '');
  expect(flap(leaking)).toBeGreaterThan(ROUNDS);
});

test('U19 blocks that are acknowledged behind one that waits do not make an agent grow', async () => {
  expect(acknowledgeLate(PRODUCTION)).toBeLessThanOrEqual(2 + MAX_REMOVED_HANDLES);
  const leaking = await changed(
    'base/collections/removal-heap.ts',
    'if (needsSweep(this.#heap.size, this.#size)) ',
    'if (false) ',
  );
  expect(acknowledgeLate(leaking)).toBe(ROUNDS);
});

test('U19 the census names every collection by the way to it, and what it cannot count', () => {
  class Part {
    readonly list: readonly object[] = [{ names: new Set(['a', 'b']) }, { names: new Set() }];
    readonly call = (): void => undefined;
    readonly bytes = new Uint8Array(3);
  }
  class Whole {
    readonly parts = new Map([['x', new Part()]]);
    readonly plain = { deep: { rows: [[1, 2, 3], []] } };
    readonly self = this;
  }
  const { sizes, uncounted } = takeCensus(new Whole(), 'whole');
  expect(Object.fromEntries(sizes)).toEqual({
    ...{ 'whole.parts': 1, 'whole.parts[].list': 2, names: 2, rows: 2, 'rows[]': 3 },
  });
  expect([...uncounted].sort()).toEqual(['whole.parts[].bytes', 'whole.parts[].call']);
});

test('machines whose fields can be read run as the production machines do', () => {
  const closed: Machines = { createAgentMachine, createServerMachine };
  for (const seed of [1, 2, 3, 4, 5]) {
    const options = drawOptions(seed);
    expect(runOptions(options, PRODUCTION).outcome.hash).toBe(runOptions(options, closed).outcome.hash);
  }
});
