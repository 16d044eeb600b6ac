import { expect, test } from 'vitest';
import { BLOCK_COLUMNS } from '../store/schema.ts';
import { BATCH_COLUMNS } from './batch-body.ts';

test('an insert names the columns that the log table has for blocks', () => {
  expect([...BATCH_COLUMNS].sort()).toEqual([...BLOCK_COLUMNS].sort());
});
