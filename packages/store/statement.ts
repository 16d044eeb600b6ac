/**
 * Decides what may reach the engine: a statement is read whole, by a grammar of what a server asks for, before the
 * engine sees it. The engine's `readonly` stands behind this, for reads; it alone would not do: in the embedded engine a
 * SELECT that it calls read-only reads any file (`file()`), writes files (INTO OUTFILE) and ends other queries.
 */
import { OUTPUT_FORMATS, SETTINGS } from './allowed-names.ts';
import { EngineError, EXCEPTION_CODES } from './engine-error.ts';
import { SelectGrammar } from './select-grammar.ts';
import { SqlScanner } from './sql-scanner.ts';
import { WriteGrammar } from './write-grammar.ts';

/** What a request may do: it says so itself, and a read can never become a write. */
export type Access = 'read' | 'write';

/** A statement that may run. */
export interface Statement {
  /** `insertBody`: its data comes as the body of the request; `insert`: it has its data, or a SELECT, in its text. */
  readonly kind: 'select' | 'explain' | 'insert' | 'insertBody' | 'change';
  /** The FORMAT that the statement names; of an insert, the format of its data. */
  readonly format: string | undefined;
  /** Of an insert with data: where the format clause begins, in UTF-16 units of the text. */
  readonly formatAt: number;
}

/** What a store takes. */
export interface StoreRules {
  /** @returns what the text is. @throws EngineError when it may not run */
  readonly judge: (sql: string, access: Access) => Statement;
  /** Whether a request may set it, in its URL. */
  readonly takesSetting: (name: string) => boolean;
  readonly takesOutputFormat: (name: string) => boolean;
}

/** The rules of every store that a program starts. */
export const SERVER_RULES: StoreRules = {
  judge: judgeStatement,
  takesSetting: (name) => SETTINGS.has(name),
  takesOutputFormat: (name) => OUTPUT_FORMATS.has(name),
};

/**
 * Takes a SELECT, what the engine says of how it would run, and, with the access to write, the statements of a server.
 *
 * @throws EngineError 62 for an empty text, 164 for a write without the access to write, 497 for what is not taken
 */
function judgeStatement(sql: string, access: Access): Statement {
  const scanner = new SqlScanner(sql);
  if (scanner.kind === 'end')
    throw new EngineError(EXCEPTION_CODES.syntaxError, 'Syntax error: Empty query. (SYNTAX_ERROR)');
  const kind = scanner.isKeyword('EXPLAIN') ? 'explain' : 'select';
  if (scanner.maybeKeyword('EXPLAIN') && !scanner.maybeKeyword('ESTIMATE')) {
    scanner.keywords('INDEXES');
    scanner.symbol('=');
    scanner.number();
  }
  if (scanner.isKeyword('SELECT'))
    return { kind, format: new SelectGrammar(scanner).selectStatement(), formatAt: sql.length };
  if (access === 'read')
    throw new EngineError(
      EXCEPTION_CODES.readonly,
      'Cannot execute query in readonly mode: this request may only read. (READONLY)',
    );
  const writeKind = scanner.isKeyword('INSERT') ? 'insert' : 'change';
  const body = new WriteGrammar(scanner).statement();
  return body === undefined
    ? { kind: writeKind, format: undefined, formatAt: sql.length }
    : { kind: 'insertBody', ...body };
}

/** @returns the insert with its data taken from a file; `compression` as the engine names it */
export function withInfile(sql: string, statement: Statement, file: string, compression: string): string {
  const clause = `FROM INFILE ${quoteString(file)} COMPRESSION ${quoteString(compression)}`;
  return `${sql.slice(0, statement.formatAt)} ${clause} FORMAT ${statement.format ?? 'Native'}`;
}

/**
 * A string as a literal of the engine. Every byte but ASCII letters, digits and a few harmless marks becomes `\xHH`, so
 * that no byte of the value can end the literal or begin another escape.
 */
export function quoteString(text: string): string {
  let literal = "'";
  for (const byte of Buffer.from(text, 'utf8')) {
    const character = String.fromCharCode(byte);
    literal += /[A-Za-z0-9/._]/.test(character) ? character : `\\x${byte.toString(16).padStart(2, '0')}`;
  }
  return `${literal}'`;
}
