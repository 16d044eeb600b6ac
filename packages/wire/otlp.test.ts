/** Blocks of OpenTelemetry: what is read of them, and what is refused. The encoder is the generated one, which knows nothing of the reader. */
import { fromBinary } from '@bufbuild/protobuf';
import { SluiceError } from '@sluice/base/error';
import { MAX_RECORD_VALUES, MAX_VALUE_NESTING } from '@sluice/block/otlp-values';
import { type ReadRecord, readRecords } from '@sluice/block/reader';
import { checkBlock, type ExpectedBlock, openBlock } from '@sluice/block/validator';
import type { AgentId } from '@sluice/protocol/model';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { AnyValue, KeyValue } from './gen/opentelemetry/proto/common/v1/common_pb.js';
import { LogsDataSchema } from './gen/opentelemetry/proto/logs/v1/logs_pb.js';
import { type LogsInit, otlpBytes, otlpPayload } from './testing/otlp-payload.ts';

const ID = { agentId: 'stranger' as AgentId, epoch: 3, sequence: 4, urgency: 'urgent' as const };
const OBSERVED = 1_800_000_000_123_456_789n;
const observedTimeUnixNano = OBSERVED;

type LogInit = NonNullable<
  NonNullable<NonNullable<LogsInit['resourceLogs']>[0]['scopeLogs']>[0]['logRecords']
>[0];
type ValueInit = NonNullable<LogInit['body']>;

function expectedOf(content: Uint8Array, recordCount: number): ExpectedBlock {
  return { ...ID, rawBytes: content.length, recordCount };
}

function read(content: Uint8Array, recordCount: number): ReadRecord[] {
  return readRecords(openBlock(otlpPayload(content), expectedOf(content, recordCount)));
}

/** A message of one resource, one scope and these records. */
function logs(...logRecords: LogInit[]): Buffer {
  const observed = logRecords.map((record) => ({ observedTimeUnixNano, ...record }));
  return otlpBytes({ resourceLogs: [{ scopeLogs: [{ logRecords: observed }] }] });
}

function only(record: LogInit): ReadRecord {
  const [first] = read(logs(record), 1);
  if (first === undefined) throw new Error('no record');
  return first;
}

/** What becomes of a block with this content, in a word or the reason of its refusal. */
function outcome(content: Uint8Array, recordCount = 1): string {
  try {
    openBlock(otlpPayload(content), expectedOf(content, recordCount));
    return 'valid';
  } catch (error) {
    if (SluiceError.is(error, 'block_malformed')) return error.message;
    throw error;
  }
}

const text = (value: string): ValueInit => ({ value: { case: 'stringValue', value } });
const int = (value: bigint): ValueInit => ({ value: { case: 'intValue', value } });
const double = (value: number): ValueInit => ({ value: { case: 'doubleValue', value } });
const list = (...values: ValueInit[]): ValueInit => ({ value: { case: 'arrayValue', value: { values } } });
const map = (...values: { key: string; value?: ValueInit }[]): ValueInit => ({
  value: { case: 'kvlistValue', value: { values } },
});

/** Bytes of a field by hand: a number, or a length and what follows. */
function field(number: number, value: number | Uint8Array): Buffer {
  return typeof value === 'number'
    ? Buffer.concat([varint(number * 8), varint(value)])
    : Buffer.concat([varint(number * 8 + 2), varint(value.length), value]);
}

function varint(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value;
  for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) bytes.push((rest % 0x80) | 0x80);
  return Buffer.from([...bytes, rest]);
}

/** The message around the bytes of one record. */
function around(record: Uint8Array): Buffer {
  return field(1, field(2, field(2, record)));
}

const OBSERVED_BYTES = logs({}).subarray(6);

describe('what is read', () => {
  test('every field of a record', () => {
    const content = otlpBytes({
      resourceLogs: [
        {
          resource: {
            attributes: [
              { key: 'service.name', value: text('shop') },
              { key: 'host.name', value: text('web-1') },
            ],
            droppedAttributesCount: 2,
          },
          scopeLogs: [
            {
              logRecords: [
                {
                  timeUnixNano: 1_700_000_000_987_654_321n,
                  observedTimeUnixNano,
                  severityNumber: 17,
                  severityText: 'ERROR',
                  body: text('disk full: ä'),
                  attributes: [
                    { key: 'user', value: text('ü') },
                    { key: 'sluice.record.offset', value: int(9_007_199_254_740_991n) },
                    { key: 'sluice.timestamp.origin', value: text('assumed') },
                    { key: 'empty' },
                  ],
                  droppedAttributesCount: 7,
                  flags: 0x101,
                  traceId: Buffer.from('0123456789abcdef0123456789abcdef', 'hex'),
                  spanId: Buffer.from('0123456789abcdef', 'hex'),
                  eventName: 'disk.full',
                },
              ],
            },
          ],
        },
      ],
    });
    expect(read(content, 1)).toEqual([
      {
        timestampNanos: 1_700_000_000_987_654_321n,
        observedNanos: OBSERVED,
        severityNumber: 17,
        severityText: 'ERROR',
        serviceName: 'shop',
        body: Buffer.from('disk full: ä'),
        traceId: '0123456789abcdef0123456789abcdef',
        spanId: '0123456789abcdef',
        traceFlags: 1,
        eventName: 'disk.full',
        resource: { 'service.name': 'shop', 'host.name': 'web-1', dropped_attributes_count: '2' },
        attributes: { user: 'ü', empty: '', dropped_attributes_count: '7' },
        offsetBytes: 9_007_199_254_740_991,
        timestampOrigin: 'assumed',
      },
    ]);
  });

  test('a record that says nothing has the time at which it was read', () => {
    expect(only({})).toMatchObject({
      timestampNanos: OBSERVED,
      observedNanos: OBSERVED,
      timestampOrigin: 'clock',
      offsetBytes: 0,
      body: Buffer.alloc(0),
      traceId: '',
      spanId: '',
      attributes: {},
      resource: {},
      serviceName: '',
    });
    expect(only({ timeUnixNano: 1n })).toMatchObject({ timestampNanos: 1n, timestampOrigin: 'unknown' });
    const attributes = [{ key: 'sluice.record.offset', value: int(0n) }];
    expect(only({ timeUnixNano: 1n, attributes })).toMatchObject({ offsetBytes: 0, timestampOrigin: 'read' });
    expect(only({ attributes })).toMatchObject({ timestampNanos: OBSERVED, timestampOrigin: 'clock' });
  });

  test.each([
    ['a boolean', { value: { case: 'boolValue', value: true } } as const, 'true'],
    ['false', { value: { case: 'boolValue', value: false } } as const, 'false'],
    ['an int', int(-9_223_372_036_854_775_808n), '-9223372036854775808'],
    ['a large int', int(2n ** 53n + 1n), '9007199254740993'],
    ['a double', double(0.1), '0.1'],
    ['a double without a number', double(Number.NaN), 'NaN'],
    ['bytes', { value: { case: 'bytesValue', value: Buffer.from([0, 255]) } } as const, 'AP8='],
    ['an empty string', text(''), ''],
    ['a list', list(text('a"'), int(1n), double(Infinity), {}, list()), '["a\\"",1,"Infinity",null,[]]'],
    [
      'a map',
      map(
        {
          key: 'k',
          value: map({ key: 'é', value: { value: { case: 'bytesValue', value: Buffer.from('x') } } }),
        },
        { key: '' },
      ),
      '{"k":{"é":"eA=="},"":null}',
    ],
  ])('%s, as body and as attribute', (_name, value, expected) => {
    const record = only({ body: value, attributes: [{ key: 'a', value }] });
    expect(String(record.body)).toBe(expected);
    expect(record.attributes).toEqual({ a: expected });
  });

  test('identifiers of zeros are none', () => {
    expect(only({ traceId: Buffer.alloc(16), spanId: Buffer.alloc(8) })).toMatchObject({
      traceId: '',
      spanId: '',
    });
  });

  test('several resources and scopes, with the resource behind its records', () => {
    const record = field(2, Buffer.concat([field(5, field(1, Buffer.from('late'))), OBSERVED_BYTES]));
    const service = field(
      1,
      field(1, Buffer.concat([field(1, Buffer.from('service.name')), field(2, field(1, Buffer.from('s')))])),
    );
    const content = Buffer.concat([
      logs({ body: text('one') }, { body: text('two') }),
      field(1, Buffer.concat([field(2, record), field(2, Buffer.concat([record, record])), service])),
    ]);
    expect(read(content, 5).map(({ body, serviceName }) => `${serviceName}:${body}`)).toEqual([
      ':one',
      ':two',
      's:late',
      's:late',
      's:late',
    ]);
  });

  test('what is newer than this program is passed over, everywhere', () => {
    const newer = Buffer.concat([
      field(99, 5),
      field(1000, Buffer.from('x')),
      Buffer.from([0xb9, 0x06, ...Buffer.alloc(8)]),
    ]);
    const value = Buffer.concat([newer, field(1, Buffer.from('v')), newer]);
    const attribute = Buffer.concat([newer, field(1, Buffer.from('k')), field(2, value)]);
    const record = Buffer.concat([newer, OBSERVED_BYTES, field(6, attribute), field(5, value)]);
    const scope = Buffer.concat([newer, field(1, newer), field(2, record)]);
    const resource = Buffer.concat([newer, field(1, newer), field(2, scope)]);
    const [found] = read(Buffer.concat([newer, field(1, resource), newer]), 1);
    expect(found).toMatchObject({ body: Buffer.from('v'), attributes: { k: 'v' } });
  });

  test('times are exact to the nanosecond', () => {
    const last = 4_291_747_199n * 1_000_000_000n + 999_999_999n;
    fc.assert(
      fc.property(fc.bigInt({ min: 1n, max: last }), fc.bigInt({ min: 1n, max: last }), (time, observed) => {
        const found = only({ timeUnixNano: time, observedTimeUnixNano: observed });
        expect([found.timestampNanos, found.observedNanos]).toEqual([time, observed]);
      }),
      {
        numRuns: 2000,
        examples: [
          [last, last],
          [1n, 999_999_999n],
          [1_000_000_000n, 4_294_967_295n],
        ],
      },
    );
  });

  test('is what the generated decoder reads', () => {
    const value = fc.letrec<{ value: ValueInit }>((tie) => ({
      value: fc.oneof(
        { maxDepth: 4 },
        fc.string({ unit: 'grapheme' }).map(text),
        fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }).map(int),
        fc.double().map(double),
        fc.boolean().map((one): ValueInit => ({ value: { case: 'boolValue', value: one } })),
        fc.uint8Array().map((one): ValueInit => ({ value: { case: 'bytesValue', value: one } })),
        fc.constant<ValueInit>({}),
        fc.array(tie('value')).map((values) => list(...values)),
        fc.array(fc.record({ key: fc.string(), value: tie('value') })).map((values) => map(...values)),
      ),
    })).value;
    const attributes = fc.uniqueArray(
      fc.record({ key: fc.string({ unit: 'grapheme' }).filter((key) => !key.startsWith('sluice.')), value }),
      { selector: ({ key }) => key },
    );
    const record = fc.record({
      observedTimeUnixNano: fc.bigInt({ min: 1n, max: 2n ** 61n }),
      severityNumber: fc.nat(24),
      severityText: fc.string(),
      eventName: fc.string(),
      body: value,
      attributes,
    });
    const resource = fc.record({
      resource: fc.record({ attributes }),
      records: fc.array(record, { maxLength: 3 }),
    });
    fc.assert(
      fc.property(fc.array(resource, { minLength: 1 }), (resources) => {
        const content = otlpBytes({
          resourceLogs: resources.map(({ resource: one, records }) => ({
            resource: one,
            scopeLogs: [{ logRecords: records }],
          })),
        });
        const wanted = fromBinary(LogsDataSchema, content).resourceLogs.flatMap((logsOfOne) =>
          (logsOfOne.scopeLogs[0]?.logRecords ?? []).map((one) => ({
            observedNanos: one.observedTimeUnixNano,
            severityNumber: one.severityNumber,
            severityText: one.severityText,
            eventName: one.eventName,
            body: Buffer.from(textOf(one.body)),
            attributes: attributesOf(one.attributes),
            resource: attributesOf(logsOfOne.resource?.attributes ?? []),
          })),
        );
        fc.pre(wanted.length > 0);
        expect(read(content, wanted.length)).toMatchObject(wanted);
      }),
      { numRuns: 300 },
    );
  });
});

/** The text of a value, from its decoded form. */
function textOf(value: AnyValue | undefined): string {
  const plain = plainOf(value);
  if (plain === null) return '';
  return typeof plain === 'string' ? plain : jsonOf(plain);
}

function plainOf(value: AnyValue | undefined): unknown {
  switch (value?.value.case) {
    case 'bytesValue':
      return Buffer.from(value.value.value).toString('base64');
    case 'arrayValue':
      return value.value.value.values.map(plainOf);
    case 'kvlistValue':
      return new Map(
        value.value.value.values.map((entry, index) => [{ key: entry.key, index }, plainOf(entry.value)]),
      );
    case 'doubleValue':
      return Number.isFinite(value.value.value) ? value.value.value : String(value.value.value);
    default:
      return value?.value.value ?? null;
  }
}

function jsonOf(plain: unknown): string {
  if (typeof plain === 'bigint') return String(plain);
  if (Array.isArray(plain)) return `[${plain.map(jsonOf).join(',')}]`;
  if (!(plain instanceof Map)) return JSON.stringify(plain);
  return `{${[...plain].map(([{ key }, one]) => `${JSON.stringify(key)}:${jsonOf(one)}`).join(',')}}`;
}

function attributesOf(attributes: readonly KeyValue[]): Record<string, string> {
  return Object.fromEntries(attributes.map(({ key, value }) => [key, textOf(value)]));
}

describe('what is refused, with the place', () => {
  const place = 'resource_logs[0].scope_logs[0].log_records[1]';
  test.each<[string, LogInit, string]>([
    ['a time of 2106', { timeUnixNano: 4_291_747_200_000_000_000n }, `${place}.time_unix_nano at byte`],
    ['the last of all times', { observedTimeUnixNano: 2n ** 64n - 1n }, 'outside of 1970..2105'],
    ['no time of reading', { observedTimeUnixNano: 0n }, `${place} at byte`],
    ['a trace id of 15 bytes', { traceId: Buffer.alloc(15) }, `${place}.trace_id at byte`],
    ['a span id of 16 bytes', { spanId: Buffer.alloc(16) }, '16 bytes, it has 0 or 8'],
    [
      'an offset that is text',
      { attributes: [{ key: 'a' }, { key: 'sluice.record.offset', value: text('1') }] },
      `${place}.attributes[1] at byte`,
    ],
    [
      'a negative offset',
      { attributes: [{ key: 'sluice.record.offset', value: int(-1n) }] },
      'is an int of 0 to',
    ],
    [
      'an origin that nobody knows',
      { attributes: [{ key: 'sluice.timestamp.origin', value: text('guessed') }] },
      'is one of read, assumed, inherited, clock',
    ],
  ])('%s', (_name, record, reason) => {
    const found = outcome(logs({}, record), 2);
    expect(found).toContain(reason);
    expect(found).toMatch(/^malformed block: resource_logs\[0\]/);
  });

  const broken = Buffer.from([0xff, 0x61]);
  test.each<[string, Buffer, string]>([
    [
      'a body that is not UTF-8',
      around(Buffer.concat([OBSERVED_BYTES, field(5, field(1, broken))])),
      '.body at byte',
    ],
    [
      'a long one too',
      around(
        Buffer.concat([OBSERVED_BYTES, field(5, field(1, Buffer.concat([Buffer.alloc(100, 0x61), broken])))]),
      ),
      'not UTF-8',
    ],
    ['a severity above 24', around(field(2, 25)), '.severity_number at byte'],
    [
      'a negative severity',
      around(Buffer.from('10ffffffffffffffffff01', 'hex')),
      '18446744073709551615 is above 24',
    ],
    ['a key that is not UTF-8', around(field(6, field(1, broken))), '.attributes[0] at byte'],
    ['a text of the level that is not UTF-8', around(field(3, broken)), '.severity_text at byte'],
    [
      'a resource that is not UTF-8',
      field(1, field(1, field(1, field(1, broken)))),
      'resource_logs[0].resource.attributes[0]',
    ],
    [
      'two resources',
      field(1, Buffer.concat([field(1, Buffer.alloc(0)), field(1, Buffer.alloc(0))])),
      'a second resource',
    ],
    [
      'two scopes',
      field(1, field(2, Buffer.concat([field(1, Buffer.alloc(0)), field(1, Buffer.alloc(0))]))),
      'a second scope',
    ],
    ['a length beyond the message', Buffer.from([0x0a, 0x05, 0x12]), 'field 1 of 5 bytes, 1 are left'],
    [
      'a length beyond all numbers',
      Buffer.from('0affffffffffffffffff01', 'hex'),
      'field 1 of 18446744073709552000 bytes',
    ],
    ['a number of more than 64 bits', Buffer.from('0affffffffffffffffff02', 'hex'), 'more than 64 bits'],
    ['a number without an end', Buffer.alloc(20, 0xff), 'more than 64 bits'],
    ['a number that is cut off', Buffer.from([0x0a, 0x80]), 'cut off'],
    ['a group', Buffer.from([0x0b, 0x0c]), 'wire type 3'],
    ['field 0', Buffer.from([0x02, 0x00]), 'impossible number'],
    ['a record that is a number', field(1, field(2, field(2, 7))), 'wire type 0, not 2'],
    [
      'a record that its scope cuts off',
      field(1, field(2, Buffer.concat([varint(18), varint(40)]))),
      'of 40 bytes, 0 are left',
    ],
    ['JSON', Buffer.from('{"resourceLogs":[]}'), 'malformed'],
    ['no records', otlpBytes({ resourceLogs: [{}] }), 'the message at byte'],
  ])('%s', (_name, content, reason) => {
    expect(outcome(content)).toContain(reason);
  });

  test('another number of records than the header says', () => {
    expect(outcome(logs({}, {}), 1)).toContain('more records than the 1');
    expect(outcome(logs({}, {}), 3)).toContain("2 records, the block's header says 3");
  });
});

describe('hostile content', () => {
  /** Lists in lists, `depth` of them. */
  function nested(depth: number): Buffer {
    let value: Buffer = Buffer.alloc(0);
    // From the inside out; a value of a list in a list.
    for (let level = 0; level < depth; level += 1) value = field(5, level === 0 ? value : field(1, value));
    return value;
  }

  test('values nest as deep as is allowed, and no deeper', () => {
    const body = (depth: number): Buffer => around(Buffer.concat([OBSERVED_BYTES, field(5, nested(depth))]));
    expect(outcome(body(MAX_VALUE_NESTING))).toBe('valid');
    expect(outcome(body(MAX_VALUE_NESTING + 1))).toContain(`nested deeper than ${MAX_VALUE_NESTING}`);
    expect(outcome(body(2000))).toContain('nested deeper');
  });

  test('a record has as many values as are allowed, and no more', () => {
    const commas = (count: number): Buffer =>
      around(
        Buffer.concat([OBSERVED_BYTES, field(5, field(5, Buffer.alloc(2 * count, Buffer.from([0x0a, 0]))))]),
      );
    expect(outcome(commas(MAX_RECORD_VALUES - 1))).toBe('valid');
    expect(outcome(commas(MAX_RECORD_VALUES))).toContain(`more than ${MAX_RECORD_VALUES} values`);
    const attributes = Buffer.alloc(2 * 1_000_000, Buffer.from([0x32, 0]));
    expect(outcome(around(attributes))).toContain(`.attributes[${MAX_RECORD_VALUES}] at byte`);
    const ofResource = field(1, field(1, Buffer.alloc(2 * 1_000_000, Buffer.from([0x0a, 0]))));
    expect(outcome(ofResource)).toContain('resource.attributes');
  });

  test('a small block becomes no large one', () => {
    const attribute = { key: 'a', value: text('x'.repeat(1_000_000)) };
    const logRecords = Array.from({ length: 1000 }, () => ({ observedTimeUnixNano }));
    const content = otlpBytes({
      resourceLogs: [{ resource: { attributes: [attribute] }, scopeLogs: [{ logRecords }] }],
    });
    expect(outcome(content, 1000)).toMatch(/log_records\[16\].* more than 16777216 bytes of columns/);
    const ofScope = otlpBytes({
      resourceLogs: [{ scopeLogs: [{ scope: { attributes: [attribute] }, logRecords }] }],
    });
    expect(outcome(ofScope, 1000)).toContain('bytes of columns');
    const escaped = logs(...Array.from({ length: 8 }, () => ({ body: list(text('\x01'.repeat(500_000))) })));
    expect(outcome(escaped, 8)).toContain('bytes of columns');
  });

  test('names of attributes are a bounded number', () => {
    const named = (count: number): Buffer =>
      logs(
        ...Array.from({ length: count / 16 }, (_, record) => ({
          attributes: Array.from({ length: 16 }, (_key, index) => ({ key: `${16 * record + index}` })),
        })),
      );
    expect(outcome(named(65_536), 4096)).toBe('valid');
    expect(outcome(named(65_552), 4097)).toMatch(/log_records\[4096\].* more than 65536 different names/);
  });

  test('the most that fits is taken, and its size is known', () => {
    const record = Buffer.concat([varint(18), varint(OBSERVED_BYTES.length), OBSERVED_BYTES]);
    const count = 200_000;
    const content = field(1, field(2, Buffer.alloc(count * record.length, record)));
    const { columnBytes } = checkBlock(otlpPayload(content), expectedOf(content, count));
    expect(columnBytes).toBeGreaterThan(content.length);
    expect(columnBytes).toBe(openBlock(otlpPayload(content), expectedOf(content, count)).raw.length);
    expect(outcome(content, 2 ** 32 - 1)).toContain(`${count} records`);
  });

  test('a frame that holds more than it says is not inflated', () => {
    const bomb = otlpPayload(Buffer.alloc(64 * 1024 * 1024));
    expect(() => openBlock(bomb, { ...ID, rawBytes: 1000, recordCount: 1 })).toThrow('states');
  });

  const sample = otlpBytes({
    resourceLogs: [
      {
        resource: { attributes: [{ key: 'service.name', value: text('shop') }] },
        schemaUrl: 'r',
        scopeLogs: [
          {
            scope: { name: 'n', version: 'v', attributes: [{ key: 'x', value: list(int(1n), text('y')) }] },
            schemaUrl: 's',
            logRecords: Array.from({ length: 3 }, (_, index) => ({
              timeUnixNano: 1_700_000_000_000_000_000n,
              observedTimeUnixNano,
              severityNumber: 9,
              severityText: 'INFO',
              body: index === 1 ? map({ key: 'k', value: text('v') }) : text(`line ${index}`),
              attributes: [
                { key: 'sluice.record.offset', value: int(5n) },
                { key: 'd', value: double(1.5) },
              ],
              traceId: Buffer.alloc(16, 1),
              spanId: Buffer.alloc(8, 2),
              flags: 1,
            })),
          },
        ],
      },
    ],
  });

  test('cut off anywhere it is malformed', () => {
    expect(outcome(sample, 3)).toBe('valid');
    for (let length = 1; length < sample.length; length += 1)
      expect(outcome(sample.subarray(0, length), 3)).toContain('malformed block');
  });

  test('whatever the bytes are, the outcome is a valid block or block_malformed', () => {
    const mutation = fc.record({
      at: fc.nat(sample.length - 1),
      byte: fc.oneof(fc.constantFrom(0, 1, 0x7f, 0x80, 0xff), fc.nat(255)),
      kind: fc.constantFrom('set', 'insert', 'delete', 'cut'),
    });
    let valid = 0;
    let refused = 0;
    fc.assert(
      fc.property(fc.array(mutation, { minLength: 1, maxLength: 4 }), (mutations) => {
        let content: Buffer = Buffer.from(sample);
        for (const { at, byte, kind } of mutations) {
          const tail = content.subarray(kind === 'set' || kind === 'delete' ? at + 1 : at);
          const middle = kind === 'set' || kind === 'insert' ? [byte] : [];
          content = Buffer.concat([
            content.subarray(0, at),
            Buffer.from(middle),
            kind === 'cut' ? Buffer.alloc(0) : tail,
          ]);
        }
        if (content.length > 0 && outcome(content, 3) === 'valid') valid += 1;
        else refused += 1;
      }),
      { numRuns: 5000 },
    );
    expect(valid).toBeGreaterThan(0);
    expect(refused).toBeGreaterThan(valid);
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 300 }), (bytes) => {
        expect(outcome(bytes)).toContain('malformed');
      }),
      { numRuns: 2000 },
    );
  });
});
