import { ANONYMOUS, TOKEN_HOLDER } from '@sluice/protocol/principal';
import { expect, test } from 'vitest';
import { Doorkeeper } from './doorkeeper.ts';

test('only the right bearer token enters, and is known as its holder', () => {
  const doorkeeper = new Doorkeeper('right');
  expect(doorkeeper.visitor('Bearer right')).toBe(TOKEN_HOLDER);
  for (const wrong of [null, '', 'right', 'Bearer ', 'Bearer righ', 'Bearer right ', 'bearer right']) {
    expect(doorkeeper.visitor(wrong)).toBeUndefined();
  }
});

test('where no token is wanted everyone is anonymous, also with a token', () => {
  const doorkeeper = new Doorkeeper(undefined);
  expect(doorkeeper.visitor(null)).toBe(ANONYMOUS);
  expect(doorkeeper.visitor('Bearer any')).toBe(ANONYMOUS);
});

test('what a principal is called tells no secret', () => {
  expect(JSON.stringify(new Doorkeeper('right').visitor('Bearer right'))).not.toContain('right');
});
