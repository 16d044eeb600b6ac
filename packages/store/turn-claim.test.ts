import { expect, test } from 'vitest';
import { MAX_WAIT_MS } from './limits.ts';
import { readTurnClaim, type TurnClaim, writeTurnClaim } from './turn-claim.ts';

test.each<TurnClaim>([
  { kind: 'search', weight: 'light', waitMs: 0 },
  { kind: 'search', weight: 'heavy', waitMs: MAX_WAIT_MS },
  { kind: 'insert', priority: 1 },
  { kind: 'insert', priority: 1_000_000 },
])('%j is read as it is written', (claim) => {
  expect(readTurnClaim(writeTurnClaim(claim))).toEqual(claim);
});

test('waits are whole, not below nothing, and bounded', () => {
  const waitOf = (waitMs: number): unknown =>
    readTurnClaim(writeTurnClaim({ kind: 'search', weight: 'light', waitMs }));
  expect(waitOf(1.2)).toMatchObject({ waitMs: 2 });
  expect(waitOf(-7)).toMatchObject({ waitMs: 0 });
  expect(waitOf(99_999_999)).toMatchObject({ waitMs: MAX_WAIT_MS });
});

test('a request need not say anything, but what it says must be on the list', () => {
  expect(readTurnClaim(undefined)).toBeUndefined();
  for (const text of [
    '',
    'search',
    'search odd 5',
    'search light',
    'search light soon',
    'search light -1',
    'search light 5 ',
    'search  light 5',
    'insert',
    'insert 0',
    'insert 1.5',
    'insert 99999999',
    'insert 1\ninsert 2',
    'kill 1',
  ])
    expect(() => readTurnClaim(text)).toThrow(expect.objectContaining({ exceptionCode: 36 }));
});
