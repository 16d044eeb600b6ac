import { constants, zstdCompressSync } from 'node:zlib';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { ZstdFrames } from './zstd-frames.ts';

/** Frames of all kinds: empty, run-length, raw and compressed blocks, several blocks, with and without checksum. */
const frame = fc
  .record({
    data: fc.oneof(
      fc.uint8Array({ maxLength: 300 }),
      fc.integer({ min: 0, max: 400_000 }).map((length) => new Uint8Array(length).fill(7)),
      fc
        .integer({ min: 0, max: 300_000 })
        .map((length) => Uint8Array.from({ length }, (_, n) => (n * n) >> 3)),
    ),
    checksum: fc.boolean(),
    contentSize: fc.boolean(),
  })
  .map(({ data, checksum, contentSize }) =>
    zstdCompressSync(data, {
      params: {
        [constants.ZSTD_c_checksumFlag]: checksum ? 1 : 0,
        [constants.ZSTD_c_contentSizeFlag]: contentSize ? 1 : 0,
      },
    }),
  );
const skippable = fc
  .uint8Array({ maxLength: 40 })
  .map((data) => Buffer.concat([Buffer.from([0x53, 0x2a, 0x4d, 0x18, data.length, 0, 0, 0]), data]));

test('whole frames are whole, cut anywhere else they are not, however they are split', () => {
  fc.assert(
    fc.property(
      fc.array(fc.oneof(frame, skippable), { minLength: 1, maxLength: 4 }),
      fc.nat(),
      fc.integer({ min: 1, max: 70_000 }),
      (frames, at, step) => {
        const stream = Buffer.concat(frames);
        const ends = new Set([0]);
        for (let end = 0, index = 0; index < frames.length; index += 1) {
          end += frames[index]?.length ?? 0;
          ends.add(end);
        }
        for (const length of [stream.length, at % stream.length]) {
          const walker = new ZstdFrames();
          for (let position = 0; position < length; position += step)
            expect(walker.push(stream.subarray(position, Math.min(length, position + step)))).toBe(true);
          expect(walker.isWhole).toBe(ends.has(length));
        }
      },
    ),
    { numRuns: 200 },
  );
});

test('other bytes are refused', () => {
  expect(new ZstdFrames().push(Buffer.from('no zstd'))).toBe(false);
});
