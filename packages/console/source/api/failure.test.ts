import { Code, ConnectError } from '@connectrpc/connect';
import { describe, expect, it } from 'vitest';
import { toFailure } from './failure.ts';

describe('failure', () => {
  it('knows a wrong query and the place in it', () => {
    const error = new ConnectError('expected a value', Code.InvalidArgument, {
      'sluice-error-position': '7',
    });
    expect(toFailure(error)).toEqual({ kind: 'query', message: 'expected a value', position: 7 });
    const bare = new ConnectError('expected a value', Code.InvalidArgument, {
      'sluice-error-position': '-1',
    });
    expect(toFailure(bare)).toMatchObject({ position: undefined });
  });

  it('tells a dead server from a dead store', () => {
    const lost = new ConnectError('x', Code.Unknown, undefined, undefined, new TypeError('Failed to fetch'));
    expect(toFailure(lost).kind).toBe('unreachable');
    expect(toFailure(new TypeError('Failed to fetch')).kind).toBe('unreachable');
    expect(toFailure(new ConnectError('HTTP 502', Code.Unavailable)).kind).toBe('unreachable');
    expect(toFailure(new ConnectError('store does not answer', Code.Unavailable)).kind).toBe('store');
  });

  it('knows that a token is wanted', () => {
    expect(toFailure(new ConnectError('who are you', Code.Unauthenticated)).kind).toBe('unauthorized');
  });

  it('takes anything', () => {
    expect(toFailure(new ConnectError('slow', Code.DeadlineExceeded)).kind).toBe('timeout');
    expect(toFailure('words').kind).toBe('other');
  });
});
