import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { EARLIEST_EVENT_SECONDS, MAX_EVENT_AHEAD_SECONDS, readUnixDigits } from './event-time.ts';
import { OBSERVED_MS, OPTIONS, recordOf } from './record-fixture.ts';
import { TimeReading } from './timestamp.ts';

const READ = '2026-06-20T12:00:00.25';

describe('a number under a name of time', () => {
  test.each([
    // Durations, counts, dates without separators, and what no clock says.
    ...['45', '0.123', '12345.6', '20240102', '-1', '0', '1e30', '999999999', '1e9'].map((text) => [
      text,
      READ,
    ]),
    ['99999999999', READ],
    ['9999999999999999999', READ],
    ['4000000000', READ],
    // Times, exact to the digit.
    ['1700000000', '2023-11-14T22:13:20'],
    ['1700000000.25', '2023-11-14T22:13:20.25'],
    ['1700000000123', '2023-11-14T22:13:20.123'],
    ['1700000000123.456', '2023-11-14T22:13:20.123456'],
    ['1700000000123456', '2023-11-14T22:13:20.123456'],
    ['1700000000123456789', '2023-11-14T22:13:20.123456789'],
    ['1699999999999999999', '2023-11-14T22:13:19.999999999'],
  ])('%s', (digits, time) => {
    // 1e9 is written with an exponent, but is a number like any other: 2001, ten digits.
    const expected = digits === '1e9' ? '2001-09-09T01:46:40' : time;
    const read = recordOf(`{"msg":"m","ts":${digits}}`);
    expect(read.time).toBe(expected);
    expect(read.attributes.ts).toBe(expected === READ ? String(Number(digits)) : undefined);
  });

  test('the first that can be a time is taken, the others stay attributes', () => {
    const read = recordOf('{"time":45,"date":20240102,"ts":1700000000,"timestamp":1700000001}');
    expect(read.time).toBe('2023-11-14T22:13:20');
    expect(read.attributes).toMatchObject({ time: '45', date: '20240102', timestamp: '1700000001' });
  });
});

describe('a text under a name of time', () => {
  test.each([
    '0x10',
    '   7  ',
    ' 1700000000',
    '1700000000 ',
    '1.7e9',
    '+1700000000',
    '17000000000000',
    '1700000000.',
    'NaN',
    '',
  ])("'%s' is none", (text) => {
    const read = recordOf(JSON.stringify({ ts: text, msg: 'm' }));
    expect([read.time, read.attributes.ts]).toEqual([READ, text]);
    expect(read.attributes).not.toHaveProperty(['sluice.time.refused']);
  });

  test.each([
    ['1700000000', '2023-11-14T22:13:20'],
    ['1700000000.123456789', '2023-11-14T22:13:20.123456789'],
    ['1700000000123456789', '2023-11-14T22:13:20.123456789'],
  ])("'%s' is one", (text, time) => {
    expect(recordOf(JSON.stringify({ ts: text })).time).toBe(time);
  });
});

describe('a time that cannot be', () => {
  test.each([
    ['9999-12-31T23:59:59Z ERROR x', '9999-12-31T23:59:59Z', 17],
    ['2300-01-01T00:00:00Z ERROR x', '2300-01-01T00:00:00Z', 17],
    ['[2106-01-01 00:00:00] [error] x', '2106-01-01 00:00:00', 17],
    ['0001-01-01T00:00:00Z WARN x', '0001-01-01T00:00:00Z', 13],
    ['1960-01-01 00:00:00,123 WARN x', '1960-01-01 00:00:00,123', 13],
    ['1970-01-01T00:00:07Z INFO booted without a clock', '1970-01-01T00:00:07Z', 9],
    ['Sun Dec 04 04:47:44 2105 [notice] x', 'Sun Dec 04 04:47:44 2105', 10],
    ['127.0.0.1 - - [10/Oct/2099:13:55:36 +0000] "GET /" 200', '10/Oct/2099:13:55:36 +0000', 0],
    ['time="2099-01-02T03:04:05Z" level=warning msg="x"', '2099-01-02T03:04:05Z', 13],
    ['ERROR 2099-01-02T03:04:05Z x', '2099-01-02T03:04:05Z', 17],
    ['<34>1 2099-10-11T22:14:15.003Z host app 12 ID47 - x', '2099-10-11T22:14:15.003Z', 18],
    ['{"time":"9999-12-31T23:59:59Z","level":"error"}', '9999-12-31T23:59:59Z', 17],
  ])(
    '%s: the time of reading, marked with what is written, and the severity stays',
    (line, written, severity) => {
      const read = recordOf(line);
      expect([read.time, read.severityNumber]).toEqual([READ, severity]);
      expect(read.attributes['sluice.time.refused']).toBe(written);
      if (line.startsWith('{')) expect(read.attributes.time).toBe(written);
      else expect(read.body.toString()).toBe(line);
    },
  );

  test('another field may still state the time, and then nothing is refused', () => {
    const read = recordOf('{"time":"9999-12-31T23:59:59Z","ts":"2026-01-02T03:04:05Z"}');
    expect(read.time).toBe('2026-01-02T03:04:05');
    expect(read.attributes).not.toHaveProperty(['sluice.time.refused']);
  });

  test('the window: from 1990 to a week after the time of reading', () => {
    const at = (seconds: number): string =>
      recordOf(`${new Date(seconds * 1000).toISOString()} INFO x`).time.slice(0, 19);
    const nowSeconds = Math.floor(OBSERVED_MS / 1000);
    const latest = nowSeconds + MAX_EVENT_AHEAD_SECONDS;
    const read = READ.slice(0, 19);
    expect(at(EARLIEST_EVENT_SECONDS)).toBe('1990-01-01T00:00:00');
    expect(at(EARLIEST_EVENT_SECONDS - 1)).toBe(read);
    expect(at(latest)).toBe(new Date(latest * 1000).toISOString().slice(0, 19));
    expect(at(latest + 1)).toBe(read);
  });

  test('a computer whose clock was never set takes the word of the line', () => {
    const booted = 45_000;
    const line = '2026-06-20T12:00:00Z INFO x';
    expect(recordOf(line, OPTIONS, '/x', booted).time).toBe('2026-06-20T12:00:00');
    expect(recordOf('9999-12-31T23:59:59Z x', OPTIONS, '/x', booted).time).toBe('1970-01-01T00:00:45');
  });
});

test('digits are read as they are written', () => {
  fc.assert(
    fc.property(fc.bigInt({ min: 1_000_000_000_000_000_000n, max: 9_999_999_999_999_999_999n }), (nanos) => {
      const place = new TimeReading();
      expect(readUnixDigits(String(nanos), place)).toBe(true);
      expect(BigInt(place.seconds) * 1_000_000_000n + BigInt(place.nanos)).toBe(nanos);
      const digits = String(nanos);
      const other = new TimeReading();
      expect(readUnixDigits(`${digits.slice(0, 10)}.${digits.slice(10)}`, other)).toBe(true);
      expect(other).toEqual(place);
    }),
  );
});
