/**
 * Reads the lexical pieces of a query: quoted text, bare words with escapes and wildcards, regular expressions.
 * Invariants: the offset only grows, never past the end; no input throws anything but a SluiceError `query_invalid`.
 */
import { queryError } from './query-error.ts';

const SPACE = /\s/u;

/** A bare word as written, and cut at its unescaped `*`. */
export interface BareWord {
  readonly parts: readonly string[];
  readonly position: number;
}

export class Scanner {
  readonly text: string;
  offset = 0;

  constructor(text: string) {
    this.text = text;
  }

  get atEnd(): boolean {
    return this.offset >= this.text.length;
  }

  /** The character `ahead` places from here; empty behind the end. */
  peek(ahead = 0): string {
    return this.text[this.offset + ahead] ?? '';
  }

  startsWith(text: string): boolean {
    return this.text.startsWith(text, this.offset);
  }

  skipSpace(): void {
    while (!this.atEnd && SPACE.test(this.peek())) this.offset += 1;
  }

  /** True where a bare word ends: at space, a parenthesis, a quote or the end. */
  isDelimiter(ahead = 0): boolean {
    const character = this.peek(ahead);
    return character === '' || '()"'.includes(character) || SPACE.test(character);
  }

  /** True when exactly this keyword stands here as a word of its own. */
  atKeyword(keyword: string): boolean {
    return this.startsWith(keyword) && this.isDelimiter(keyword.length);
  }

  /** Reads text in quotes; the offset is at the opening quote. `\"`, `\\`, `\n`, `\r`, `\t` are escapes. */
  readQuoted(): string {
    const start = this.offset;
    this.offset += 1;
    let value = '';
    while (!this.atEnd) {
      const character = this.peek();
      this.offset += 1;
      if (character === '"') return value;
      if (character !== '\\') {
        value += character;
        continue;
      }
      const escaped = this.peek();
      if (escaped === '') break;
      this.offset += 1;
      value += ESCAPES.get(escaped) ?? (escaped === '"' || escaped === '\\' ? escaped : `\\${escaped}`);
    }
    throw queryError('the quote that begins here is not closed; expected a closing "', start);
  }

  /**
   * The name before a colon, when one stands here: a plain name or one in quotes. The offset moves behind the colon.
   * A URL (`http://...`) and a word that begins with a digit (`12:30`) are not fields.
   */
  readFieldName(): string | undefined {
    if (this.peek() === '"') {
      const before = this.offset;
      const name = this.readQuoted();
      if (this.peek() === ':' && name !== '') {
        this.offset += 1;
        return name;
      }
      this.offset = before;
      return undefined;
    }
    FIELD_NAME.lastIndex = this.offset;
    const found = FIELD_NAME.exec(this.text)?.[1];
    if (found === undefined) return undefined;
    this.offset += found.length + 1;
    return found;
  }

  /**
   * Reads a bare word up to a delimiter; a backslash takes the next character as it is, a `*` is a wildcard.
   * The caller has made sure that a word begins here.
   */
  readWord(): BareWord {
    const position = this.offset;
    const parts: string[] = [];
    let part = '';
    while (!this.isDelimiter()) {
      const character = this.peek();
      this.offset += 1;
      if (character === '*') {
        parts.push(part);
        part = '';
      } else if (character === '\\' && !this.atEnd) {
        part += this.peek();
        this.offset += 1;
      } else {
        part += character;
      }
    }
    parts.push(part);
    return { parts, position };
  }

  /**
   * A regular expression `/.../`, when one stands here: its first unescaped slash must end the word, so that a path
   * like `/var/log` stays a word.
   */
  readRegex(): string | undefined {
    if (this.peek() !== '/' || this.peek(1) === '/') return undefined;
    let pattern = '';
    for (let ahead = 1; this.offset + ahead < this.text.length; ahead += 1) {
      const character = this.peek(ahead);
      if (character === '/') {
        if (!this.isDelimiter(ahead + 1)) return undefined;
        this.offset += ahead + 1;
        return pattern;
      }
      if (character === '\\' && this.peek(ahead + 1) !== '') {
        ahead += 1;
        const escaped = this.peek(ahead);
        pattern += escaped === '/' ? '/' : `\\${escaped}`;
      } else {
        pattern += character;
      }
    }
    return undefined;
  }
}

const ESCAPES = new Map([
  ['n', '\n'],
  ['r', '\r'],
  ['t', '\t'],
]);

const FIELD_NAME = /([\p{L}_@][\p{L}\p{N}_.@/-]*):(?!\/\/)/uy;
