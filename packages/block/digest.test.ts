import { createHash } from 'node:crypto';
import type { AgentId, BlockHeader, TimeMs, UrgencyClass } from '@sluice/protocol/model';
import { URGENCY_CLASSES } from '@sluice/protocol/model';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { blockDigest, type DraftHeader, digestProblem, parseDigest, withDigest } from './digest.ts';

const number = fc.maxSafeNat();
const draft: fc.Arbitrary<DraftHeader> = fc.record({
  id: fc.record({
    agentId: fc.string({ minLength: 1 }).map((text) => text as AgentId),
    epoch: number,
    sequence: number,
  }),
  urgency: fc.constantFrom<UrgencyClass>(...URGENCY_CLASSES),
  rawBytes: number,
  recordCount: number,
  oldestObservedMs: number.map((ms) => ms as TimeMs),
});
const payload = fc.uint8Array({ minLength: 1, maxLength: 200 });

it('is the documented hash', () => {
  const header: DraftHeader = {
    id: { agentId: 'web' as AgentId, epoch: 1, sequence: 2 },
    urgency: 'elevated',
    rawBytes: 3,
    recordCount: 4,
    oldestObservedMs: 5 as TimeMs,
  };
  const numbers = (...values: number[]): Buffer => {
    const bytes = Buffer.alloc(8 * values.length);
    for (const [index, value] of values.entries()) bytes.writeUInt32LE(value, 8 * index);
    return bytes;
  };
  const text = [Buffer.from('sluice block\0'), numbers(3), Buffer.from('web'), numbers(1, 2, 1, 3, 4, 5)];
  const hash = createHash('sha256').update(Buffer.concat([...text, Buffer.from('payload')]));
  expect(blockDigest(header, Buffer.from('payload'))).toBe(hash.digest('hex').slice(0, 32));
});

it('notices each bit of the payload and each field of the header that changes', () => {
  fc.assert(
    fc.property(draft, payload, fc.nat(), (before, bytes, place) => {
      const header = withDigest(before, bytes);
      expect(digestProblem(header, bytes)).toBeUndefined();
      const flipped = Uint8Array.from(bytes);
      const at = place % bytes.length;
      flipped[at] = (flipped[at] ?? 0) ^ (1 << (place % 8));
      expect(digestProblem(header, flipped)).toMatch(/damaged/u);
      const id = { ...header.id, sequence: header.id.sequence ^ 1 };
      const others: BlockHeader[] = [
        { ...header, id },
        { ...header, id: { ...header.id, epoch: header.id.epoch + 1 } },
        { ...header, id: { ...header.id, agentId: `${header.id.agentId}x` as AgentId } },
        { ...header, rawBytes: header.rawBytes + 1 },
        { ...header, recordCount: header.recordCount + 1 },
        { ...header, oldestObservedMs: (header.oldestObservedMs + 1) as TimeMs },
        { ...header, urgency: header.urgency === 'bulk' ? 'normal' : 'bulk' },
      ];
      for (const other of others) expect(digestProblem(other, bytes)).toMatch(/damaged/u);
    }),
  );
});

it('takes no text for a digest but 32 lower-case hex digits', () => {
  expect(parseDigest('0123456789abcdef'.repeat(2))).toBe('0123456789abcdef'.repeat(2));
  for (const text of ['', '0', 'A'.repeat(32), 'g'.repeat(32), '0'.repeat(33)]) {
    expect(() => parseDigest(text)).toThrow(/digest/u);
  }
});
