import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatViewState, parseViewState } from './view-state.ts';

describe('view state', () => {
  it('gives the defaults for an empty or senseless address', () => {
    const defaults = parseViewState('');
    expect(defaults).toMatchObject({ view: 'logs', query: '', live: false, record: '', agent: '' });
    expect(parseViewState('?view=nonsense&range=5parsecs&live=maybe')).toEqual(defaults);
    expect(formatViewState(defaults)).toBe('');
  });

  it('comes back from its own address, whatever the query contains', () => {
    fc.assert(
      fc.property(
        fc.record({
          view: fc.constantFrom('logs' as const, 'flow' as const),
          query: fc.string({ unit: 'grapheme', maxLength: 200 }),
          range: fc.constantFrom(
            { kind: 'all' as const },
            { kind: 'relative' as const, seconds: 900 },
            { kind: 'absolute' as const, startMs: 1_700_000_000_000, endMs: 1_700_000_000_500 },
          ),
          record: fc.string({ maxLength: 60 }),
          agent: fc.string({ maxLength: 60 }),
          live: fc.boolean(),
        }),
        (state) => {
          expect(parseViewState(formatViewState(state))).toEqual(state);
        },
      ),
    );
  });
});
