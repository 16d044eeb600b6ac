import { zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import { SluiceError } from '@sluice/base/error';
import type { AgentId } from '@sluice/protocol/model';
import { MAX_BLOCK_RAW_BYTES } from '@sluice/protocol/model';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { BlockBuilder, compressBlock } from './builder.ts';
import { encodeCounts } from './columns.ts';
import { completeBlock } from './completion.ts';
import { MAX_WRITTEN_BYTES } from './dictionary-size.ts';
import { FIRST_BLOCK_FORMAT, formatMark, LATEST_BLOCK_FORMAT, NATIVE_BLOCK_FORMATS } from './formats.ts';
import { prepareAttributes, RecordFields } from './record.ts';
import { type ExpectedBlock, openBlock } from './validator.ts';

describe.each([...NATIVE_BLOCK_FORMATS.values()])('format $number', (format) => {
  const ID = { agentId: 'agent-1' as AgentId, epoch: 77, sequence: 5 };

  function sealed(records: number): { raw: Buffer; expected: ExpectedBlock } {
    const builder = new BlockBuilder('elevated');
    const fields = new RecordFields();
    fields.resource = prepareAttributes({ 'host.name': 'web-1' });
    for (let record = 0; record < records; record += 1) {
      fields.buffer = Buffer.from(`record ${record}`);
      fields.bodyEnd = fields.buffer.length;
      fields.timestampSeconds = 1_700_000_000 + record;
      fields.severityNumber = 13;
      fields.severityText = record % 2 === 0 ? 'WARN' : 'warning';
      fields.traceId = record % 2 === 0 ? '0123456789abcdef0123456789abcdef' : '';
      fields.attributes.clear();
      fields.attributes.addText('key', 'value');
      builder.append(fields);
    }
    const { raw, header } = builder.seal(ID, format);
    return {
      raw,
      expected: { ...ID, urgency: 'elevated', rawBytes: header.rawBytes, recordCount: header.recordCount },
    };
  }

  const { raw, expected } = sealed(20);

  /** Opens `content` as if it had been announced with its size; the outcome in a word. */
  function outcome(content: Buffer, changes: Partial<ExpectedBlock> = {}): string {
    return outcomeOfPayload(compress(content), { ...expected, rawBytes: content.length, ...changes });
  }

  function outcomeOfPayload(payload: Uint8Array, wanted: ExpectedBlock): string {
    try {
      openBlock(payload, wanted);
      return 'valid';
    } catch (error) {
      if (SluiceError.is(error, 'block_malformed')) return error.message;
      if (SluiceError.is(error, 'protocol_mismatch')) return 'of an unknown format';
      throw error;
    }
  }

  function compress(content: Buffer): Buffer {
    return Buffer.concat([formatMark(format), zstdCompressSync(content, { pledgedSrcSize: content.length })]);
  }

  /** `content` with the first occurrence of `search` replaced. */
  function replaced(content: Buffer, search: string | Buffer, replacement: string | Buffer): Buffer {
    const at = content.indexOf(search);
    expect(at).toBeGreaterThan(-1);
    return Buffer.concat([
      content.subarray(0, at),
      Buffer.from(replacement),
      content.subarray(at + Buffer.from(search).length),
    ]);
  }

  describe('a valid block', () => {
    test('opens, and says where each column is', async () => {
      const opened = openBlock(await compressBlock({ format, raw }), expected);
      expect(opened.raw.equals(raw)).toBe(true);
      expect(opened.recordCount).toBe(20);
      expect(opened.columnOffsets).toHaveLength(format.columns.length + 1);
      expect(opened.columnOffsets.at(-1)).toBe(raw.length);
    });

    test('a builder is empty and usable after sealing', () => {
      const builder = new BlockBuilder('bulk');
      expect(builder.rawBytes).toBe(0);
      expect(() => builder.seal(ID)).toThrow('empty block');
      for (let round = 0; round < 3; round += 1) {
        const fields = new RecordFields();
        fields.timestampSeconds = Number.NaN;
        fields.observedMs = 12;
        for (let record = 0; record < 3000; record += 1) {
          fields.serviceName = `service ${record % 700}`;
          builder.append(fields);
        }
        expect(builder.oldestObservedMs).toBe(12);
        const block = builder.seal({ ...ID, sequence: round }, format);
        expect(builder.recordCount).toBe(0);
        expect(outcome(block.raw, { recordCount: 3000, sequence: round, urgency: 'bulk' })).toBe('valid');
      }
    });

    test('a block above the limit is not sealed', () => {
      const builder = new BlockBuilder('bulk');
      const fields = new RecordFields();
      fields.buffer = Buffer.alloc(MAX_BLOCK_RAW_BYTES);
      fields.bodyEnd = fields.buffer.length;
      builder.append(fields);
      expect(() => builder.seal(ID)).toThrow('is above');
    });

    test('a server appends its columns', async () => {
      const payload = await compressBlock({ format, raw });
      const digest = '0123456789abcdef'.repeat(2) as never;
      const header = {
        id: { ...ID, digest },
        urgency: 'elevated' as const,
        rawBytes: raw.length,
        recordCount: 3,
      };
      const frames = completeBlock(payload, header, {
        serverId: 's1' as never,
        priority: 9,
        tenant: 'default',
      });
      // A block of the first format has counted its columns, with two of the server's.
      const columns = format === FIRST_BLOCK_FORMAT ? raw.subarray(2) : raw;
      const before = Buffer.concat(frames.slice(0, -1).map((frame) => zstdDecompressSync(frame)));
      expect(before.equals(Buffer.concat([Buffer.from([format.columns.length + 4, 3]), columns]))).toBe(true);
      const content = zstdDecompressSync(frames.at(-1) ?? raw);
      expect(content.includes('\x08ServerId\x16LowCardinality(String)')).toBe(true);
      expect(content.includes(Buffer.from([9, 0, 0, 0, 9, 0, 0, 0, 9, 0, 0, 0]))).toBe(true);
      expect(content.includes(digest)).toBe(true);
    });

    test('times are exact to the nanosecond, and clamped to 1970..2105', () => {
      fc.assert(
        fc.property(fc.integer({ min: -10, max: 2 ** 33 }), fc.nat(999_999_999), (seconds, nanos) => {
          const builder = new BlockBuilder('normal');
          const fields = new RecordFields();
          fields.timestampSeconds = seconds;
          fields.timestampNanos = nanos;
          builder.append(fields);
          const block = builder.seal(ID, format);
          const opened = openBlock(compress(block.raw), {
            ...ID,
            urgency: 'normal',
            rawBytes: block.raw.length,
            recordCount: 1,
          });
          const last = 4_291_747_199n * 1_000_000_000n + 999_999_999n;
          const exact = BigInt(seconds) * 1_000_000_000n + BigInt(nanos);
          const clamped = exact > last ? last : seconds < 0 ? 0n : exact;
          expect(opened.raw.readBigInt64LE(opened.columnOffsets[0])).toBe(clamped);
        }),
      );
    });
  });

  describe('a malformed block', () => {
    test.each([
      ['another agent', { agentId: 'agent-2' as AgentId }, 'AgentId'],
      ['another epoch', { epoch: 78 }, 'BlockEpoch'],
      ['another sequence', { sequence: 6 }, 'BlockSequence'],
      ['another class', { urgency: 'bulk' as const }, 'UrgencyClass'],
      [
        'another count',
        { recordCount: 19 },
        format === FIRST_BLOCK_FORMAT ? 'number of records' : 'malformed',
      ],
      ['no records', { recordCount: 0 }, '0 records'],
      ['another size', { rawBytes: raw.length + 1 }, 'states'],
      ['a size above the limit', { rawBytes: MAX_BLOCK_RAW_BYTES + 1 }, 'not allowed'],
    ])('%s', (_name, changes, reason) => {
      expect(outcome(raw, changes)).toContain(reason);
    });

    test.each([
      ['a column of another name', 'ObservedTimestamp', 'ObservedTimestomp', 'ObservedTimestamp'],
      ['a column of another type', 'DateTime64(9)', 'DateTime64(8)', 'Timestamp'],
      ['an upper-case trace id', '0123456789abcdef', '0123456789ABCDEF', 'lower-case hex'],
      ['a trace id of another length', '\x200123456789abcdef', '\x1f0123456789abcdef', 'TraceId'],
      ['a severity above 24', Buffer.alloc(20, 13), Buffer.alloc(20, 25), 'SeverityNumber at byte'],
      [
        'a record number twice',
        Buffer.from([3, 0, 0, 0, 4, 0, 0, 0]),
        Buffer.from([3, 0, 0, 0, 3, 0, 0, 0]),
        'numbered',
      ],
      ['a body longer than the block', '\x08record 0', Buffer.from('ffff7f', 'hex'), 'Body'],
      [
        'an index past the keys',
        Buffer.from([0, 1, 0, 1, 0, 1]),
        Buffer.from([0, 1, 0, 2, 0, 1]),
        'index 2 of 2',
      ],
      [
        'offsets that descend',
        Buffer.from([2, 0, 0, 0, 0, 0, 0, 0, 3]),
        Buffer.from([9, 0, 0, 0, 0, 0, 0, 0, 3]),
        'ascend',
      ],
    ])('%s', (_name, search, replacement, reason) => {
      expect(outcome(replaced(raw, search, replacement))).toContain(reason);
    });

    test('bytes that are left over', () => {
      expect(outcome(Buffer.concat([raw, Buffer.from([0])]))).toContain('left over');
    });

    test('a second frame, a byte behind the frame, a frame that is cut off', () => {
      const payload = compress(raw);
      expect(outcomeOfPayload(Buffer.concat([payload, payload]), expected)).toContain(
        'follow the zstd frame',
      );
      const marked = Buffer.concat([formatMark(LATEST_BLOCK_FORMAT), payload]);
      marked.writeUInt32LE(format.number, 8);
      // Twice, or before the format that has none.
      expect(outcomeOfPayload(marked, expected)).toContain('not a zstd frame');
      expect(outcomeOfPayload(Buffer.concat([payload, Buffer.from([1])]), expected)).toContain('follow');
      for (let length = 0; length < payload.length; length += 1) {
        expect(outcomeOfPayload(payload.subarray(0, length), expected)).toContain('malformed');
      }
    });

    test('a zip bomb is not inflated past the announced size', () => {
      const bomb = compress(Buffer.alloc(64 * 1024 * 1024));
      expect(outcomeOfPayload(bomb, expected)).toContain('states');
      // The same content under a frame head that lies about its size.
      const honest = compress(Buffer.alloc(raw.length));
      const markBytes = formatMark(format).length;
      const headBytes = markBytes + 4 + 1 + ((honest[markBytes + 4] ?? 0) & 0x20 ? 0 : 1) + 2;
      const lying = Buffer.concat([honest.subarray(0, headBytes), bomb.subarray(markBytes + 4 + 1 + 1 + 4)]);
      expect(outcomeOfPayload(lying, expected)).toContain('malformed');
    });

    const LONG = 'x'.repeat(MAX_WRITTEN_BYTES / 100);
    test.each<[string, Partial<RecordFields>]>([
      ['SeverityText', { severityText: LONG }],
      ['ServiceName', { serviceName: LONG }],
      ['EventName', { eventName: LONG }],
      ['ResourceAttributes', { resource: prepareAttributes({ [LONG]: '' }) }],
    ])('%s that would fill any memory, written out', (column, text) => {
      expect(outcomeOfMany(100, text)).toBe('valid');
      expect(outcomeOfMany(101, text)).toMatch(new RegExp(`${column} at byte \\d+: written out`));
    });

    test('attributes of one record whose names would', () => {
      const fields = {
        constantAttributes: { keys: Array.from({ length: 7 }, () => LONG), encodedValues: Buffer.alloc(7) },
      };
      expect(outcomeOfMany(1, fields)).toMatch(/LogAttributes at byte \d+: the names of record 0/);
    });

    /** Of a block of records that are alike. */
    function outcomeOfMany(recordCount: number, alike: Partial<RecordFields>): string {
      const builder = new BlockBuilder('elevated');
      const fields = Object.assign(new RecordFields(), alike);
      for (let record = 0; record < recordCount; record += 1) builder.append(fields);
      return outcome(builder.seal(ID, format).raw, { recordCount });
    }

    test('huge counts cost nothing', () => {
      for (const count of [2 ** 31, 2 ** 32 - 1, 1e6]) {
        const content =
          format === FIRST_BLOCK_FORMAT ? Buffer.concat([encodeCounts(19, count), raw.subarray(2)]) : raw;
        expect(outcome(content, { recordCount: count })).toContain('Timestamp');
      }
    });

    test('whatever the bytes are, the outcome is a valid block or block_malformed', () => {
      const mutation = fc.record({
        at: fc.nat(raw.length - 1),
        byte: fc.oneof(fc.constantFrom(0, 1, 0x7f, 0x80, 0xff), fc.nat(255)),
        kind: fc.constantFrom('set', 'insert', 'delete', 'cut'),
      });
      let valid = 0;
      let refused = 0;
      fc.assert(
        fc.property(fc.array(mutation, { minLength: 1, maxLength: 4 }), (mutations) => {
          let content: Buffer = Buffer.from(raw);
          for (const { at, byte, kind } of mutations) {
            const tail = content.subarray(kind === 'set' || kind === 'delete' ? at + 1 : at);
            const middle = kind === 'set' || kind === 'insert' ? [byte] : [];
            content = Buffer.concat([
              content.subarray(0, at),
              Buffer.from(middle),
              kind === 'cut' ? Buffer.alloc(0) : tail,
            ]);
          }
          if (content.length > 0 && outcome(content) === 'valid') valid += 1;
          else refused += 1;
        }),
        { numRuns: 3000 },
      );
      // Changes to a body are still valid blocks; most others are not.
      expect(valid).toBeGreaterThan(0);
      expect(refused).toBeGreaterThan(valid);
    });

    test('random bytes and mutated frames never do anything else either', () => {
      const payload = compress(raw);
      fc.assert(
        fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
          expect(outcomeOfPayload(bytes, expected)).toContain('malformed');
        }),
      );
      fc.assert(
        fc.property(fc.nat(payload.length - 1), fc.nat(255), (at, byte) => {
          const changed = Buffer.from(payload);
          changed[at] = byte;
          outcomeOfPayload(changed, expected);
        }),
        { numRuns: 1000 },
      );
    });
  });
});
