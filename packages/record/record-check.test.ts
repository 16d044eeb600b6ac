/** Records that cannot be, from a source that makes them: they cost nobody else anything. */
import { prepareAttributes, RecordFields } from '@sluice/block/record';
import { describe, expect, test } from 'vitest';
import { blockIds, OBSERVED_MS, OPTIONS, openRecords } from './record-fixture.ts';
import { Recorder } from './recorder.ts';

const LARGE = 'x'.repeat(10 * 1024 * 1024);

function fieldsOf(body: string): RecordFields {
  const fields = new RecordFields();
  fields.bodyText = body;
  fields.observedMs = OBSERVED_MS;
  return fields;
}

/** Bodies of what comes out between a record of before and one of after, in blocks that passed the server's checks. */
function bodiesAround(record: (recorder: Recorder) => void): string[] {
  const recorder = new Recorder(OPTIONS);
  const others = recorder.forFields({ kind: 'test', name: 'others' });
  others.record(fieldsOf('before'));
  record(recorder);
  others.record(fieldsOf('after'));
  return recorder
    .cut(blockIds())
    .flatMap(openRecords)
    .map(({ body }) => String(body));
}

describe('a source of fields that gives', () => {
  test.each<[string, Partial<RecordFields>]>([
    ['an offset below 0', { offsetBytes: -1 }],
    ['an offset that is no number', { offsetBytes: Number.NaN }],
    ['an offset that no double tells from others', { offsetBytes: 2 ** 53 }],
    ['a time of reading that is no number', { observedMs: Number.NaN }],
    ['an endless time of reading', { observedMs: Number.POSITIVE_INFINITY }],
    ['a severity above 24', { severityNumber: 25 }],
    ['half a severity', { severityNumber: 8.5 }],
    ['trace flags above a byte', { traceFlags: 256 }],
    ['an unknown origin of the time', { timestampOrigin: 5 }],
    ['more nanoseconds than a second has', { timestampNanos: 1e9 }],
    ['a trace id in upper case', { traceId: 'A'.repeat(32) }],
    ['a span id that is cut', { spanId: 'a'.repeat(15) }],
    ['a body above what a block holds', { bodyText: LARGE }],
    ['a service above what a block holds', { serviceName: LARGE }],
    ['a resource above what a block holds', { resource: prepareAttributes({ [LARGE]: '' }) }],
  ])('%s loses that record, and no other', (_what, wrong) => {
    const bodies = bodiesAround((recorder) => {
      const source = recorder.forFields({ kind: 'test', name: 'lying' });
      const fields = Object.assign(fieldsOf('wrong'), wrong);
      expect(() => source.record(fields)).toThrow(/^a (source gave a )?record /);
    });
    expect(bodies).toEqual(['before', 'after']);
  });

  test('more empty attributes than a block holds loses that record, and no other', () => {
    const bodies = bodiesAround((recorder) => {
      const fields = fieldsOf('wrong');
      for (let count = 0; count < 2_000_000; count += 1) fields.attributes.addText('', '');
      expect(() => recorder.forFields({ kind: 'test', name: 'lying' }).record(fields)).toThrow(
        /^a record of/,
      );
    });
    expect(bodies).toEqual(['before', 'after']);
  });
});

test('a source of lines that gives an offset that cannot be loses that line, and no other', () => {
  const bodies = bodiesAround((recorder) => {
    const source = recorder.forLines({ kind: 'test', name: 'lying' });
    const line = Buffer.from('wrong');
    for (const offset of [-1, Number.NaN, 2 ** 53])
      expect(() => source.line(line, 0, line.length, OBSERVED_MS, offset)).toThrow(/offset cannot be/);
    // Lower than the one before, which order alone suffers from.
    for (const offset of [7, 3, 3]) source.line(Buffer.from(`at ${offset}`), 0, 4, OBSERVED_MS, offset);
  });
  expect(bodies).toEqual(['before', 'at 7', 'at 3', 'at 3', 'after']);
});

test('lines of many long names and short values come into blocks that servers take', () => {
  const recorder = new Recorder(OPTIONS);
  const consumer = recorder.forFile('/var/log/app.log');
  const names = Array.from({ length: 100 }, (_, index) => `${index}${'ä'.repeat(120)}`);
  const line = Buffer.from(
    JSON.stringify({ msg: 'x', ...Object.fromEntries(names.map((name) => [name, 1])) }),
  );
  const count = 6000;
  for (let number = 0; number < count; number += 1) consumer.line(line, 0, line.length, OBSERVED_MS, number);
  const blocks = recorder.cut(blockIds());
  expect(blocks.length).toBeGreaterThan(1);
  expect(blocks.flatMap(openRecords)).toHaveLength(count);
});
