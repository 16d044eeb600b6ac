/**
 * The tokens of the SQL that the store takes: few, and each with one reading only. What has another form (quoted names,
 * heredocs, comments, escapes that are not needed, letters outside of ASCII that are not in a string) is
 * refused, not interpreted: nothing that the engine's own lexer might see otherwise gets past this one.
 *
 * Invariant: the tokens are the whole text, in order, with nothing between them but spaces.
 */
import { EngineError, EXCEPTION_CODES } from './engine-error.ts';

export type TokenKind = 'word' | 'number' | 'string' | 'symbol' | 'end';

/** Tab, line feed, carriage return, space; other white space is refused. */
const SPACE = /[\t\n\r ]+/y;
const WORD = /[A-Za-z_][A-Za-z0-9_]*/y;
/** Not followed by a letter: `0x1F` and `1_000` are refused. */
const NUMBER = /[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?(?![A-Za-z0-9_.])/y;
/** What a string begins and ends with. */
const QUOTE = "'";
/**
 * A piece of a string, no longer than the stack of regular expressions takes: of one pattern for the whole, a text of some MB
 * overflowed it. Control characters are refused (but tab and line end), NUL among them, at which a library in C may think that
 * the text ends.
 */
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is refused here
const PLAIN = /[^'\\\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f]{1,4096}/y;
/** Of backslash and quote, of control characters by letter, and of bytes by number. */
const ESCAPE = /\\(?:[\\'nrt]|x[0-9a-fA-F]{2})/y;
/** `--` and `/*` begin comments of the engine, and are refused by the look at what follows. */
const SYMBOL = /->|::|\|\||==|!=|<>|<=|>=|-(?!-)|\/(?!\*)|[()[\]{},.+*%=<>:;]/y;

/** Reads token after token; the current one is in `kind` and `text`. */
export class SqlScanner {
  readonly sql: string;
  kind: TokenKind = 'end';
  /** As written; empty for a string, whose content nobody here needs. */
  text = '';
  /** Offset of the token, in UTF-16 units. */
  start = 0;
  private position = 0;

  /** Stands on the first token. */
  constructor(sql: string) {
    this.sql = sql;
    this.advance();
  }

  /** Offset behind the current token. */
  get end(): number {
    return this.position;
  }

  /** Goes to the next token. @throws EngineError 497 for anything that is none */
  advance(): void {
    this.matches(SPACE);
    this.start = this.position;
    if (this.position >= this.sql.length) this.set('end', '');
    else if (this.matches(WORD)) this.set('word', this.sql.slice(this.start, this.position));
    else if (this.matches(SYMBOL)) this.set('symbol', this.sql.slice(this.start, this.position));
    else if (this.matches(NUMBER)) this.set('number', this.sql.slice(this.start, this.position));
    else if (this.string()) this.set('string', '');
    else throw notTaken(`the text '${this.sql.slice(this.start, this.start + 20)}'`);
    // A string that touches the word or the string before it has another meaning for the engine: x'41', 'a''b'.
    if (this.kind === 'string' && /[A-Za-z0-9_']/.test(this.sql[this.start - 1] ?? ''))
      throw notTaken('a string right behind a word or a string');
  }

  isSymbol(symbol: string): boolean {
    return this.kind === 'symbol' && this.text === symbol;
  }

  /** @param keyword in capitals */
  isKeyword(keyword: string): boolean {
    return this.kind === 'word' && this.text.length === keyword.length && this.text.toUpperCase() === keyword;
  }

  /** Takes the symbol when it is there. */
  maybeSymbol(symbol: string): boolean {
    if (!this.isSymbol(symbol)) return false;
    this.advance();
    return true;
  }

  /** Takes the keywords when the first is there; then the others must follow. */
  maybeKeyword(first: string, ...others: string[]): boolean {
    if (!this.isKeyword(first)) return false;
    this.advance();
    this.keywords(...others);
    return true;
  }

  symbol(symbol: string): void {
    if (!this.maybeSymbol(symbol)) throw this.unexpected(`'${symbol}'`);
  }

  keywords(...keywords: string[]): void {
    for (const keyword of keywords) if (!this.maybeKeyword(keyword)) throw this.unexpected(keyword);
  }

  /** @returns the word as written */
  word(what: string): string {
    if (this.kind !== 'word') throw this.unexpected(what);
    const { text } = this;
    this.advance();
    return text;
  }

  number(): void {
    if (this.kind !== 'number') throw this.unexpected('a number');
    this.advance();
  }

  /** Takes what may stand behind a statement, and nothing else. */
  finish(): void {
    while (this.maybeSymbol(';'));
    if (this.kind !== 'end') throw this.unexpected('the end of the statement');
  }

  unexpected(wanted: string): EngineError {
    const found = this.kind === 'end' ? 'its end' : this.kind === 'string' ? 'a string' : `'${this.text}'`;
    return notTaken(`a statement with ${found} where ${wanted} would be`);
  }

  /** Goes behind a string; stays where it is when there is none, or not a whole one. */
  private string(): boolean {
    if (this.sql[this.position] !== QUOTE) return false;
    this.position += 1;
    while (this.matches(PLAIN) || this.matches(ESCAPE));
    if (this.sql[this.position] === QUOTE) {
      this.position += 1;
      return true;
    }
    this.position = this.start;
    return false;
  }

  private set(kind: TokenKind, text: string): void {
    this.kind = kind;
    this.text = text;
  }

  private matches(pattern: RegExp): boolean {
    pattern.lastIndex = this.position;
    if (!pattern.test(this.sql)) return false;
    this.position = pattern.lastIndex;
    return true;
  }
}

/** @param what the store does not take, as it goes on in `The store takes no ...` */
export function notTaken(what: string): EngineError {
  return new EngineError(
    EXCEPTION_CODES.accessDenied,
    `The store does not take ${what}: it serves its own tables, by the statements of a Sluice server (docs/security.md). (ACCESS_DENIED)`,
  );
}
