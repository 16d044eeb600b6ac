import type { AgentId, BlockDigest, BlockId } from '@sluice/protocol/model';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  KnownBlocks,
  MAX_ENTRIES_PER_CHUNK,
  MAX_KNOWN_CHUNKS_PER_AGENT,
  POSITIONS_PER_CHUNK,
  type Recognition,
} from './known-blocks.ts';

const agent = (name: string): AgentId => name as AgentId;
const digest = (content: number): BlockDigest => content.toString(16).padStart(32, '0') as BlockDigest;
const id = (name: string, sequence: number, content = 1, epoch = 1): BlockId => ({
  agentId: agent(name),
  epoch,
  sequence,
  digest: digest(content),
});

describe('KnownBlocks', () => {
  it('says of every block what a plain set of contents says, and never that a forgotten one is known or new', () => {
    const operation = fc.record({
      type: fc.constantFrom('add', 'remove', 'settle'),
      name: fc.constantFrom('a', 'b'),
      sequence: fc.nat(600),
      content: fc.nat(2),
    });
    fc.assert(
      fc.property(fc.array(operation, { maxLength: 200 }), fc.nat(600), (operations, sealedBefore) => {
        const known = new KnownBlocks();
        const added = new Map<string, Set<number>>();
        const from = new Map<string, number>();
        for (const { type, name, sequence, content } of operations) {
          const contents = added.get(`${name}/${sequence}`) ?? new Set();
          added.set(`${name}/${sequence}`, contents);
          if (type === 'add') {
            known.add(id(name, sequence, content), 0, sealedBefore);
            contents.add(content);
            from.set(name, from.get(name) ?? sealedBefore);
          } else if (type === 'remove') {
            known.remove(id(name, sequence, content));
            contents.delete(content);
          } else if (from.has(name)) {
            known.settleBelow(agent(name), 1, sequence);
            from.set(name, Math.max(from.get(name) ?? 0, sequence));
          }
        }
        for (const { name, sequence, content } of operations) {
          const contents = added.get(`${name}/${sequence}`) ?? new Set();
          const isForgettable = sequence < (from.get(name) ?? sealedBefore);
          const kept: Recognition = contents.size > 0 ? 'conflict' : 'new';
          const expected: Recognition[] = contents.has(content) ? ['known'] : isForgettable ? [] : [kept];
          if (isForgettable) expected.push('unsure');
          expect(expected).toContain(known.recognize(id(name, sequence, content), sealedBefore));
        }
      }),
    );
  });

  it('takes another content at a known position for another block', () => {
    const known = new KnownBlocks();
    known.add(id('a', 5, 1), 0, 0);
    expect(known.recognize(id('a', 5, 2), 0)).toBe('conflict');
    known.add(id('a', 5, 2), 0, 0);
    expect([1, 2, 3].map((content) => known.recognize(id('a', 5, content), 0))).toEqual([
      'known',
      'known',
      'conflict',
    ]);
  });

  it('keeps agents and epochs apart, also where their names run into each other', () => {
    const known = new KnownBlocks();
    known.add(id('1/a', 5, 1, 1), 0, 0);
    expect(known.has(id('a', 5, 1, 1))).toBe(false);
    expect(known.has(id('1/a', 5, 1, 11))).toBe(false);
    expect(known.has(id('1/a', 5, 1, 1))).toBe(true);
  });

  it('drops whole chunks below the settled mark, names them, and is unsure of what was in them', () => {
    const known = new KnownBlocks();
    for (const sequence of [1, POSITIONS_PER_CHUNK, 2 * POSITIONS_PER_CHUNK])
      known.add(id('a', sequence), 0, 0);
    const forgotten = known.settleBelow(agent('a'), 1, 2 * POSITIONS_PER_CHUNK);
    expect(forgotten?.chunks).toEqual([0, 1]);
    expect(forgotten?.whole).toBe(false);
    expect(known.chunkCount).toBe(1);
    expect(known.recognize(id('a', 1), 0)).toBe('unsure');
    expect(known.recognize(id('a', 2 * POSITIONS_PER_CHUNK), 0)).toBe('known');
  });

  it('is unsure of what may be forgotten, also where another content came for its position since', () => {
    const known = new KnownBlocks();
    known.add(id('a', 5, 1), 0, 0);
    known.settleBelow(agent('a'), 1, POSITIONS_PER_CHUNK);
    known.add(id('a', 5, 2), 0, 0);
    expect(known.recognize(id('a', 5, 2), 0)).toBe('known');
    expect(known.recognize(id('a', 5, 1), 0)).toBe('unsure');
    expect(known.recognize(id('a', 5, 3), 0)).toBe('unsure');
  });

  it('is unsure of what an unknown run had sealed before, and not of what it sealed since', () => {
    const known = new KnownBlocks();
    expect(known.recognize(id('a', 9), 10)).toBe('unsure');
    expect(known.recognize(id('a', 10), 10)).toBe('new');
    known.add(id('a', 10), 0, 10);
    // A later connection does not make it forget.
    expect(known.recognize(id('a', 11), 20)).toBe('new');
  });

  it('forgets the run that was silent for longest, never the one that is written', () => {
    const known = new KnownBlocks({ maxChunks: 2 });
    for (const name of ['a', 'b', 'a', 'c']) {
      const { agent: touched, chunk } = known.add(id(name, 1), 0, 0);
      for (const forgotten of known.trim(touched, chunk))
        expect(forgotten).toMatchObject({ agent: { agentId: 'b' } });
    }
    expect(['a', 'b', 'c'].map((name) => known.has(id(name, 1)))).toEqual([true, false, true]);
    expect(known.agentCount).toBe(2);
  });

  it('bounds the runs, also those of which all is settled, and is unsure of one that it forgot', () => {
    const known = new KnownBlocks({ maxRuns: 3 });
    for (let epoch = 1; epoch <= 5; epoch += 1) {
      const { agent: run, chunk } = known.add(id('a', epoch, 1, epoch), epoch, 0);
      known.settleBelow(agent('a'), epoch, 10 * POSITIONS_PER_CHUNK);
      const gone = known.trim(run, chunk).map((forgotten) => [forgotten.agent.epoch, forgotten.whole]);
      expect(gone).toEqual(epoch > 3 ? [[epoch - 3, true]] : []);
    }
    expect([known.agentCount, known.chunkCount]).toEqual([3, 0]);
    expect(known.recognize(id('a', 1, 1, 1), 6)).toBe('unsure');
  });

  it('bounds what a single run can make it remember, and is unsure of the rest', () => {
    const known = new KnownBlocks();
    for (let chunk = 0; chunk <= MAX_KNOWN_CHUNKS_PER_AGENT; chunk += 1) {
      const added = known.add(id('wild', chunk * POSITIONS_PER_CHUNK), 0, 0);
      known.trim(added.agent, added.chunk);
    }
    expect(known.chunkCount).toBe(MAX_KNOWN_CHUNKS_PER_AGENT);
    expect(known.recognize(id('wild', 0), 0)).toBe('unsure');
    expect(known.has(id('wild', POSITIONS_PER_CHUNK))).toBe(true);
  });

  it('bounds the contents at one position, and is unsure of them then', () => {
    const known = new KnownBlocks();
    for (let content = 0; content <= MAX_ENTRIES_PER_CHUNK; content += 1) {
      const added = known.add(id('forger', 3, content), 0, 0);
      known.trim(added.agent, added.chunk);
    }
    expect(known.chunkCount).toBe(0);
    expect(known.recognize(id('forger', 3, 7), 0)).toBe('unsure');
  });
});
