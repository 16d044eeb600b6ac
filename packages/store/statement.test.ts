/** What may reach the engine, and what may not: the first of the two locks before it. */
import { describe, expect, test } from 'vitest';
import { quoteString, SERVER_RULES, withInfile } from './statement.ts';

const { judge } = SERVER_RULES;

function codeOf(sql: string, access: 'read' | 'write' = 'read'): number | undefined {
  try {
    judge(sql, access);
    return undefined;
  } catch (error) {
    if (error instanceof Error && 'exceptionCode' in error) return Number(error.exceptionCode);
    throw error;
  }
}

describe('reads that may run', () => {
  test.each([
    'SELECT 1',
    'select version() AS version \nFORMAT JSONEachRow',
    "SELECT count() FROM otel_logs WHERE Timestamp >= fromUnixTimestamp64Nano(toInt64('-5')) AND NOT (Body = 'a;b--c')",
    'SELECT *, count() OVER () AS m, sum(b) OVER (ORDER BY a DESC, b ROWS UNBOUNDED PRECEDING) AS s FROM (SELECT a, b FROM otel_logs FINAL ORDER BY a DESC LIMIT 3) WHERE s - b < 5',
    "SELECT AgentId, max(State) AS state FROM sluice_moved_blocks WHERE (AgentId, BlockEpoch) IN (('a', 1)) GROUP BY AgentId HAVING state < 3",
    "SELECT 1 FROM otel_logs WHERE BlockSequence IN {list:Array(UInt64)} AND Body LIKE '%x%' AND a NOT IN (1, 2) AND b BETWEEN 1 AND -2",
    "SELECT LogAttributes['a'] != '', [1, 2][1], x::Map(LowCardinality(String), String), CASE WHEN a IS NOT NULL THEN 1 ELSE 2 END",
    'SELECT (SELECT count() FROM otel_logs) - (SELECT uniqExact(AgentId, BlockEpoch) FROM otel_logs)',
    'SELECT quantile(0.9)(x), countIf(a >= 2.5e3) FROM numbers(10) WHERE now64(3) - INTERVAL 5 SECOND > b',
    'EXPLAIN indexes = 1 SELECT count() FROM otel_logs',
    'EXPLAIN ESTIMATE SELECT count() FROM otel_logs',
    "SELECT '\\x00\\\\ \\' 日志 `$$/*' ;",
  ])('%s', (sql) => {
    expect(codeOf(sql)).toBeUndefined();
    expect(judge(sql, 'write').kind).toMatch(/^(select|explain)$/);
  });
});

const WRITES = [
  'INSERT INTO otel_logs (a, b) FORMAT Native',
  "INSERT INTO sluice_moved_blocks (AgentId, State) VALUES ('a\\'b', 1), ('c', 2)",
  'INSERT INTO sluice_migrations (Version, Name) SELECT {version:UInt32}, {name:String}',
  "DELETE FROM otel_logs WHERE ServerId IN ('s1') AND (AgentId, BlockEpoch) IN (('a', 1))",
  'OPTIMIZE TABLE sluice_moved_blocks FINAL',
  "ALTER TABLE otel_logs DROP PARTITION '2026-03-02'",
  'ALTER TABLE otel_logs ADD COLUMN IF NOT EXISTS Added UInt8 DEFAULT 7 CODEC(ZSTD(1))',
  'ALTER TABLE sluice_moved_blocks ADD COLUMN IF NOT EXISTS Added String, MODIFY ORDER BY (AgentId, Added)',
];

test.each(WRITES)('a write may run with the access to write, and not without: %s', (sql) => {
  expect(codeOf(sql, 'write')).toBeUndefined();
  expect(codeOf(sql, 'read')).toBe(164);
});

/** Each was tried on the engine: some it refuses itself when it is read-only, and some, such as `file('...')`, it does not. */
const REFUSED = [
  "SELECT * FROM file('/etc/passwd', LineAsString)",
  "SELECT file('/etc/passwd')",
  "SELECT `fi\\x6ce`('/etc/passwd')",
  "SELECT * FROM `fi\\x6ce`('/etc/passwd', LineAsString)",
  'SELECT * FROM "file"(\'/etc/passwd\')',
  "SELECT 1 INTO OUTFILE '/tmp/x'",
  "SELECT 1 FROM otel_logs INTO OUTFILE '/tmp/x' FORMAT CSV",
  "SELECT 1 FORMAT CSV INTO OUTFILE '/tmp/x'",
  "SELECT * FROM url('http://127.0.0.1:1/', CSV)",
  "SELECT * FROM clusterAllReplicas('default', system.one)",
  "SELECT * FROM oss('http://127.0.0.1:1/b', CSV)",
  "SELECT * FROM eval('SELECT 1')",
  "SELECT $$a$$, x$$ FROM file('/etc/passwd')",
  'SELECT $a$ $a$',
  'SELECT * FROM system.processes',
  'SELECT * FROM system.one',
  'SELECT 1 IN system.processes',
  'SELECT * FROM processes',
  'SELECT * FROM otel_logs JOIN system.one ON 1',
  'SELECT * FROM otel_logs, system.one',
  "SELECT dictGet('a', 'b', 1)",
  "SELECT getSetting('readonly')",
  'SELECT sleep(3)',
  'SELECT 1 SETTINGS readonly = 0',
  'SELECT 1; SET readonly = DEFAULT',
  'SELECT 1; SELECT 2',
  'SET readonly = DEFAULT',
  'SET param_x = 1',
  'USE system',
  'KILL QUERY WHERE 1',
  'SYSTEM SHUTDOWN',
  "DESCRIBE file('/etc/passwd')",
  'SHOW TABLES',
  'EXPLAIN SELECT 1',
  "EXPLAIN indexes = 1 SELECT * FROM file('/etc/passwd')",
  "EXPLAIN ESTIMATE SELECT * FROM file('/etc/passwd')",
  'EXPLAIN indexes = 1 SET readonly = DEFAULT',
  "BACKUP DATABASE default TO File('/tmp/x')",
  'WITH 1 AS x SELECT x',
  '(SELECT 1)',
  "SELECT 'a''b'",
  "SELECT x'41'",
  "SELECT '\\q'",
  "SELECT 'a\u0000b'",
  'SELECT 1 -- x',
  'SELECT 1 # x',
  "SELECT 1 /* '*/ + file('/etc/passwd') /* ' */",
  'SELECT 1 /* -- */',
  'SELECT 1 /* plain words */',
  'SELECT\u00a01',
  'SELECT ünicode',
  'SELECT a b',
  'SELECT INTO',
  'SELECT 0x10',
  'SELECT {t:Identifier} FROM otel_logs',
  'SELECT 1 FORMAT Template',
  'SELECT 1 FORMAT CapnProto',
];

test.each(REFUSED)('refused, whatever the access: %s', (sql) => {
  expect([164, 497]).toContain(codeOf(sql, 'read'));
  expect(codeOf(sql, 'write')).toBe(497);
});

test.each([
  "INSERT INTO FUNCTION file('/tmp/x') VALUES (1)",
  "INSERT INTO TABLE FUNCTION file('/tmp/x', CSV) (a) FORMAT Native",
  'INSERT INTO system.zookeeper (a) FORMAT Native',
  'INSERT INTO other (a) FORMAT Native',
  'INSERT INTO otel_logs (a) FORMAT CSV',
  'INSERT INTO otel_logs (a) FORMAT Template',
  "INSERT INTO otel_logs (a) FROM INFILE '/etc/passwd' FORMAT Native",
  "INSERT INTO otel_logs (a) VALUES (file('/etc/passwd'))",
  "INSERT INTO otel_logs (a) SELECT file('/etc/passwd')",
  "INSERT INTO otel_logs (a) SELECT * FROM url('http://127.0.0.1:1/', CSV)",
  'INSERT INTO otel_logs (a) SETTINGS async_insert = 1 FORMAT Native',
  'CREATE TABLE IF NOT EXISTS otel_logs (a String) ENGINE = File(CSV)',
  "CREATE TABLE IF NOT EXISTS otel_logs (a String) ENGINE = URL('http://127.0.0.1:1/', CSV)",
  'CREATE TABLE IF NOT EXISTS other (a String) ENGINE = MergeTree ORDER BY a',
  "CREATE TABLE IF NOT EXISTS otel_logs (a String) ENGINE = MergeTree ORDER BY a SETTINGS disk = 'x'",
  "CREATE TABLE IF NOT EXISTS otel_logs (a String DEFAULT file('/etc/passwd')) ENGINE = MergeTree ORDER BY a",
  'CREATE TABLE IF NOT EXISTS otel_logs (a AggregateFunction(sum, UInt8)) ENGINE = MergeTree ORDER BY a',
  "CREATE TABLE IF NOT EXISTS otel_logs ENGINE = MergeTree ORDER BY a AS SELECT * FROM file('/etc/passwd')",
  'CREATE OR REPLACE TABLE otel_logs (a String) ENGINE = MergeTree ORDER BY a',
  'CREATE FUNCTION f AS x -> x',
  'DROP TABLE otel_logs',
  '/**/DROP TABLE otel_logs',
  'TRUNCATE TABLE otel_logs',
  "ALTER TABLE otel_logs ATTACH PARTITION '2026-01-01' FROM other",
  'ALTER TABLE otel_logs DELETE WHERE 1',
  'ALTER TABLE otel_logs MODIFY ORDER BY (AgentId)',
  'ALTER TABLE otel_logs MODIFY SETTING index_granularity = 1',
  'ALTER TABLE otel_logs ADD INDEX IF NOT EXISTS a Body TYPE minmax',
  'ALTER TABLE otel_logs MATERIALIZE INDEX a',
  "ALTER TABLE otel_logs ADD COLUMN IF NOT EXISTS a String, MODIFY ORDER BY (AgentId), DROP PARTITION '2026-01-01'",
  "ALTER TABLE otel_logs MODIFY TTL a TO DISK 'x'",
  'DELETE FROM otel_logs WHERE 1 IN (SELECT 1 FROM system.one)',
  'DELETE FROM system.one WHERE 1',
  'OPTIMIZE TABLE otel_logs',
  'RENAME TABLE otel_logs TO x',
  'SYSTEM SHUTDOWN',
])('refused though it may write: %s', (sql) => {
  expect(codeOf(sql, 'write')).toBe(497);
});

test('an empty text is a mistake, deep nesting is refused and not a stack overflow', () => {
  for (const sql of ['', '  ']) expect(codeOf(sql)).toBe(62);
  expect(codeOf(`SELECT ${'('.repeat(100_000)}1`)).toBe(497);
  expect(codeOf(`SELECT ${'-'.repeat(3)}1`)).toBe(497);
  expect(codeOf(`SELECT ${'('.repeat(200)}1${')'.repeat(200)}`)).toBeUndefined();
});

test('a string of many megabytes is taken, or refused, as a short one is', () => {
  // As long as a statement may be: one pattern for all of it overflowed the stack.
  const long = `日 \\x41${'a'.repeat(15_000_000)}`;
  expect(codeOf(`SELECT '${long}'`)).toBeUndefined();
  expect(codeOf(`SELECT '${long}\u0000'`)).toBe(497);
  expect(codeOf(`SELECT '${long}`)).toBe(497);
});

test('the file of an insert stands in a literal that its name cannot leave', () => {
  const sql = 'INSERT INTO otel_logs (a) FORMAT Native';
  const infile = withInfile(sql, judge(sql, 'write'), "/a b/'; x\\", 'zstd');
  expect(infile).toBe(
    "INSERT INTO otel_logs (a)  FROM INFILE '/a\\x20b/\\x27\\x3b\\x20x\\x5c' COMPRESSION 'zstd' FORMAT Native",
  );
  expect(quoteString('ü')).toBe("'\\xc3\\xbc'");
});
