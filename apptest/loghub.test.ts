/**
 * The recorder against real logs of eight systems (Loghub), whose times and levels others have taken apart by hand.
 * The data is not part of this repository; without it these tests are skipped.
 */
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { compressBlockSync } from '@sluice/block/builder';
import { type ReadRecord, readRecords } from '@sluice/block/reader';
import { openBlock } from '@sluice/block/validator';
import type { AgentId } from '@sluice/protocol/model';
import { Recorder } from '@sluice/record/recorder';
import { splitLines } from '@sluice/source/file/line-splitter';
import { parse } from 'csv-parse/sync';
import { describe, expect, test } from 'vitest';

const DATA = path.join(import.meta.dirname, '../../shared/data/loghub');
const LINES = 2000;
const OBSERVED = Date.UTC(2026, 5, 20);

type Row = Readonly<Record<string, string>>;

interface System {
  readonly name: string;
  /** Event time of a row as `YYYY-MM-DDTHH:MM:SS[.fff]`; without a year as `MM-DDTHH:MM:SS`. */
  readonly time: (row: Row) => string;
  /** Shares of lines that state a time and a severity. */
  readonly timed: number;
  readonly withSeverity: number;
}

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

function month(name: string | undefined): string {
  return String(MONTHS.indexOf(name ?? '') + 1).padStart(2, '0');
}

function two(text: string | undefined): string {
  return (text ?? '').padStart(2, '0');
}

const isoWithComma = (row: Row): string => `${row.Date}T${row.Time?.replace(',', '.')}`;
const SYSTEMS: readonly System[] = [
  { name: 'Android', time: (row) => `${row.Date}T${row.Time}`, timed: 1, withSeverity: 1 },
  {
    name: 'Apache',
    time: (row) => {
      const [, name, day, clock, year] = row.Time?.split(' ') ?? [];
      return `${year}-${month(name)}-${day}T${clock}`;
    },
    timed: 1,
    withSeverity: 1,
  },
  {
    name: 'HDFS',
    time: (row) => {
      const [date, clock] = [row.Date?.padStart(6, '0') ?? '', row.Time?.padStart(6, '0') ?? ''];
      return `20${date.slice(0, 2)}-${date.slice(2, 4)}-${date.slice(4)}T${clock.slice(0, 2)}:${clock.slice(2, 4)}:${clock.slice(4)}`;
    },
    timed: 1,
    withSeverity: 1,
  },
  { name: 'Hadoop', time: isoWithComma, timed: 1, withSeverity: 1 },
  {
    name: 'Linux',
    time: (row) => `${month(row.Month)}-${two(row.Date)}T${row.Time}`,
    timed: 1,
    // Only logrotate begins its message with a level: `logrotate: ALERT exited abnormally with [1]`.
    withSeverity: 43 / LINES,
  },
  {
    name: 'OpenSSH',
    time: (row) => `${month(row.Date)}-${two(row.Day)}T${row.Time}`,
    timed: 1,
    withSeverity: 0,
  },
  {
    name: 'Spark',
    time: (row) => `20${row.Date?.replaceAll('/', '-')}T${row.Time}`,
    timed: 1,
    withSeverity: 1,
  },
  { name: 'Zookeeper', time: isoWithComma, timed: 1, withSeverity: 1 },
];

const SEVERITIES: ReadonlyMap<string, number> = new Map([
  ['V', 1],
  ['D', 5],
  ['I', 9],
  ['W', 13],
  ['E', 17],
  ['DEBUG', 5],
  ['INFO', 9],
  ['WARN', 13],
  ['ERROR', 17],
  ['ALERT', 19],
  ['FATAL', 21],
  ['notice', 10],
  ['error', 17],
]);

/** The records of the lines, in the order of the lines. */
function recordsOf(name: string): ReadRecord[] {
  const bytes = Buffer.concat([readFileSync(path.join(DATA, `${name}_2k.log`)), Buffer.from('\n')]);
  const recorder = new Recorder({ hostName: 'here', timeZone: 'UTC' });
  const consumer = recorder.forFile(`/var/log/${name}.log`);
  const records: ReadRecord[] = [];
  let sequence = 0;
  const afterLine = (): void => {
    const blocks = recorder.cut(() => {
      sequence += 1;
      // A name as the configuration makes it.
      return { agentId: 'a' as AgentId, epoch: 1, sequence };
    });
    for (const block of blocks) {
      const payload = compressBlockSync(block);
      const { id, urgency, rawBytes, recordCount } = block.header;
      records.push(...readRecords(openBlock(payload, { ...id, urgency, rawBytes, recordCount })));
    }
  };
  splitLines(bytes, bytes.length, { offsetBytes: 0, midLine: false }, consumer, OBSERVED, afterLine);
  return records;
}

function timeOf(record: ReadRecord): string {
  return new Date(Number(record.timestampNanos / 1_000_000n)).toISOString().slice(0, -1);
}

describe.skipIf(!existsSync(DATA))('Loghub (skipped when ../shared/data/loghub does not exist)', () => {
  test.each(SYSTEMS)('$name: times and severities are those of the structured file', (system) => {
    const rows: Row[] = parse(readFileSync(path.join(DATA, `${system.name}_2k.log_structured.csv`)), {
      columns: true,
      relax_quotes: true,
    });
    const records = recordsOf(system.name).filter((record) => record.body.length > 0);
    expect(rows).toHaveLength(LINES);
    expect(records).toHaveLength(LINES);
    let timed = 0;
    let withSeverity = 0;
    for (const [line, record] of records.entries()) {
      const row = rows[line] ?? {};
      const where = `${system.name} line ${line + 1}: ${record.body.toString().slice(0, 80)}`;
      if (record.timestampNanos !== record.observedNanos) timed += 1;
      if (record.severityNumber !== 0) withSeverity += 1;
      const wanted = system.time(row);
      const time = timeOf(record);
      const withYear = /^\d{4}-/.test(wanted);
      expect(withYear ? time.slice(0, wanted.length) : time.slice(5, 5 + wanted.length), where).toBe(wanted);
      if (!withYear) expect(['2025', '2026'], where).toContain(time.slice(0, 4));
      expect(Number(record.timestampNanos) / 1e6, where).toBeLessThanOrEqual(OBSERVED + 86_400_000);
      // In the table of Linux the column of the level holds the host.
      const column = system.name === 'Linux' ? row.Content?.match(/^ALERT(?= exited)/)?.[0] : row.Level;
      const level = column ?? '';
      expect([record.severityText, record.severityNumber], where).toEqual([
        level,
        SEVERITIES.get(level) ?? 0,
      ]);
    }
    expect({ timed: timed / LINES, withSeverity: withSeverity / LINES }).toEqual({
      timed: system.timed,
      withSeverity: system.withSeverity,
    });
  });
});
