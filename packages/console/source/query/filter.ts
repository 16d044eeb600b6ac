/**
 * Adds a filter by a value to a query in the search language: what a click on a value in the detail panel does. Pure.
 */

/** A field name that needs no quotes in the search language. */
const PLAIN_FIELD = /^[A-Za-z_@][A-Za-z0-9_.@/-]*$/;

/** `query` narrowed to records with (`include`) or without (`exclude`) this value of the field. */
export function addFilter(query: string, field: string, value: string, mode: 'include' | 'exclude'): string {
  const term = `${mode === 'exclude' ? '-' : ''}${PLAIN_FIELD.test(field) ? field : quote(field)}:${quote(value)}`;
  const base = query.trim();
  if (base === '' || base === '*') return term;
  if (base === term || base.split(/\s+(?=\S+:")/).includes(term)) return base;
  return `${hasTopLevelOr(base) ? `(${base})` : base} ${term}`;
}

/** A value as a quoted string: backslash, quote and line ends escaped. */
export function quote(value: string): string {
  const escaped = value
    .replaceAll('\\', '\\\\')
    .replaceAll('"', '\\"')
    .replaceAll('\n', '\\n')
    .replaceAll('\r', '\\r')
    .replaceAll('\t', '\\t');
  return `"${escaped}"`;
}

/** True when the query would bind differently with a term behind it: it has an OR outside of quotes and parentheses. */
function hasTopLevelOr(query: string): boolean {
  let depth = 0;
  for (const token of query.match(/"(?:\\.|[^"\\])*"|[()]|[^\s()"]+/gu) ?? []) {
    if (token === '(') depth += 1;
    else if (token === ')') depth -= 1;
    else if (depth === 0 && token === 'OR') return true;
  }
  return false;
}
