import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  flushLine,
  LEAST_HOLE_BYTES,
  type LinePosition,
  MAX_LINE_BYTES,
  splitLines,
} from './line-splitter.ts';

interface Collected {
  readonly lines: Buffer[];
  /** Where each of them begins. */
  readonly offsets: number[];
  readonly position: LinePosition;
}

/** Feeds `content` as a reader would: pieces from the position, each as long as the next number says. */
function readInPieces(content: Buffer, pieceBytes: readonly number[]): Collected {
  const lines: Buffer[] = [];
  const offsets: number[] = [];
  const position: LinePosition = { offsetBytes: 0, midLine: false };
  const consumer = {
    line: (buffer: Buffer, start: number, end: number, _observedMs: number, offsetBytes: number): void => {
      lines.push(Buffer.from(buffer.subarray(start, end)));
      offsets.push(offsetBytes);
    },
  };
  // A reused buffer: what stands behind the piece is older content.
  const buffer = Buffer.alloc(content.length + 10, '\nold');
  let available = 0;
  for (const bytes of [...pieceBytes, content.length]) {
    available = Math.min(content.length, available + bytes);
    const length = content.copy(buffer, 0, position.offsetBytes, available);
    splitLines(buffer, length, position, consumer, 0, () => undefined);
  }
  return { lines, offsets, position };
}

const pieceSizes = fc.array(fc.nat(40), { maxLength: 20 });

describe('splitLines', () => {
  it('gives the same lines for any pieces, with LF and CRLF, and leaves an unfinished line', () => {
    const bytes = fc
      .uint8Array({ maxLength: 30 })
      .map((line) => line.filter((byte) => byte !== 10 && byte !== 13));
    const line = fc.tuple(bytes, fc.constantFrom('\n', '\r\n'));
    fc.assert(
      fc.property(fc.array(line, { maxLength: 30 }), bytes, pieceSizes, (lines, rest, pieces) => {
        const content = Buffer.concat([
          ...lines.flatMap(([text, end]) => [Buffer.from(text), Buffer.from(end)]),
          rest,
        ]);
        const read = readInPieces(content, pieces);
        expect(read.lines).toEqual(lines.map(([text]) => Buffer.from(text)));
        // Where a line is said to begin, it stands.
        expect(
          read.offsets.map((at, index) => content.subarray(at, at + (lines[index]?.[0].length ?? 0))),
        ).toEqual(read.lines);
        expect(read.offsets.every((at, index) => at > (read.offsets[index - 1] ?? -1))).toBe(true);
        expect(read.position).toEqual({ offsetBytes: content.length - rest.length, midLine: false });
      }),
    );
  });

  it('keeps NUL bytes and bytes that are not UTF-8', () => {
    const content = Buffer.from([0, 0xff, 0xfe, 0x80, 10, 0xc3, 10]);
    expect(readInPieces(content, []).lines).toEqual([
      Buffer.from([0, 0xff, 0xfe, 0x80]),
      Buffer.from([0xc3]),
    ]);
  });

  it('skips holes where lines would begin, in any pieces, and keeps shorter runs of zeros', () => {
    const hole = Buffer.alloc(3 * LEAST_HOLE_BYTES);
    const short = Buffer.alloc(LEAST_HOLE_BYTES - 1);
    const content = Buffer.concat([
      hole,
      Buffer.from('one\n'),
      short,
      Buffer.from('two\nthree'),
      hole,
      Buffer.from('\n'),
      hole,
    ]);
    const expected = [
      Buffer.from('one'),
      Buffer.concat([short, Buffer.from('two')]),
      Buffer.concat([Buffer.from('three'), hole]),
    ];
    expect(readInPieces(content, []).lines).toEqual(expected);
    expect(readInPieces(content, []).position.offsetBytes).toBe(content.length);
    const pieces = fc.array(fc.integer({ min: LEAST_HOLE_BYTES, max: 300 }), { maxLength: 20 });
    fc.assert(
      fc.property(pieces, (sizes) => {
        const { lines, position } = readInPieces(content, sizes);
        expect(lines).toEqual(expected);
        expect(position.offsetBytes).toBe(content.length);
      }),
    );
  });

  it('hands a long line out in parts, between characters, and loses and repeats nothing', () => {
    for (const character of ['x', 'é', '漢', '🜂']) {
      const size = Buffer.byteLength(character);
      const text = `a${character.repeat(Math.ceil((MAX_LINE_BYTES * 2.5) / size))}`;
      const { lines, offsets } = readInPieces(Buffer.from(`${text}\nnext\n`), [1000, MAX_LINE_BYTES, 5]);
      expect(lines).toHaveLength(4);
      for (const line of lines) expect(line.length).toBeLessThanOrEqual(MAX_LINE_BYTES);
      expect(lines[0]?.length).toBeGreaterThan(MAX_LINE_BYTES - 4);
      // Each part is text by itself.
      expect(lines.slice(0, 3).map(String).join('')).toBe(text);
      expect(String(lines[3])).toBe('next');
      const [first = 0, second = 0, third = 0] = lines.map(({ length }) => length);
      expect(offsets).toEqual([0, first, first + second, first + second + third + 1]);
    }
  });

  it('makes no empty line of a terminator behind a part', () => {
    for (const end of ['\n', '\r\n']) {
      const text = 'y'.repeat(MAX_LINE_BYTES);
      expect(readInPieces(Buffer.from(`${text}${end}z\n`), []).lines.map(String)).toEqual([text, 'z']);
    }
    const parts = readInPieces(Buffer.from(`${'y'.repeat(MAX_LINE_BYTES)}yy\n\nz\n`), []).lines.map(String);
    expect(parts.slice(1)).toEqual(['yy', '', 'z']);
  });

  it('cuts binary without characters at the bound', () => {
    const { lines } = readInPieces(Buffer.alloc(MAX_LINE_BYTES + 100, 0x80), []);
    expect(lines.map((line) => line.length)).toEqual([MAX_LINE_BYTES]);
  });
});

describe('flushLine', () => {
  it('hands out the rest, and a terminator that comes later ends it', () => {
    for (const [rest, later] of [
      ['abc', '\nnext\n'],
      ['abc', '\r\nnext\n'],
      ['abc\r', '\r\nnext\n'],
    ] as const) {
      const lines: string[] = [];
      const offsets: number[] = [];
      const consumer = {
        line: (
          buffer: Buffer,
          start: number,
          end: number,
          _observedMs: number,
          offsetBytes: number,
        ): void => {
          lines.push(buffer.toString('utf8', start, end));
          offsets.push(offsetBytes);
        },
      };
      const position: LinePosition = { offsetBytes: 0, midLine: false };
      flushLine(Buffer.from(rest), rest.length, position, consumer, 0);
      expect(position).toEqual({ offsetBytes: 3, midLine: true });
      const piece = Buffer.from(later);
      splitLines(piece, piece.length, position, consumer, 0, () => undefined);
      expect(lines).toEqual(['abc', 'next']);
      expect(offsets).toEqual([0, 3 + later.indexOf('next')]);
    }
  });
});
