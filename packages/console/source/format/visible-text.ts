/**
 * Log text is hostile: it carries control characters, terminal escapes and text direction overrides. This makes one
 * safe line of it for a row, and cuts what is too long with a mark. The whole text stays in the detail panel.
 */

export interface VisibleLine {
  readonly text: string;
  /** Number of characters left out at the end; 0 when nothing was. */
  readonly hiddenCharacters: number;
}

/** What a row shows at most: about three screens wide, so that a 200 KB body costs no more than a short one. */
export const ROW_BODY_CHARACTERS = 600;
/** The same with wrapping on, where a row may take several lines. */
export const WRAPPED_BODY_CHARACTERS = 1500;

/** The first `limit` characters of a text as one line; a surrogate pair is never cut in half. */
export function visibleLine(text: string, limit: number): VisibleLine {
  let end = Math.min(limit, text.length);
  const last = text.charCodeAt(end - 1);
  if (end < text.length && last >= 0xd800 && last <= 0xdbff) end -= 1;
  return { text: revealControls(text.slice(0, end)), hiddenCharacters: text.length - end };
}

/** Control characters as their pictures, direction overrides as their code points. A line end becomes ⏎, a tab a space. */
export function revealControls(text: string): string {
  return text.replace(HIDDEN, (character) => {
    if (character === '\n') return '⏎';
    if (character === '\t') return ' ';
    const code = character.charCodeAt(0);
    if (code < 0x20) return String.fromCharCode(0x2400 + code);
    if (code === 0x7f) return '␡';
    return `<U+${code.toString(16).toUpperCase().padStart(4, '0')}>`;
  });
}

const HIDDEN = /[\p{Cc}\p{Bidi_Control}]/gu;
