import { describe, expect, it } from 'vitest';
import { addFilter, quote } from './filter.ts';

describe('filter by value', () => {
  it('starts a query', () => {
    expect(addFilter('', 'service', 'api', 'include')).toBe('service:"api"');
    expect(addFilter(' * ', 'service', 'api', 'exclude')).toBe('-service:"api"');
  });

  it('narrows a query, once', () => {
    const narrowed = addFilter('timeout', 'http.status', '500', 'include');
    expect(narrowed).toBe('timeout http.status:"500"');
    expect(addFilter(narrowed, 'http.status', '500', 'include')).toBe(narrowed);
  });

  it('keeps the meaning of an OR', () => {
    expect(addFilter('a OR b', 'k', 'v', 'include')).toBe('(a OR b) k:"v"');
    expect(addFilter('(a OR b) c', 'k', 'v', 'include')).toBe('(a OR b) c k:"v"');
    expect(addFilter('"a OR b"', 'k', 'v', 'include')).toBe('"a OR b" k:"v"');
  });

  it('quotes what the language would read as its own', () => {
    expect(quote('say "hi" \\ there\n')).toBe('"say \\"hi\\" \\\\ there\\n"');
    expect(addFilter('', 'odd field', 'x', 'include')).toBe('"odd field":"x"');
  });
});
