import { ClickHouseError } from '@clickhouse/client';
import { expect, test } from 'vitest';
import { storeError } from './store-error.ts';

const outOfMemory = (message: string): ClickHouseError =>
  new ClickHouseError({ message, code: '241', type: 'MEMORY_LIMIT_EXCEEDED' });

// The same batch would be tried for ever, and all behind it would wait.
test.each([
  'Query memory limit exceeded: would use 27.95 GiB',
  'Memory limit (for query) exceeded: would use 9 GiB',
])('an insert that needs more memory than one may have is refused: %s', (message) => {
  expect(storeError(outOfMemory(message), 'insert', 'u')).toMatchObject({ code: 'insert_refused' });
  expect(storeError(outOfMemory(message), 'query', 'u')).toMatchObject({ code: 'store_failed' });
});

test.each([
  '(total) memory limit exceeded: would use 1.59 GiB',
  'Memory limit (total) exceeded: would use 2 GiB',
])('an insert that finds no memory because of others is tried again: %s', (message) => {
  expect(storeError(outOfMemory(message), 'insert', 'u')).toMatchObject({ code: 'store_failed' });
});
