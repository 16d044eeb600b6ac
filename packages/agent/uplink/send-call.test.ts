import { fromBinary } from '@bufbuild/protobuf';
import { type DraftHeader, withDigest } from '@sluice/block/digest';
import { readBlock } from '@sluice/wire/convert/block';
import { readServerId } from '@sluice/wire/convert/fields';
import { SendRequestSchema } from '@sluice/wire/gen/uplink_pb';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { MAX_SENT_MESSAGE_BYTES } from './limits.ts';
import { encodeBlock, encodeOpenChannel } from './send-call.ts';

const draft = {
  id: { agentId: 'a', epoch: 3, sequence: 9 },
  urgency: 'elevated',
  rawBytes: 70_000,
  recordCount: 12,
  oldestObservedMs: 1_700_000_000_000,
  // A header as the machine hands it out; the brands say no more than these values do.
} as unknown as DraftHeader;

function decode(pieces: readonly Uint8Array[]): ReturnType<typeof readBlock> {
  const bytes = Buffer.concat(pieces);
  expect(bytes.readUInt8(0)).toBe(0);
  expect(bytes.readUInt32BE(1)).toBe(bytes.length - 5);
  const { message } = fromBinary(SendRequestSchema, bytes.subarray(5));
  if (message.case !== 'block') throw new Error(`not a block but ${message.case}`);
  return readBlock(message.value, draft.id.agentId);
}

test('a block written by hand is what the generated code reads, at every size of its length fields', () => {
  const sizes = fc.oneof(
    fc.integer({ min: 1, max: 300 }),
    fc.constantFrom(127, 128, 16_383, 16_384, 2_097_151, 2_097_152),
    fc.integer({ min: 1, max: 200_000 }),
  );
  fc.assert(
    fc.property(sizes, fc.boolean(), (size, doubt) => {
      const payload = Buffer.alloc(size, size);
      const header = withDigest(draft, payload);
      const inDoubtAt = doubt ? readServerId('s2') : undefined;
      const pieces = encodeBlock(header, payload, inDoubtAt);
      expect(pieces.at(-1)).toBe(payload);
      const read = decode(pieces);
      expect(read.header).toEqual(header);
      expect(read.damage).toBeUndefined();
      expect(read.inDoubtAt).toBe(inDoubtAt);
      expect(Buffer.compare(read.payload, payload)).toBe(0);
    }),
    { numRuns: 50 },
  );
});

test('OpenChannel is one envelope', () => {
  const open = { sessionId: 's', agentId: 'a', grantId: 'g', channel: 2 };
  const bytes = Buffer.concat(encodeOpenChannel(open));
  expect(bytes.readUInt32BE(1)).toBe(bytes.length - 5);
  expect(fromBinary(SendRequestSchema, bytes.subarray(5)).message.value).toMatchObject(open);
});

test('U19: a payload that no server would take is not sent', () => {
  const payload = Buffer.alloc(MAX_SENT_MESSAGE_BYTES);
  expect(() => encodeBlock(withDigest(draft, payload), payload, undefined)).toThrow(
    expect.objectContaining({ code: 'limit_exceeded' }),
  );
});
