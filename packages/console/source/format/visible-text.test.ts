import { describe, expect, it } from 'vitest';
import { visibleLine } from './visible-text.ts';

describe('visible line', () => {
  it('shows control characters instead of obeying them', () => {
    expect(visibleLine('a\u001b[31mred\nb\tc\u0000', 100).text).toBe('a␛[31mred⏎b c␀');
    expect(visibleLine('user\u202egnp.exe', 100).text).toBe('user<U+202E>gnp.exe');
  });

  it('cuts long text and says how much is left out', () => {
    expect(visibleLine('x'.repeat(200_000), 600)).toEqual({
      text: 'x'.repeat(600),
      hiddenCharacters: 199_400,
    });
    expect(visibleLine('short', 600).hiddenCharacters).toBe(0);
  });

  it('never cuts a character in half', () => {
    expect(visibleLine('ab😀c', 3)).toEqual({ text: 'ab', hiddenCharacters: 3 });
  });
});
