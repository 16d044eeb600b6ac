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

  it('knows a busy server, and when to come again', () => {
    const metadata = { 'sluice-error-code': 'busy', 'retry-after': '7' };
    const busy = new ConnectError('busy', Code.ResourceExhausted, metadata);
    expect(toFailure(busy)).toEqual({ kind: 'busy', message: 'busy', retryAfterSeconds: 7 });
    const bare = new ConnectError('busy', Code.ResourceExhausted, { 'sluice-error-code': 'busy' });
    expect(toFailure(bare)).toMatchObject({ kind: 'busy', retryAfterSeconds: 5 });
    expect(toFailure(new ConnectError('too large', Code.ResourceExhausted)).kind).toBe('other');
  });

  it('takes anything', () => {
    expect(toFailure(new ConnectError('slow', Code.DeadlineExceeded)).kind).toBe('timeout');
    expect(toFailure('words').kind).toBe('other');
  });
});
