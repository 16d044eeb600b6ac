import type { AgentId } from '@sluice/protocol/model';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BLOCKS_PER_CHUNK, KnownBlocks, MAX_KNOWN_CHUNKS_PER_AGENT } from './known-blocks.ts';

const agent = (name: string): AgentId => name as AgentId;
const id = (name: string, sequence: number, epoch = 1) => ({ agentId: agent(name), epoch, sequence });

describe('KnownBlocks', () => {
  it('says of every block what a plain set says', () => {
    const operation = fc.oneof(
      fc.record({
        type: fc.constant('add' as const),
        name: fc.constantFrom('a', 'b'),
        sequence: fc.nat(20_000),
      }),
      fc.record({
        type: fc.constant('remove' as const),
        name: fc.constantFrom('a', 'b'),
        sequence: fc.nat(20_000),
      }),
      fc.record({
        type: fc.constant('settle' as const),
        name: fc.constantFrom('a', 'b'),
        sequence: fc.nat(20_000),
      }),
    );
    fc.assert(
      fc.property(fc.array(operation, { maxLength: 200 }), fc.nat(20_000), (operations, probe) => {
        const known = new KnownBlocks();
        const added = new Set<string>();
        const settled = new Map<string, number>();
        for (const { type, name, sequence } of operations) {
          if (type === 'add') {
            known.add(id(name, sequence), 0);
            added.add(`${name}/${sequence}`);
            settled.set(name, settled.get(name) ?? 0);
          } else if (type === 'remove') {
            known.remove(id(name, sequence));
            added.delete(`${name}/${sequence}`);
          } else if (settled.has(name)) {
            known.settleBelow(agent(name), 1, sequence);
            settled.set(name, Math.max(settled.get(name) ?? 0, sequence));
          }
        }
        for (const name of ['a', 'b', 'c']) {
          for (const sequence of [probe, ...operations.map((each) => each.sequence)]) {
            const expected = added.has(`${name}/${sequence}`) || sequence < (settled.get(name) ?? 0);
            expect(known.has(id(name, sequence))).toBe(expected);
          }
        }
      }),
    );
  });

  it('keeps agents and epochs apart, also where their names run into each other', () => {
    const known = new KnownBlocks();
    known.add(id('1/a', 5, 1), 0);
    expect(known.has(id('a', 5, 1))).toBe(false);
    expect(known.has(id('1/a', 5, 11))).toBe(false);
    expect(known.has(id('1/a', 5, 1))).toBe(true);
  });

  it('drops whole bitmaps below the settled mark and names them', () => {
    const known = new KnownBlocks();
    for (const sequence of [1, BLOCKS_PER_CHUNK, 2 * BLOCKS_PER_CHUNK]) known.add(id('a', sequence), 0);
    const forgotten = known.settleBelow(agent('a'), 1, 2 * BLOCKS_PER_CHUNK);
    expect(forgotten?.chunks).toEqual([0, 1]);
    expect(forgotten?.whole).toBe(false);
    expect(known.chunkCount).toBe(1);
    expect(known.has(id('a', 3))).toBe(true);
  });

  it('forgets the agent that was silent for longest, never the one that is written', () => {
    const known = new KnownBlocks({ maxChunks: 2 });
    for (const name of ['a', 'b', 'a', 'c']) {
      const { agent: touched } = known.add(id(name, 1), 0);
      for (const forgotten of known.trim(touched))
        expect(forgotten).toMatchObject({ agent: { agentId: 'b' } });
    }
    expect(['a', 'b', 'c'].map((name) => known.has(id(name, 1)))).toEqual([true, false, true]);
    expect(known.agentCount).toBe(2);
  });

  it('bounds what a single agent can make it remember', () => {
    const known = new KnownBlocks();
    for (let chunk = 0; chunk <= MAX_KNOWN_CHUNKS_PER_AGENT; chunk += 1) {
      known.trim(known.add(id('wild', chunk * BLOCKS_PER_CHUNK), 0).agent);
    }
    expect(known.chunkCount).toBe(MAX_KNOWN_CHUNKS_PER_AGENT);
    expect(known.has(id('wild', 0))).toBe(false);
    expect(known.has(id('wild', BLOCKS_PER_CHUNK))).toBe(true);
  });
});
