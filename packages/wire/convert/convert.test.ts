import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { defined } from '@sluice/base/defined';
import { type DraftHeader, withDigest } from '@sluice/block/digest';
import type { Grant, PriorityViolationNotice, UploadRequest } from '@sluice/protocol/model';
import {
  MAX_BLOCK_RAW_BYTES,
  MAX_CHANNELS_PER_GRANT,
  MAX_CLOSED_CHANNELS,
  MAX_PRIORITY,
  MAX_SEQUENCE,
  URGENCY_CLASSES,
} from '@sluice/protocol/model';
import {
  BlockAcknowledgementSchema,
  BlockSchema,
  GrantSchema,
  PriorityViolationNoticeSchema,
  RevocationSchema,
  UploadRequestSchema,
} from '@sluice/wire/gen/uplink_pb';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { readBlock, readPosition, writeBlock } from './block.ts';
import { readAgentId, readServerId, readSettledBelow } from './fields.ts';
import { MAX_GRANT_LIFETIME_MS, readGrant, readRevocation, writeGrant } from './grant.ts';
import { readNotice, writeNotice } from './notice.ts';
import { readUploadRequest, writeUploadRequest } from './request.ts';

const id = fc.stringMatching(/^[a-z0-9._-]{1,128}$/);
const safe = fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER });
const positive = fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER });
const priority = fc.integer({ min: 1, max: MAX_PRIORITY });
const channel = fc.integer({ min: 1, max: MAX_CHANNELS_PER_GRANT });
const urgency = fc.constantFrom(...URGENCY_CLASSES);

const violation = expect.objectContaining({ code: 'protocol_violation' });

describe('what was written is read again, over the wire', () => {
  test('requests', () => {
    const backlog = fc.uniqueArray(
      fc.record(
        { urgency, recordCount: safe, rawBytes: safe, oldestAgeMs: safe, nextBlockRawBytes: positive },
        { requiredKeys: ['urgency', 'recordCount', 'rawBytes', 'oldestAgeMs'] },
      ),
      { selector: (entry) => entry.urgency },
    );
    const closedChannels = fc.array(fc.record({ grantId: id, channel, usedBytes: safe }), {
      minLength: 1,
      maxLength: MAX_CLOSED_CHANNELS,
    });
    const requests = fc.record(
      { requestId: positive, backlog, closedChannels },
      { requiredKeys: ['requestId', 'backlog'] },
    );
    fc.assert(
      fc.property(requests, safe, (request, settled) => {
        // The generators make what the brands promise.
        const written = writeUploadRequest(request as unknown as UploadRequest, settled);
        const read = fromBinary(UploadRequestSchema, toBinary(UploadRequestSchema, written));
        expect(readUploadRequest(read)).toEqual(request);
        expect(readSettledBelow(read.settledBelowSequence)).toBe(settled);
      }),
    );
  });

  test('U20: fields of a newer minor version are ignored', () => {
    const request = {
      requestId: 7,
      backlog: [{ urgency: 'bulk', recordCount: 3, rawBytes: 5, oldestAgeMs: 0 }],
    };
    const written = writeUploadRequest(request as unknown as UploadRequest, 2);
    const newer = Buffer.concat([
      toBinary(UploadRequestSchema, written),
      // Field 1000 as a number, field 1001 as text, as a newer peer could send them.
      Buffer.from([0xc0, 0x3e, 0x2a, 0xca, 0x3e, 0x03, 0x6e, 0x65, 0x77]),
    ]);
    expect(readUploadRequest(fromBinary(UploadRequestSchema, newer))).toEqual(request);
  });

  test('grants and refusals', () => {
    const channels = fc.uniqueArray(
      fc
        .record({ channel, priority, quotaBytes: safe, share: fc.double({ min: 0, max: 1, noNaN: true }) })
        .map(({ share, ...rest }) => ({
          ...rest,
          reservedForUrgentBytes: Math.floor(rest.quotaBytes * share),
        })),
      { selector: (entry) => entry.channel, minLength: 1, maxLength: MAX_CHANNELS_PER_GRANT },
    );
    const lifetimeMs = fc.integer({ min: 0, max: MAX_GRANT_LIFETIME_MS });
    const grant = fc.record({ grantId: id, requestId: positive, channels, lifetimeMs });
    const refusal = fc.record({
      grantId: id,
      requestId: positive,
      channels: fc.constant([]),
      lifetimeMs,
      refusalReason: fc.constantFrom('overloaded', 'draining', 'nothing_waits', 'holds_enough'),
      retryAfterMs: lifetimeMs,
    });
    fc.assert(
      fc.property(fc.oneof(grant, refusal), (value) => {
        const written = toBinary(GrantSchema, writeGrant(value as unknown as Grant));
        expect(readGrant(fromBinary(GrantSchema, written))).toEqual(value);
      }),
    );
  });

  test('notices', () => {
    const outrankedBy = fc.array(
      fc.record({
        serverId: id,
        highestPriority: priority,
        heldPriorities: fc.array(priority, { maxLength: 8 }),
      }),
      { maxLength: 8 },
    );
    fc.assert(
      fc.property(fc.record({ grantId: id, channel, priority, outrankedBy }), (value) => {
        const written = writeNotice(value as unknown as PriorityViolationNotice);
        const bytes = toBinary(PriorityViolationNoticeSchema, written);
        expect(readNotice(fromBinary(PriorityViolationNoticeSchema, bytes))).toEqual(value);
      }),
    );
  });

  test('blocks', () => {
    const header = fc.record({
      id: fc.record({ agentId: id, epoch: safe, sequence: fc.integer({ min: 1, max: MAX_SEQUENCE }) }),
      urgency,
      rawBytes: fc.integer({ min: 1, max: MAX_BLOCK_RAW_BYTES }),
      recordCount: fc.integer({ min: 1, max: MAX_BLOCK_RAW_BYTES }),
      oldestObservedMs: safe,
    });
    const payload = fc.uint8Array({ minLength: 1, maxLength: 64 });
    fc.assert(
      fc.property(header, payload, fc.option(id, { nil: undefined }), (value, bytes, doubt) => {
        const block = withDigest(value as unknown as DraftHeader, bytes);
        const inDoubtAt = doubt === undefined ? undefined : readServerId(doubt);
        const written = toBinary(BlockSchema, writeBlock(block, bytes, inDoubtAt));
        const read = readBlock(fromBinary(BlockSchema, written), block.id.agentId);
        expect(read).toEqual({
          header: block,
          payload: bytes,
          ...defined({ inDoubtAt }),
        });
      }),
    );
  });
});

describe('hostile input is a protocol violation that names the field', () => {
  const grant = { grantId: 'g', requestId: 1n, lifetimeMs: 1n, channels: [] };
  const channel = { channel: 1, priority: 1, quotaBytes: 10n, reservedForUrgentBytes: 0n };
  test.each([
    [
      'too many channels',
      { channels: Array.from({ length: 17 }, (_, index) => ({ ...channel, channel: index + 1 })) },
    ],
    ['the same channel twice', { channels: [channel, channel] }],
    ['channel 0', { channels: [{ ...channel, channel: 0 }] }],
    ['priority 0', { channels: [{ ...channel, priority: 0 }] }],
    ['a priority too low', { channels: [{ ...channel, priority: MAX_PRIORITY + 1 }] }],
    ['an unsafe quota', { channels: [{ ...channel, quotaBytes: 2n ** 53n }] }],
    ['a reserve above the quota', { channels: [{ ...channel, reservedForUrgentBytes: 11n }] }],
    ['an endless lifetime', { lifetimeMs: 2n ** 40n }],
    ['no id', { grantId: '' }],
    ['request 0', { requestId: 0n }],
  ])('a grant with %s', (_name, wrong) => {
    expect(() => readGrant(create(GrantSchema, { ...grant, ...wrong }))).toThrow(violation);
  });

  test('a sequence behind which no other one can be told from the next', () => {
    const position = (sequence: number): unknown =>
      readPosition(create(BlockAcknowledgementSchema, { sequence: BigInt(sequence) }), readAgentId('a'));
    expect(position(MAX_SEQUENCE)).toMatchObject({ sequence: MAX_SEQUENCE });
    expect(() => position(MAX_SEQUENCE + 1)).toThrow(violation);
  });

  test('an id is measured in bytes', () => {
    expect(readServerId('é'.repeat(64))).toHaveLength(64);
    expect(() => readServerId('é'.repeat(65))).toThrow(violation);
  });

  test('a class named twice', () => {
    const backlog = [{ urgency: 1 }, { urgency: 1 }];
    const request = create(UploadRequestSchema, { requestId: 1n, backlog });
    expect(() => readUploadRequest(request)).toThrow(violation);
  });

  test('more closed channels than an agent can have, or of no grant', () => {
    const close = (count: number, grantId: string): UploadRequest =>
      readUploadRequest(
        create(UploadRequestSchema, {
          requestId: 1n,
          closedChannels: Array.from({ length: count }, () => ({ grantId, channel: 1, usedBytes: 0n })),
        }),
      );
    expect(close(MAX_CLOSED_CHANNELS, 'g').closedChannels).toHaveLength(MAX_CLOSED_CHANNELS);
    expect(() => close(MAX_CLOSED_CHANNELS + 1, 'g')).toThrow(violation);
    expect(() => close(1, '')).toThrow(violation);
  });

  test('a channel revoked without its grant', () => {
    expect(() => readRevocation(create(RevocationSchema, { channel: 3 }))).toThrow(violation);
    expect(readRevocation(create(RevocationSchema))).toEqual({});
  });

  test('a refusal of a newer reason counts as overloaded', () => {
    const read = readGrant(create(GrantSchema, { ...grant, refusalReason: 99 as number, retryAfterMs: 5n }));
    expect(read).toMatchObject({ refusalReason: 'overloaded', retryAfterMs: 5 });
  });
});
