import { SluiceError } from '@sluice/base/error';
import { MAX_BLOCK_RAW_BYTES } from '@sluice/protocol/model';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  blockIds as ids,
  OBSERVED_MS as OBSERVED,
  OPTIONS,
  openRecords as open,
  recordOf as record,
} from './record-fixture.ts';
import { Recorder, type RecorderOptions } from './recorder.ts';

const READ = '2026-06-20T12:00:00.25';

// line, time, severity text, severity number
const LINES: readonly (readonly [string, string, string, number])[] = [
  // ISO 8601 and its relatives
  ['2026-01-02T03:04:05Z INFO up', '2026-01-02T03:04:05', 'INFO', 9],
  ['2026-01-02T03:04:05.123456789Z WARN up', '2026-01-02T03:04:05.123456789', 'WARN', 13],
  ['2026-01-02T03:04:05.1234567891Z x', '2026-01-02T03:04:05.123456789', '', 0],
  ['2026-01-02 03:04:05,678 - root - ERROR - x', '2026-01-02T03:04:05.678', 'ERROR', 17],
  ['2026-01-02T03:04:05+02:00 x', '2026-01-02T01:04:05', '', 0],
  ['2026-01-02 03:04:05 -0730 x', '2026-01-02T10:34:05', '', 0],
  // As Java and others name zones that are some hours off.
  ['2026-01-02 03:04:05 GMT+2 INFO x', '2026-01-02T01:04:05', 'INFO', 9],
  ['2026-01-02 03:04:05 GMT-12 INFO x', '2026-01-02T15:04:05', 'INFO', 9],
  ['2026-01-02 03:04:05 GMT+2:30 INFO x', '2026-01-02T00:34:05', 'INFO', 9],
  ['2026-01-02 03:04:05 UTC+02:30 INFO x', '2026-01-02T00:34:05', 'INFO', 9],
  ['2026-01-02 03:04:05 UTC-0730 INFO x', '2026-01-02T10:34:05', 'INFO', 9],
  ['2026-01-02 03:04:05 UTC+1', '2026-01-02T02:04:05', '', 0],
  ['2026-01-02 03:04:05 UTC - INFO x', '2026-01-02T03:04:05', 'INFO', 9],
  ['2026-01-02 03:04:05 UTC-', '2026-01-02T03:04:05', '', 0],
  ['2026-01-02 03:04:05.5 UTC [12] FATAL:  no', '2026-01-02T03:04:05.5', 'FATAL', 21],
  ['2026-01-02 03:04:05 [main] DEBUG com.x.Y - x', '2026-01-02T03:04:05', 'DEBUG', 5],
  ['2026-01-02T03:04:05.1Z 0 [Warning] [MY-1] x', '2026-01-02T03:04:05.1', 'Warning', 13],
  ['2026-01-02T03:04:05.1Z\tinfo\tx', '2026-01-02T03:04:05.1', 'info', 9],
  ['2026/01/02 15:04:05 [crit] 12#0: x', '2026-01-02T15:04:05', 'crit', 18],
  ['2026/01/02 15:04:05 http: panic serving', '2026-01-02T15:04:05', '', 0],
  ['[2026-01-02T03:04:05Z] [ WARN ] x', '2026-01-02T03:04:05', 'WARN', 13],
  ['2025-09-22 04:55:01 status installed libc6', '2025-09-22T04:55:01', '', 0],
  [
    '2015-07-29 17:41:44,747 - INFO  [QuorumPeer[myid=1]/0:2181:F@774] - ERROR',
    '2015-07-29T17:41:44.747',
    'INFO',
    9,
  ],
  ['2015-10-18 18:01:47,978 TRACE [main] a.B: C', '2015-10-18T18:01:47.978', 'TRACE', 1],
  ['2025-12-31 23:59:60 INFO leap', '2025-12-31T23:59:59', 'INFO', 9],
  ['2026-01-02T03:04:05', '2026-01-02T03:04:05', '', 0],
  // ctime
  ['Sun Dec 04 04:47:44 2005 x', '2005-12-04T04:47:44', '', 0],
  ['[Sun Dec 04 04:47:44 2005] [notice] x error', '2005-12-04T04:47:44', 'notice', 10],
  [
    '[Sun Dec  4 04:47:44.123456 2005] [core:error] [pid 3:tid 4] x',
    '2005-12-04T04:47:44.123456',
    'error',
    17,
  ],
  // syslog
  ['Jun 14 15:16:01 combo sshd(pam_unix)[19939]: authentication failure', '2026-06-14T15:16:01', '', 0],
  ['Jun  4 15:16:01 combo su[1]: error: x', '2026-06-04T15:16:01', '', 0],
  ['Jun  4 15:16:01 combo app[1]: ERROR x', '2026-06-04T15:16:01', 'ERROR', 17],
  ['Jun 21 11:00:00 a b: tomorrow is this year', '2026-06-21T11:00:00', '', 0],
  ['Jun 22 15:16:01 a b: later is last year', '2025-06-22T15:16:01', '', 0],
  ['Feb 29 15:16:01 a b: the last leap year', '2024-02-29T15:16:01', '', 0],
  ['<34>Oct 11 22:14:15 mymachine su: x', '2025-10-11T22:14:15', 'crit', 18],
  ['<165>1 2003-10-11T22:14:15.003Z host app 12 ID47 - x', '2003-10-11T22:14:15.003', 'notice', 10],
  ['<0>1 - - - - - - x', READ, 'emerg', 21],
  ['<189>2026-01-02T03:04:05Z host app: x', '2026-01-02T03:04:05', 'notice', 10],
  ['2026-01-02T03:04:05.123456+01:00 host cron[7]: x', '2026-01-02T02:04:05.123456', '', 0],
  // others
  ['17/06/09 20:10:40 INFO executor.X: y', '2017-06-09T20:10:40', 'INFO', 9],
  ['081109 203615 148 INFO dfs.X: y', '2008-11-09T20:36:15', 'INFO', 9],
  ['03-17 16:13:38.811  1702  2395 D Window: y', '2026-03-17T16:13:38.811', 'D', 5],
  ['03-17 16:13:38.811  1702  2395 V Window: y', '2026-03-17T16:13:38.811', 'V', 1],
  ['I0102 15:04:05.000012    12 file.go:1] y', '2026-01-02T15:04:05.000012', 'I', 9],
  ['F0102 15:04:05.000012    12 file.go:1] y', '2026-01-02T15:04:05.000012', 'F', 21],
  ['127.0.0.1 - frank [10/Oct/2000:13:55:36 -0700] "GET / HTTP/1.0" 500 1', '2000-10-10T20:55:36', '', 0],
  ['::1 - - [10/Oct/2000:13:55:36 +0000] "GET /" 200 1', '2000-10-10T13:55:36', '', 0],
  ['ERROR 2026-01-02T03:04:05Z x', '2026-01-02T03:04:05', 'ERROR', 17],
  ['[ERROR] x', READ, 'ERROR', 17],
  ['warning: x', READ, 'warning', 13],
  ['time="2026-01-02T03:04:05Z" level=warning msg="x"', '2026-01-02T03:04:05', 'warning', 13],
  // nothing stated
  ['', READ, '', 0],
  ['an error in prose', READ, '', 0],
  ['Error opening file', READ, '', 0],
  ['2026-13-02 03:04:05 ERROR no such month', READ, '', 0],
  ['2026-02-29 03:04:05 x', READ, '', 0],
  ['2026-01-02 24:04:05 x', READ, '', 0],
  ['2026-01-02', READ, '', 0],
  ['Jun 14 15:16:0', READ, '', 0],
  ['Jun 31 15:16:01 a b: c', READ, '', 0],
  ['[Sun Dec 04 04:47:44', READ, '', 0],
  ['<999>x', READ, '', 0],
  ['{broken', READ, '', 0],
  ['[1, 2]', READ, '', 0],
  ['"text"', READ, '', 0],
  ['{"a":', READ, '', 0],
  // JSON
  ['{"time":"2026-01-02T03:04:05.5Z","level":"error","msg":"x"}', '2026-01-02T03:04:05.5', 'error', 17],
  ['{"time":1700000000123,"level":40,"msg":"x"}', '2023-11-14T22:13:20.123', '40', 13],
  ['{"ts":1700000000.25,"lvl":"dbg"}', '2023-11-14T22:13:20.25', 'dbg', 5],
  ['{"timestamp":"1700000000","severity":"NOTICE"}', '2023-11-14T22:13:20', 'NOTICE', 10],
  ['{"time":"yesterday","level":"loud"}', READ, '', 0],
  ['{}', READ, '', 0],
];

describe('time and severity', () => {
  test.each(LINES)('%s', (line, time, text, severity) => {
    const read = record(line);
    expect([read.time, read.severityText, read.severityNumber]).toEqual([time, text, severity]);
  });

  test.each(LINES.filter(([line]) => !line.startsWith('{')))('the body is the line: %s', (line) => {
    expect(record(line).body.toString()).toBe(line);
  });

  test('all formats in one file, in any order, come out as each alone', () => {
    fc.assert(
      fc.property(fc.shuffledSubarray([...LINES], { minLength: 2 }), (lines) => {
        const recorder = new Recorder(OPTIONS);
        const consumer = recorder.forFile('/var/log/app.log');
        const counts = new Map<string, number>();
        for (const [line, , text, severity] of lines) {
          const bytes = Buffer.from(line);
          consumer.line(bytes, 0, bytes.length, OBSERVED, 0);
          const key = `${text}/${severity}`;
          counts.set(key, (counts.get(key) ?? 0) + 1);
        }
        for (const block of recorder.cut(ids())) {
          for (const read of open(block)) {
            const key = `${read.severityText}/${read.severityNumber}`;
            counts.set(key, (counts.get(key) ?? 0) - 1);
          }
        }
        expect([...counts.values()].every((count) => count === 0)).toBe(true);
      }),
      { numRuns: 50 },
    );
  });

  test('a time without zone is of the given zone, in summer and in winter', () => {
    const options = { ...OPTIONS, timeZone: 'Europe/Berlin' };
    expect(record('2026-01-02 03:04:05 x', options).time).toBe('2026-01-02T02:04:05');
    expect(record('2025-07-02 03:04:05 x', options).time).toBe('2025-07-02T01:04:05');
    // Clocks go forward at 01:00 UTC on March 30, back at 01:00 UTC on October 26; the double hour is taken as the first.
    expect(record('2025-03-30 01:59:59 x', options).time).toBe('2025-03-30T00:59:59');
    expect(record('2025-03-30 03:00:00 x', options).time).toBe('2025-03-30T01:00:00');
    expect(record('2025-10-26 02:30:00 x', options).time).toBe('2025-10-26T00:30:00');
    expect(record('2025-10-26 03:00:00 x', options).time).toBe('2025-10-26T02:00:00');
    expect(() => new Recorder({ ...OPTIONS, timeZone: 'Mars/Base' })).toThrow(SluiceError);
  });

  test('the year that is missing changes at the right moment', () => {
    const newYear = Date.UTC(2027, 0, 1, 0, 0, 5);
    expect(record('Dec 31 23:59:59 a b: c', OPTIONS, '/x', newYear).time).toBe('2026-12-31T23:59:59');
    expect(record('Jan  1 00:00:01 a b: c', OPTIONS, '/x', newYear).time).toBe('2027-01-01T00:00:01');
    const yearEnd = Date.UTC(2026, 11, 31, 23, 59);
    expect(record('Jan  1 00:00:01 a b: c', OPTIONS, '/x', yearEnd).time).toBe('2027-01-01T00:00:01');
    expect(record('Jan  2 00:00:01 a b: c', OPTIONS, '/x', yearEnd).time).toBe('2026-01-02T00:00:01');
  });
});

describe('who and where', () => {
  test('syslog says program, process and host', () => {
    const read = record('Jun 14 15:16:01 combo sshd(pam_unix)[19939]: x');
    expect(read.serviceName).toBe('sshd');
    expect(read.resource).toEqual({ 'host.name': 'combo' });
    expect(read.attributes).toEqual({ 'log.file.path': '/var/log/app.log', 'process.pid': '19939' });
    const modern = record('2026-01-02T03:04:05.123456+01:00 web-1 CRON[7]: x');
    expect([modern.serviceName, modern.resource['host.name']]).toEqual(['CRON', 'web-1']);
    const structured = record('<165>1 2003-10-11T22:14:15.003Z h1 app 12 ID47 - x');
    expect([structured.serviceName, structured.resource['host.name']]).toEqual(['app', 'h1']);
    expect(structured.attributes['process.pid']).toBe('12');
  });

  test.each([
    ['/var/log/Zookeeper.log', 'Zookeeper'],
    ['/var/log/dpkg.log.2.gz', 'dpkg'],
    ['/var/log/app.log-20260102', 'app'],
    ['/var/log/app-2026-01-02.json', 'app'],
    ['/var/log/nginx/access.log', 'nginx'],
    ['/var/log/syslog', 'syslog'],
    ['/x/.log', '.log'],
  ])('the file %s is of the service %s', (path, service) => {
    const read = record('plain', OPTIONS, path);
    expect([read.serviceName, read.resource, read.attributes]).toEqual([
      service,
      { 'host.name': 'here' },
      { 'log.file.path': path },
    ]);
  });

  test('JSON: fields are lifted, the rest is flattened', () => {
    const read = record(
      JSON.stringify({
        level: 30,
        service: { name: 'api', version: 2 },
        hostname: 'h2',
        log: 'inner',
        msg: 'größe',
        trace_id: '0123456789ABCDEF0123456789ABCDEF',
        span_id: '0123456789abcdef',
        trace_flags: '01',
        a: { b: { c: { d: { e: { f: 1 } } } } },
        list: [1, 'x'],
        no: null,
        yes: true,
      }),
    );
    expect(read.body.toString()).toBe('größe');
    expect([read.serviceName, read.resource['host.name']]).toEqual(['api', 'h2']);
    expect([read.traceId, read.spanId, read.traceFlags]).toEqual([
      '0123456789abcdef0123456789abcdef',
      '0123456789abcdef',
      1,
    ]);
    expect(read.attributes).toEqual({
      'log.file.path': '/var/log/app.log',
      'service.version': '2',
      log: 'inner',
      'a.b.c.d.e': '{"f":1}',
      list: '[1,"x"]',
      yes: 'true',
    });
  });

  test('JSON: what does not fit its place stays an attribute, and the number of attributes is bounded', () => {
    const odd = record('{"trace_id":"xyz","level":true,"msg":5,"service":""}');
    expect(odd.attributes).toMatchObject({ trace_id: 'xyz', level: 'true', msg: '5', service: '' });
    expect(odd.body.toString()).toBe('{"trace_id":"xyz","level":true,"msg":5,"service":""}');
    const many = record(
      JSON.stringify(Object.fromEntries(Array.from({ length: 300 }, (_, n) => [`k${n}`, n]))),
    );
    expect(Object.keys(many.attributes)).toHaveLength(130);
    expect(many.attributes.dropped_attributes_count).toBe('172');
  });
});

describe('urgency', () => {
  test.each([
    ['FATAL', 'urgent'],
    ['ERROR', 'urgent'],
    ['WARN', 'elevated'],
    ['INFO', 'normal'],
    ['', 'normal'],
    ['DEBUG', 'bulk'],
    ['TRACE', 'bulk'],
  ])('%s is %s', (level, urgency) => {
    expect(record(`2026-01-02 03:04:05 ${level} x`).urgency).toBe(urgency);
  });

  test('rules move records by service and by path', () => {
    const options: RecorderOptions = {
      ...OPTIONS,
      urgencyRules: [
        { urgency: 'urgent', service: 'audit*' },
        { urgency: 'bulk', path: '/var/log/noisy/**' },
      ],
    };
    expect(record('Jun 14 15:16:01 h auditd[1]: x', options).urgency).toBe('urgent');
    expect(record('ERROR: x', options, '/var/log/noisy/a.log').urgency).toBe('bulk');
    expect(record('ERROR: x', options).urgency).toBe('urgent');
  });

  test('a rule without conditions makes all alike', () => {
    const options: RecorderOptions = { ...OPTIONS, urgencyRules: [{ urgency: 'normal' }] };
    for (const line of ['ERROR: x', 'WARN: x', 'DEBUG: x', 'x']) {
      expect(record(line, options).urgency).toBe('normal');
    }
  });
});

describe('cuts', () => {
  test('most urgent first, each with its id, and nothing is left', () => {
    const recorder = new Recorder(OPTIONS);
    const consumer = recorder.forFile('/var/log/app.log');
    for (const line of ['DEBUG: a', 'ERROR: b', 'plain', 'WARN: c', 'plain 2']) {
      consumer.line(Buffer.from(line), 0, line.length, OBSERVED, 0);
    }
    expect(recorder.pendingRecords).toBe(5);
    expect(recorder.urgentPending).toBe(true);
    const blocks = recorder.cut(ids());
    expect(blocks.map(({ header }) => [header.urgency, header.id.sequence, header.recordCount])).toEqual([
      ['urgent', 1, 1],
      ['elevated', 2, 1],
      ['normal', 3, 2],
      ['bulk', 4, 1],
    ]);
    expect([recorder.pendingRecords, recorder.largestBuilderRawBytes]).toEqual([0, 0]);
    expect(recorder.urgentPending).toBe(false);
    expect(recorder.cut(ids())).toEqual([]);
  });

  test('lines of any length never break a block, and stay in order', () => {
    const recorder = new Recorder(OPTIONS);
    const consumer = recorder.forFile('/var/log/app.log');
    const long = Buffer.alloc(256 * 1024, 0xff);
    const list = Buffer.from(`{"list":[${Array.from({ length: 50_000 }, () => '1e20').join(',')}]}`);
    for (let line = 0; line < 40; line += 1) {
      long.write(`line ${line} `);
      consumer.line(long, 0, long.length, OBSERVED, 0);
      consumer.line(list, 0, list.length, OBSERVED, 0);
    }
    const huge = Buffer.alloc(8 * 1024 * 1024, 0x61);
    consumer.line(huge, 0, huge.length, OBSERVED, 0);
    const blocks = recorder.cut(ids());
    expect(blocks.length).toBeGreaterThan(2);
    let next = 0;
    for (const block of blocks) {
      expect(block.raw.length).toBeLessThanOrEqual(MAX_BLOCK_RAW_BYTES);
      for (const read of open(block)) {
        if (read.body.subarray(0, 5).toString() !== 'line ') continue;
        expect(read.body.toString('latin1', 0, 8).trim()).toBe(`line ${next}${next < 10 ? ' ÿ' : ''}`.trim());
        expect(read.body).toHaveLength(256 * 1024);
        next += 1;
      }
    }
    expect(next).toBe(40);
  });

  test('any bytes become a record with exactly these bytes', () => {
    const starts = LINES.map(([line]) => line);
    fc.assert(
      fc.property(
        fc.constantFrom(...starts),
        fc.nat(60),
        fc.uint8Array({ maxLength: 40 }),
        (line, cut, tail) => {
          const bytes = Buffer.concat([Buffer.from(line).subarray(0, cut), tail]);
          const read = record(bytes);
          if (bytes[0] !== 0x7b) expect(read.body.equals(bytes)).toBe(true);
        },
      ),
      { numRuns: 1000 },
    );
  });
});

describe('where a record comes from', () => {
  test.each([
    ['2026-01-02T03:04:05Z INFO x', 'read'],
    ['2026-01-02 03:04:05 +0200 x', 'read'],
    ['192.0.2.1 - - [10/Oct/2025:13:55:36 -0700] "GET / HTTP/1.1" 200 2326', 'read'],
    ['{"time":"2026-01-02T03:04:05Z","msg":"x"}', 'read'],
    ['{"ts":1767323045.5,"msg":"x"}', 'read'],
    ['2026-01-02 03:04:05 GMT+2 x', 'read'],
    ['2026-01-02 03:04:05 GMT+19 x', 'assumed'],
    // No zone, or no year.
    ['2026-01-02 03:04:05,678 INFO x', 'assumed'],
    ['{"time":"2026-01-02 03:04:05","msg":"x"}', 'assumed'],
    ['Jun 14 15:16:01 host su[1]: x', 'assumed'],
    ['[Sun Dec 04 04:47:44 2005] [notice] x', 'assumed'],
    ['03-17 16:13:38.811  1702  2395 D Tag: x', 'assumed'],
    // None, or none that can be.
    ['nothing of the kind', 'clock'],
    ['9999-12-31T23:59:59Z INFO x', 'clock'],
    ['{"time":45,"msg":"x"}', 'clock'],
    ['{"msg":"x"}', 'clock'],
  ])('the time of %s is %s', (line, origin) => {
    expect(record(line).timestampOrigin).toBe(origin);
  });

  test('each record says where its line begins, also beyond 4 GiB and behind one that is put aside', () => {
    const recorder = new Recorder(OPTIONS);
    const consumer = recorder.forFile('/var/log/app.log');
    const offsets = [0, 1, 2 ** 32 - 1, 2 ** 32, 2 ** 45 + 17];
    const long = Buffer.alloc(256 * 1024, 0x61);
    const all = Array.from({ length: 40 }, (_, round) => offsets.map((at) => at + 2 * round)).flat();
    for (const at of all) consumer.line(long, 0, long.length, OBSERVED, at);
    const blocks = recorder.cut(ids());
    expect(blocks.length).toBeGreaterThan(1);
    expect(blocks.flatMap(open).map(({ offsetBytes }) => offsetBytes)).toEqual(all);
  });
});
