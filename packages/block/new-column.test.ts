/**
 * What a new column takes (format.md): a format that only this test has, with one more number for each record,
 * goes through builder, validator and the real engine, in one insert with blocks of the earlier formats.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { AgentId, ServerId } from '@sluice/protocol/model';
import { Session } from 'chdb';
import { afterAll, expect, test } from 'vitest';
import { writeUInt64 } from './buffer.ts';
import { BlockBuilder, type ColumnData, compressBlockSync, type SealedRawBlock } from './builder.ts';
import type { AgentColumn } from './columns.ts';
import { completeBlock, completedColumns } from './completion.ts';
import { withDigest } from './digest.ts';
import {
  BLOCK_FORMATS,
  type BlockFormat,
  type BlockFormats,
  FIRST_BLOCK_FORMAT,
  LATEST_BLOCK_FORMAT,
  NATIVE_BLOCK_FORMATS,
  OTLP_BLOCK_FORMAT,
} from './formats.ts';
import { RecordFields } from './record.ts';
import { type ExpectedBlock, openBlock } from './validator.ts';

const COLUMN_TO_COME: AgentColumn = {
  name: 'ColumnToCome',
  type: 'UInt64',
  encoding: { kind: 'integers', bytes: 8, most: Number.MAX_SAFE_INTEGER },
};
const COMING: BlockFormat = { number: 77, columns: [...LATEST_BLOCK_FORMAT.columns, COLUMN_TO_COME] };
const FORMATS: BlockFormats = new Map([...BLOCK_FORMATS, [COMING.number, COMING]]);
const FACTS = { serverId: 's1' as ServerId, priority: 3, tenant: 'default' };

class Offsets implements ColumnData {
  readonly values: number[] = [];

  get encodedBytes(): number {
    return 8 * this.values.length;
  }

  write(target: Buffer, offset: number): number {
    return this.values.reduce((at, value) => writeUInt64(target, at, value), offset);
  }

  clear(): void {
    this.values.length = 0;
  }
}

class OffsetBuilder extends BlockBuilder {
  readonly #offsets = new Offsets();

  constructor() {
    super('normal');
    this.addColumn(COLUMN_TO_COME, this.#offsets);
  }

  appendAt(record: RecordFields, offset: number): void {
    this.append(record);
    this.#offsets.values.push(offset);
  }
}

const directory = mkdtempSync(path.join(tmpdir(), 'sluice-column-'));
const session = new Session(path.join(directory, 'store'));

afterAll(() => {
  session.cleanup();
  rmSync(directory, { recursive: true, force: true });
});

/** A block of records at these offsets, and what its header says. */
function sealed(
  format: BlockFormat,
  sequence: number,
  offsets: number[],
): SealedRawBlock & { expected: ExpectedBlock } {
  const builder = new OffsetBuilder();
  const fields = new RecordFields();
  for (const offset of offsets) {
    fields.bodyText = `line at ${offset}`;
    builder.appendAt(fields, offset);
  }
  const bound = builder.rawBytes;
  const id = { agentId: 'agent-1' as AgentId, epoch: 7, sequence };
  const { header, raw } = builder.seal(id, format);
  const { urgency, rawBytes, recordCount } = header;
  expect(rawBytes).toBeLessThanOrEqual(bound);
  return { format, header, raw, expected: { ...id, urgency, rawBytes, recordCount } };
}

test('blocks of the first format, of the latest one and of one with another column stand in one insert', () => {
  const columns = [...completedColumns(COMING)];
  expect(columns.map(({ name }) => name)).toEqual([
    ...LATEST_BLOCK_FORMAT.columns.map(({ name }) => name),
    'ColumnToCome',
    ...completedColumns()
      .slice(OTLP_BLOCK_FORMAT.columns.length)
      .map(({ name }) => name),
  ]);
  session.query('CREATE DATABASE trial');
  // As a migration adds it.
  const earlier = completedColumns().map(({ name, type }) => `${name} ${type}`);
  session.query(`CREATE TABLE trial.t (${earlier.join(', ')}) ENGINE = MergeTree ORDER BY BlockSequence`);
  session.query('ALTER TABLE trial.t ADD COLUMN ColumnToCome UInt64 DEFAULT 4242');

  const blocks = [
    sealed(FIRST_BLOCK_FORMAT, 10, [3, 4]),
    sealed(COMING, 11, [0, 17, 2 ** 52]),
    sealed(LATEST_BLOCK_FORMAT, 12, [5]),
  ];
  const frames: Buffer[][] = [];
  for (const block of blocks) {
    const payload = compressBlockSync(block);
    const opened = openBlock(payload, block.expected, FORMATS);
    expect(opened.format).toBe(block.format);
    frames.push(completeBlock(payload, withDigest(block.header, payload), FACTS, FORMATS));
  }
  // A block with the column first and last: the engine goes by each block's own columns.
  const again = sealed(COMING, 13, [99]);
  const payload = compressBlockSync(again);
  frames.push(completeBlock(payload, withDigest(again.header, payload), FACTS, FORMATS));
  const file = path.join(directory, 'body.zst');
  writeFileSync(file, Buffer.concat(frames.flat()));
  const names = columns.map(({ name }) => name).join(', ');
  session.query(`INSERT INTO trial.t (${names}) FROM INFILE '${file}' COMPRESSION 'zstd' FORMAT Native`);
  const text = session.query(
    'SELECT BlockSequence, RecordNumber, Body, ColumnToCome, ServerId, ChannelPriority FROM trial.t ' +
      'ORDER BY BlockSequence, RecordNumber',
    'JSONCompactEachRow',
  );
  expect(
    text
      .trim()
      .split('\n')
      .map((line): unknown => JSON.parse(line)),
  ).toEqual([
    [10, 0, 'line at 3', 4242, 's1', 3],
    [10, 1, 'line at 4', 4242, 's1', 3],
    [11, 0, 'line at 0', 0, 's1', 3],
    [11, 1, 'line at 17', 17, 's1', 3],
    [11, 2, `line at ${2 ** 52}`, 2 ** 52, 's1', 3],
    [12, 0, 'line at 5', 4242, 's1', 3],
    [13, 0, 'line at 99', 99, 's1', 3],
  ]);
  // One part, so that the insert is one step for the engine, and its token is known as one.
  expect(
    session.query("SELECT count() FROM system.parts WHERE database = 'trial' AND active", 'TSV').trim(),
  ).toBe('1');
});

test('the validator judges the new column by its row in the table', () => {
  const { raw, expected } = sealed(COMING, 11, [0, 17]);
  const beyond = Buffer.from(raw);
  // The last value of the last column.
  writeUInt64(beyond, beyond.length - 8, 2 ** 53);
  const open = (changed: Buffer, format: BlockFormat, formats: BlockFormats = FORMATS): unknown =>
    openBlock(
      compressBlockSync({ format, raw: changed }),
      { ...expected, rawBytes: changed.length },
      formats,
    );
  expect(() => open(raw, COMING)).not.toThrow();
  expect(() => open(beyond, COMING)).toThrow(/ColumnToCome at byte \d+: a value above 9007199254740991/);
  expect(() => open(raw.subarray(0, -1), COMING)).toThrow('ColumnToCome at byte');
  expect(() => open(raw, LATEST_BLOCK_FORMAT)).toThrow('bytes are left over');
  expect(() => open(raw, COMING, BLOCK_FORMATS)).toThrow('block format 77 is not known here');
});

test('a later format has all columns of the earlier ones, and numbers are in order', () => {
  const formats = [...NATIVE_BLOCK_FORMATS.values()];
  for (const [index, format] of formats.entries()) {
    const before = formats[index - 1];
    if (before === undefined) continue;
    expect(format.number).toBeGreaterThan(before.number);
    expect(format.columns).toEqual(expect.arrayContaining([...before.columns]));
  }
  expect(formats.at(-1)).toBe(LATEST_BLOCK_FORMAT);
  // What is made of other encodings stands in one table with them.
  expect(OTLP_BLOCK_FORMAT.columns).toEqual(expect.arrayContaining([...LATEST_BLOCK_FORMAT.columns]));
  expect([...BLOCK_FORMATS.values()]).toEqual([...formats, OTLP_BLOCK_FORMAT]);
});
