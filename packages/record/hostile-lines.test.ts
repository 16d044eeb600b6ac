import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { MAX_JSON_NESTING } from './json-line.ts';
import { LineContext } from './line-context.ts';
import { blockIds, OBSERVED_MS, OPTIONS, openRecords, recordOf } from './record-fixture.ts';
import { Recorder } from './recorder.ts';

const READ = '2026-06-20T12:00:00.25';

function nested(open: string, close: string, depth: number): string {
  return open.repeat(depth) + '1'.repeat(close === '}' ? 1 : 0) + close.repeat(depth);
}

describe('JSON that nests deep', () => {
  test.each([
    ['lists', '[', ']', 5000],
    ['objects', '{"d":', '}', 6000],
    ['lists as long as a line', '[', ']', 120_000],
    ['objects as long as a line', '{"d":', '}', 40_000],
  ])('%s: one record with its level, all of the line in the body, marked', (_, open, close, depth) => {
    const line = `{"msg":"deep","time":"2026-01-02T03:04:05Z","d":${nested(open, close, depth)},"level":"error"}`;
    const read = recordOf(line);
    expect(read.body.toString()).toBe(line);
    expect([read.time, read.severityText, read.urgency]).toEqual(['2026-01-02T03:04:05', 'error', 'urgent']);
    expect(read.attributes).toEqual({
      'log.file.path': '/var/log/app.log',
      'sluice.unparsed': `JSON nested deeper than ${MAX_JSON_NESTING}`,
    });
  });

  test('up to the limit the value is kept as text, and nothing is marked', () => {
    const list = nested('[', ']', MAX_JSON_NESTING);
    const read = recordOf(`{"msg":"m","d":${list}}`);
    expect([read.body.toString(), read.attributes.d, read.attributes['sluice.unparsed']]).toEqual([
      'm',
      list,
      undefined,
    ]);
    expect(recordOf(`{"msg":"m","d":[${list}]}`).attributes).toHaveProperty(['sluice.unparsed']);
  });

  test('such lines are counted per file, with the reason', () => {
    const recorder = new Recorder(OPTIONS);
    const [deep, other] = [recorder.forFile('/deep.log'), recorder.forFile('/other.log')];
    for (const text of [`{"d":${nested('[', ']', 500)}}`, '{"d":1}', 'plain', '{broken']) {
      for (const consumer of text.includes('[[') ? [deep] : [deep, other]) {
        const bytes = Buffer.from(text);
        consumer.line(bytes, 0, bytes.length, OBSERVED_MS, 0);
      }
    }
    expect([deep.unparsedRecords, other.unparsedRecords]).toEqual([1, 0]);
    expect(deep.lastUnparsedReason).toMatch(/deeper than/);
    expect(other.lastUnparsedReason).toBe('');
  });
});

test('an error of a reader makes the line a plain record, marked and counted, and the next line is read as ever', () => {
  const recorder = new Recorder(OPTIONS);
  const consumer = recorder.forFile('/var/log/app.log');
  const { takeTime } = LineContext.prototype;
  const feed = (text: string): void => {
    const bytes = Buffer.from(text);
    consumer.line(bytes, 0, bytes.length, OBSERVED_MS, 0);
  };
  LineContext.prototype.takeTime = () => {
    throw new RangeError('injected');
  };
  try {
    feed('2026-01-02T03:04:05Z ERROR one');
  } finally {
    LineContext.prototype.takeTime = takeTime;
  }
  feed('2026-01-02T03:04:05Z ERROR two');
  const records = recorder.cut(blockIds()).flatMap(openRecords);
  const bodies = records.map(({ body, severityNumber }) => [body.toString(), severityNumber]);
  expect(bodies).toEqual([
    ['2026-01-02T03:04:05Z ERROR two', 17],
    ['2026-01-02T03:04:05Z ERROR one', 0],
  ]);
  expect(records[1]?.attributes['sluice.unparsed']).toBe('reader failed: injected');
  expect(consumer.unparsedRecords).toBe(1);
});

describe('names that objects have by themselves', () => {
  const names = Object.getOwnPropertyNames(Object.prototype);

  test.each(names)('%s is no level, and an ordinary key', (name) => {
    const level = recordOf(`{"level":"${name}","msg":"m"}`);
    expect([level.severityNumber, level.severityText, level.urgency]).toEqual([0, '', 'normal']);
    expect(level.attributes.level).toBe(name);
    const key = recordOf(`{"${name}":"v","msg":"m","a":{"${name}":{"b":1}},"level":"error"}`);
    expect(Object.entries(key.attributes)).toContainEqual([`a.${name}.b`, '1']);
    expect([key.body.toString(), key.severityNumber]).toEqual(['m', 17]);
  });
});

describe('the word of the agent', () => {
  test('a field cannot take the name of what the agent sets', () => {
    const read = recordOf(
      JSON.stringify({
        'log.file.path': '/fake',
        log: { file: { path: '/fake too' } },
        dropped_attributes_count: 7,
        'sluice.unparsed': 'no',
        'sluice.anything': 'x',
        msg: 'm',
      }),
    );
    expect(read.attributes).toEqual({
      'log.file.path': '/var/log/app.log',
      'line.log.file.path': '/fake too',
      'line.dropped_attributes_count': '7',
      'line.sluice.unparsed': 'no',
      'line.sluice.anything': 'x',
    });
  });

  test('also attributes that the configuration gives to a file', () => {
    const recorder = new Recorder(OPTIONS);
    const bytes = Buffer.from('{"team":"mallory","Team":"other"}');
    recorder
      .forFile('/x.log', { attributes: { team: 'alice' } })
      .line(bytes, 0, bytes.length, OBSERVED_MS, 0);
    const [read] = recorder.cut(blockIds()).flatMap(openRecords);
    expect(read?.attributes).toEqual({
      'log.file.path': '/x.log',
      team: 'alice',
      'line.team': 'mallory',
      Team: 'other',
    });
  });

  test('what is too long for a name is none', () => {
    const long = 'x'.repeat(300);
    const read = recordOf(JSON.stringify({ service: long, host: long, msg: 'm' }));
    expect([read.serviceName, read.resource['host.name']]).toEqual(['app', 'here']);
    expect(read.attributes).toMatchObject({ service: long, host: long });
  });
});

describe('any line', () => {
  const name = fc.oneof(
    fc.constantFrom('__proto__', 'constructor', 'toString', 'hasOwnProperty', 'toJSON', 'length', ''),
    fc.constantFrom('time', 'ts', 'level', 'msg', 'log', 'service', 'host', 'trace_id', 'sluice.unparsed'),
    fc.string({ unit: 'binary', maxLength: 300 }),
  );
  const { value } = fc.letrec<{ value: unknown }>((tie) => ({
    value: fc.oneof(
      { maxDepth: 8, withCrossShrink: true },
      fc.oneof(
        fc.string({ unit: 'binary' }),
        fc.double(),
        fc.maxSafeInteger(),
        fc.boolean(),
        fc.constant(null),
      ),
      fc.array(tie('value'), { maxLength: 4 }),
      fc.array(fc.tuple(name, tie('value')), { maxLength: 6 }).map(Object.fromEntries),
    ),
  }));
  const object = fc
    .tuple(fc.array(fc.tuple(name, value), { maxLength: 8 }), fc.nat(400), fc.constantFrom('[', '{"a":'))
    .map(([entries, depth, open]) => {
      const text = JSON.stringify(Object.fromEntries(entries));
      if (depth < 50) return text;
      const close = open === '[' ? ']' : '}';
      return `{"deep":${nested(open, close, depth)}${text === '{}' ? '}' : `,${text.slice(1)}`}`;
    });
  const line = fc.oneof(
    object.map((text) => Buffer.from(text)),
    fc.tuple(object, fc.nat(500)).map(([text, cut]) => Buffer.from(text).subarray(0, cut)),
    fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes)),
  );

  test('becomes exactly one record, and the lines behind it arrive', () => {
    fc.assert(
      fc.property(fc.array(line, { minLength: 1, maxLength: 8 }), (lines) => {
        const recorder = new Recorder(OPTIONS);
        const consumer = recorder.forFile('/var/log/app.log');
        for (const bytes of lines) consumer.line(bytes, 0, bytes.length, OBSERVED_MS, 0);
        const last = Buffer.from('FATAL: behind all of them');
        consumer.line(last, 0, last.length, OBSERVED_MS, 0);
        const records = recorder.cut(blockIds()).flatMap(openRecords);
        expect(records).toHaveLength(lines.length + 1);
        expect(records.filter(({ body }) => body.equals(last))).toHaveLength(1);
        for (const read of records) {
          // The server's checks went through; what is marked holds all of its line.
          if (!Object.hasOwn(read.attributes, 'sluice.unparsed')) continue;
          expect(lines.some((bytes) => bytes.equals(read.body))).toBe(true);
        }
      }),
      { numRuns: 400 },
    );
  });

  test('wide objects and long keys and values keep their bounds', () => {
    for (const text of [
      JSON.stringify(Object.fromEntries(Array.from({ length: 20_000 }, (_, n) => [`k${n}`, n]))),
      JSON.stringify({ list: Array.from({ length: 50_000 }, (_, n) => n) }),
      JSON.stringify({ ['k'.repeat(100_000)]: 'v'.repeat(100_000), level: 'error' }),
      `{"a":"${'\\u0000'.repeat(40_000)}"}`,
    ]) {
      const read = recordOf(text);
      expect(Object.keys(read.attributes).length).toBeLessThanOrEqual(130);
      expect(read.attributes['log.file.path']).toBe('/var/log/app.log');
    }
  });
});

test('a line of JSON that is none stays plain and unmarked', () => {
  for (const text of ['{broken', '{"a":', '{"a":1}}', '{]']) {
    const read = recordOf(text);
    expect([read.body.toString(), read.time]).toEqual([text, READ]);
    expect(read.attributes).toEqual({ 'log.file.path': '/var/log/app.log' });
  }
});
