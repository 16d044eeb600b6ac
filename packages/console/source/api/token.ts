/**
 * The token that this tab shows to the server. It lives as long as the tab, and never stands in the address. Storage may be
 * forbidden; then it lasts as long as the page.
 */

const NAME = 'sluice.token';

let remembered: string | undefined;

/** Undefined when nobody has given one. */
export function readToken(): string | undefined {
  try {
    return window.sessionStorage.getItem(NAME) ?? remembered;
  } catch {
    return remembered;
  }
}

/** Undefined forgets it. */
export function writeToken(token: string | undefined): void {
  remembered = token;
  try {
    if (token === undefined) window.sessionStorage.removeItem(NAME);
    else window.sessionStorage.setItem(NAME, token);
  } catch {
    // Forbidden or full: the value above serves this page.
    return;
  }
}
