/**
 * Search language -> tree, by recursive descent:
 *
 *     or    = and { "OR" and }
 *     and   = not { ["AND"] not }
 *     not   = ("NOT" | "-") not | "(" or ")" | term
 *     term  = [field ":"] (phrase | regex | comparison | range | "*" | word | "(" or ")")
 *
 * Invariants: any text gives a tree or a SluiceError `query_invalid`; depth and number of terms stay within limits.ts.
 */
import type { CompareOperator, Match, QueryNode } from './ast.ts';
import { MAX_QUERY_DEPTH, MAX_QUERY_LENGTH, MAX_QUERY_TERMS } from './limits.ts';
import { queryError } from './query-error.ts';
import { Scanner } from './scanner.ts';

/**
 * @param text a query; empty or `*` is everything
 * @throws SluiceError `query_invalid` with the position of the mistake
 */
export function parseQuery(text: string): QueryNode {
  if (text.length > MAX_QUERY_LENGTH) {
    throw queryError(
      `the query has ${text.length} characters; expected at most ${MAX_QUERY_LENGTH}`,
      MAX_QUERY_LENGTH,
    );
  }
  const parser = new Parser(text);
  return parser.parse();
}

class Parser {
  readonly #scanner: Scanner;
  #terms = 0;

  constructor(text: string) {
    this.#scanner = new Scanner(text);
  }

  parse(): QueryNode {
    const scanner = this.#scanner;
    scanner.skipSpace();
    if (scanner.atEnd) return { kind: 'everything' };
    const node = this.#or(undefined, 0);
    if (!scanner.atEnd)
      throw queryError('no parenthesis is open; expected a term instead of )', scanner.offset);
    return node;
  }

  #or(field: string | undefined, depth: number): QueryNode {
    const children = [this.#and(field, depth)];
    while (this.#scanner.atKeyword('OR')) {
      this.#scanner.offset += 2;
      children.push(this.#and(field, depth));
    }
    return joined('or', children);
  }

  #and(field: string | undefined, depth: number): QueryNode {
    const scanner = this.#scanner;
    const children = [this.#not(field, depth)];
    for (;;) {
      scanner.skipSpace();
      if (scanner.atEnd || scanner.peek() === ')' || scanner.atKeyword('OR')) return joined('and', children);
      if (scanner.atKeyword('AND')) scanner.offset += 3;
      children.push(this.#not(field, depth));
    }
  }

  #not(field: string | undefined, depth: number): QueryNode {
    const scanner = this.#scanner;
    scanner.skipSpace();
    if (depth > MAX_QUERY_DEPTH) {
      throw queryError(`nested too deeply; expected at most ${MAX_QUERY_DEPTH} levels`, scanner.offset);
    }
    if (scanner.atKeyword('NOT')) {
      scanner.offset += 3;
      return { kind: 'not', child: this.#not(field, depth + 1) };
    }
    if (scanner.peek() === '-' && scanner.peek(1) !== '-') {
      scanner.offset += 1;
      if (scanner.peek() !== '(' && scanner.peek() !== '"' && scanner.isDelimiter()) {
        throw queryError('expected a term right behind the minus', scanner.offset);
      }
      return { kind: 'not', child: this.#not(field, depth + 1) };
    }
    if (scanner.peek() === '(') return this.#group(field, depth);
    return this.#term(field, depth);
  }

  #group(field: string | undefined, depth: number): QueryNode {
    const scanner = this.#scanner;
    const opened = scanner.offset;
    scanner.offset += 1;
    const node = this.#or(field, depth + 1);
    if (scanner.peek() !== ')') {
      throw queryError('the parenthesis that begins here is not closed; expected a closing )', opened);
    }
    scanner.offset += 1;
    return node;
  }

  #term(outerField: string | undefined, depth: number): QueryNode {
    const scanner = this.#scanner;
    const start = scanner.offset;
    if (scanner.atEnd || scanner.peek() === ')') {
      throw queryError('expected a term: a word, a "phrase" or field:value', start);
    }
    if (scanner.atKeyword('AND') || scanner.atKeyword('OR')) {
      const keyword = scanner.peek() === 'A' ? 'AND' : 'OR';
      throw queryError(`expected a term before ${keyword}; write "${keyword}" to find the word`, start);
    }
    this.#terms += 1;
    if (this.#terms > MAX_QUERY_TERMS) {
      throw queryError(`too many terms; expected at most ${MAX_QUERY_TERMS}`, start);
    }
    const name = scanner.readFieldName();
    if (name !== undefined && outerField !== undefined) {
      throw queryError(`expected a value of ${outerField} inside of its parentheses, not a field`, start);
    }
    const field = name ?? outerField;
    const position = scanner.offset;
    if (name !== undefined) {
      if (scanner.peek() === '(') return this.#group(name, depth);
      if (scanner.peek() !== '"' && scanner.isDelimiter()) {
        throw queryError(
          `expected a value right behind ${name}: ; to find the text itself, put it in quotes`,
          position,
        );
      }
    }
    const match = field === undefined ? this.#bodyMatch() : this.#fieldMatch(field);
    return match === undefined ? { kind: 'everything' } : { kind: 'term', field, match, position };
  }

  /** @returns undefined for `*`, which matches everything */
  #bodyMatch(): Match | undefined {
    const scanner = this.#scanner;
    if (scanner.peek() === '"') return { kind: 'phrase', text: scanner.readQuoted() };
    const pattern = scanner.readRegex();
    if (pattern !== undefined) return { kind: 'regex', pattern };
    const { parts } = scanner.readWord();
    return parts.every((part) => part === '') ? undefined : { kind: 'word', parts };
  }

  #fieldMatch(field: string): Match {
    const scanner = this.#scanner;
    const operator = COMPARE_OPERATORS.find((one) => scanner.startsWith(one));
    if (operator !== undefined) {
      scanner.offset += operator.length;
      const position = scanner.offset;
      const value = scanner.peek() === '"' ? scanner.readQuoted() : scanner.readWord().parts.join('*');
      if (value === '') throw queryError(`expected a value behind ${field}:${operator}`, position);
      return { kind: 'compare', operator, value };
    }
    return this.#bracketRange() ?? this.#dottedRange() ?? this.#bodyMatch() ?? { kind: 'exists' };
  }

  /** `[400 TO 499]`, each end may be `*`. */
  #bracketRange(): Match | undefined {
    const found = this.#take(/\[\s*([^\s[\]"]+)\s+TO\s+([^\s[\]"]+)\s*\]/uy);
    const end = (text: string | undefined): string | undefined => (text === '*' ? undefined : text);
    return found === undefined ? undefined : { kind: 'range', low: end(found[1]), high: end(found[2]) };
  }

  /** `400..499` */
  #dottedRange(): Match | undefined {
    const found = this.#take(/([-+]?\d+(?:\.\d+)?|[a-z]+)\.\.([-+]?\d+(?:\.\d+)?|[a-z]+)(?=[\s()]|$)/uy);
    return found === undefined ? undefined : { kind: 'range', low: found[1], high: found[2] };
  }

  /** What the sticky pattern matches here; the offset moves behind it. */
  #take(pattern: RegExp): RegExpExecArray | undefined {
    pattern.lastIndex = this.#scanner.offset;
    const found = pattern.exec(this.#scanner.text);
    if (found === null) return undefined;
    this.#scanner.offset = pattern.lastIndex;
    return found;
  }
}

const COMPARE_OPERATORS: readonly CompareOperator[] = ['>=', '<=', '>', '<'];

function joined(kind: 'and' | 'or', children: readonly QueryNode[]): QueryNode {
  const [first] = children;
  return children.length === 1 && first !== undefined ? first : { kind, children };
}
