import { expect, test } from 'vitest';
import { queryToSql } from '../testing/query-to-sql.ts';

test.each([
  ['service:api', "ServiceName = 'api'"],
  ['trace:AB', "TraceId = 'ab'"],
  ['attributes.a:b', "LogAttributes['a'] = 'b'"],
  ['a:b', "(LogAttributes['a'] = 'b' OR ResourceAttributes['a'] = 'b')"],
  ['attributes.a:""', "(mapContains(LogAttributes, 'a') AND LogAttributes['a'] = '')"],
  ['attributes.a:x*_', "LogAttributes['a'] LIKE 'x%\\\\_'"],
  ['attributes.a:*', "mapContains(LogAttributes, 'a')"],
  [
    'attributes.a:/x/',
    "(mapContains(LogAttributes, 'a') AND (match('', 'x') >= 0 AND match(LogAttributes['a'], 'x')))",
  ],
  ['host:>=5', 'ifNull(toFloat64OrNull(toString(HostName)) >= 5, false)'],
  [
    'host:1..2',
    '(ifNull(toFloat64OrNull(toString(HostName)) >= 1, false) AND ifNull(toFloat64OrNull(toString(HostName)) <= 2, false))',
  ],
  ['severity:error', 'SeverityNumber BETWEEN 17 AND 20'],
  ['severity:>warn', 'SeverityNumber > 16'],
  ['severity:<info', 'SeverityNumber BETWEEN 1 AND 8'],
  ['severity:notice', "lower(SeverityText) = 'notice'"],
  ['urgency:bulk', 'UrgencyClass = 4'],
  ['timestamp.origin:Assumed', 'TimestampOrigin = 2'],
  ['timestamp.origin:*', 'TimestampOrigin != 0'],
  ['record.offset:17', "if(TimestampOrigin != 0, toString(RecordOffset), '') = '17'"],
  ['record.offset:*', 'TimestampOrigin != 0'],
  [
    'scope.name:shop',
    "(ScopeName = 'shop' OR LogAttributes['scope.name'] = 'shop' OR ResourceAttributes['scope.name'] = 'shop')",
  ],
  [
    'scope.short:true',
    "(ScopeAttributes['short'] = 'true' OR LogAttributes['scope.short'] = 'true' OR ResourceAttributes['scope.short'] = 'true')",
  ],
  ['id:a.b.1.2.3', "(AgentId = 'a.b' AND BlockEpoch = 1 AND BlockSequence = 2 AND RecordNumber = 3)"],
])('%s', (query, sql) => {
  expect(queryToSql(query)).toBe(sql);
});
