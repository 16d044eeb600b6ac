/**
 * What the store must know of a statement before the engine sees it: one statement or several, what kind, in which
 * format it answers, where an insert's data begins, and whether it reaches for files of this machine.
 *
 * A lexer of ClickHouse's tokens (strings, quoted names, comments, heredocs), no parser: what it does not know is left
 * to the engine. Invariant: text inside strings, comments and inline data is never taken for a word.
 */
import { EngineError, EXCEPTION_CODES } from './engine-error.ts';

interface Token {
  readonly kind: 'word' | 'quotedName' | 'string' | 'symbol';
  /** Words as written; quoted names without their quotes. */
  readonly text: string;
  readonly start: number;
  readonly end: number;
  /** How many parentheses or brackets are open around it. */
  readonly depth: number;
}

/** A statement, described. Offsets are in UTF-16 units of the text that was given. */
export interface Statement {
  readonly kind: 'select' | 'insertData' | 'other';
  /** The FORMAT that the statement names; of an insert, the format of its data. */
  readonly format: string | undefined;
  /** Of an insert with data: where `FROM INFILE` belongs, before SETTINGS and FORMAT. */
  readonly infileAt: number;
  /** Of an insert with data: where the format clause begins. */
  readonly formatAt: number;
  /** Of an insert with data: where inline data begins (may be the end of the text). */
  readonly dataAt: number;
}

/** Functions and table engines that read or write what does not belong to the store, or start programs. */
const OUTSIDE = new Set(
  [
    'file',
    'fileCluster',
    'url',
    'urlCluster',
    's3',
    's3Cluster',
    'gcs',
    'hdfs',
    'hdfsCluster',
    'executable',
    'executablePool',
    'sqlite',
    'mysql',
    'postgresql',
    'mongodb',
    'redis',
    'odbc',
    'jdbc',
    'remote',
    'remoteSecure',
    'cluster',
    'azureBlobStorage',
    'azureBlobStorageCluster',
    'deltaLake',
    'iceberg',
    'hudi',
    'python',
    'arrowFlight',
    'filesystem',
    'icebergLocal',
    'deltaLakeLocal',
    'paimonLocal',
    'command',
    'ytsaurus',
  ].map((name) => name.toLowerCase()),
);

const SPACE = /\s/;
const WORD_START = /[\p{L}_]/u;
const WORD_PART = /[\p{L}\p{N}_]/u;

/**
 * Describes the single statement in `sql`.
 *
 * @throws EngineError 62 for no or several statements, 497 for a statement that leaves the store's data
 */
export function describeStatement(sql: string): Statement {
  const tokens: Token[] = [];
  let insert = false;
  let insertSelects = false;
  let settingsAt: number | undefined;
  let ended = false;
  for (const token of tokensOf(sql)) {
    if (token.kind === 'symbol' && token.text === ';') {
      if (tokens.length > 0) ended = true;
      continue;
    }
    if (ended)
      throw new EngineError(
        EXCEPTION_CODES.syntaxError,
        'Syntax error: Multi-statements are not allowed. (SYNTAX_ERROR)',
      );
    const previous = tokens.at(-1);
    refuseOutside(previous, token);
    tokens.push(token);
    if (token.kind !== 'word' || token.depth > 0) {
      if (insert && !insertSelects && isFormatWord(previous) && token.kind === 'word')
        return insertWithData(token.text, previous.start, settingsAt, token.end);
      continue;
    }
    const word = token.text.toUpperCase();
    if (tokens.length === 1) insert = word === 'INSERT';
    if (!insert || insertSelects) continue;
    if (isFormatWord(previous)) return insertWithData(token.text, previous.start, settingsAt, token.end);
    if (word === 'SELECT' || word === 'WITH') insertSelects = true;
    else if (word === 'SETTINGS') settingsAt = token.start;
    else if (word === 'VALUES') return insertWithData('Values', token.start, settingsAt, token.end);
  }
  if (tokens.length === 0)
    throw new EngineError(EXCEPTION_CODES.syntaxError, 'Syntax error: Empty query. (SYNTAX_ERROR)');
  const first = tokens.find((token) => token.text !== '(')?.text.toUpperCase();
  return {
    kind: first === 'SELECT' || first === 'WITH' ? 'select' : 'other',
    format: trailingFormat(tokens),
    infileAt: sql.length,
    formatAt: sql.length,
    dataAt: sql.length,
  };
}

/** @returns the insert with its data taken from a file; `compression` as the engine names it */
export function withInfile(sql: string, statement: Statement, file: string, compression: string): string {
  const clause = ` FROM INFILE ${quoteString(file)} COMPRESSION ${quoteString(compression)} `;
  const head = sql.slice(0, statement.infileAt);
  const settings = sql.slice(statement.infileAt, statement.formatAt);
  return `${head}${clause}${settings} FORMAT ${statement.format ?? 'Values'}`;
}

/**
 * A string as a literal of the engine. Every byte but ASCII letters, digits and a few harmless marks becomes `\xHH`, so
 * that no byte of the value can end the literal or begin another escape.
 */
export function quoteString(text: string): string {
  let literal = "'";
  for (const byte of Buffer.from(text, 'utf8')) {
    const harmless =
      (byte >= 0x30 && byte <= 0x39) ||
      (byte >= 0x41 && byte <= 0x5a) ||
      (byte >= 0x61 && byte <= 0x7a) ||
      byte === 0x2f ||
      byte === 0x2e ||
      byte === 0x5f;
    literal += harmless ? String.fromCharCode(byte) : `\\x${byte.toString(16).padStart(2, '0')}`;
  }
  return `${literal}'`;
}

function insertWithData(
  format: string,
  formatAt: number,
  settingsAt: number | undefined,
  dataAt: number,
): Statement {
  return { kind: 'insertData', format, infileAt: settingsAt ?? formatAt, formatAt, dataAt };
}

function isFormatWord(token: Token | undefined): token is Token {
  return token?.kind === 'word' && token.depth === 0 && token.text.toUpperCase() === 'FORMAT';
}

/** FORMAT of a query stands last, or last before SETTINGS; elsewhere the word is somebody's name. */
function trailingFormat(tokens: readonly Token[]): string | undefined {
  for (let index = tokens.length - 2; index >= 0; index -= 1) {
    const token = tokens[index];
    const name = tokens[index + 1];
    if (!isFormatWord(token) || name?.kind !== 'word') continue;
    const next = tokens[index + 2];
    if (next === undefined || next.text.toUpperCase() === 'SETTINGS') return name.text;
  }
  return undefined;
}

function refuseOutside(previous: Token | undefined, token: Token): void {
  const called =
    token.text === '(' &&
    previous !== undefined &&
    previous.kind !== 'string' &&
    OUTSIDE.has(previous.text.toLowerCase());
  const redirected =
    token.kind === 'string' && previous?.kind === 'word' && /^(INFILE|OUTFILE)$/i.test(previous.text);
  const named = token.kind !== 'string' && previous?.text === '=' && OUTSIDE.has(token.text.toLowerCase());
  if (called || redirected || named)
    throw new EngineError(
      EXCEPTION_CODES.accessDenied,
      `${called || redirected ? (previous?.text ?? '') : token.text}: the store reads and writes its own tables only. (ACCESS_DENIED)`,
    );
}

function* tokensOf(sql: string): Generator<Token> {
  let depth = 0;
  let position = 0;
  while (position < sql.length) {
    const character = sql[position] ?? '';
    if (SPACE.test(character)) {
      position += 1;
      continue;
    }
    const comment = commentEnd(sql, position);
    if (comment !== undefined) {
      position = comment;
      continue;
    }
    const start = position;
    if (character === "'" || character === '"' || character === '`') {
      position = quotedEnd(sql, start, character);
      const inner = sql.slice(start + 1, position - 1);
      yield { kind: character === "'" ? 'string' : 'quotedName', text: inner, start, end: position, depth };
    } else if (character === '$' && heredocEnd(sql, start) !== undefined) {
      position = heredocEnd(sql, start) ?? sql.length;
      yield { kind: 'string', text: sql.slice(start, position), start, end: position, depth };
    } else if (WORD_START.test(character)) {
      while (position < sql.length && WORD_PART.test(sql[position] ?? '')) position += 1;
      yield { kind: 'word', text: sql.slice(start, position), start, end: position, depth };
    } else {
      // Digits run together, so that the letter in 0x1F or 1e9 is no word.
      position += 1;
      if (/[0-9]/.test(character))
        while (position < sql.length && /[\w.]/.test(sql[position] ?? '')) position += 1;
      if (character === ')' || character === ']') depth = Math.max(0, depth - 1);
      yield { kind: 'symbol', text: sql.slice(start, position), start, end: position, depth };
      if (character === '(' || character === '[') depth += 1;
    }
  }
}

function commentEnd(sql: string, start: number): number | undefined {
  const pair = sql.slice(start, start + 2);
  if (pair === '/*') {
    const end = sql.indexOf('*/', start + 2);
    return end === -1 ? sql.length : end + 2;
  }
  if (pair === '--' || pair === '# ' || pair === '#!') {
    const end = sql.indexOf('\n', start);
    return end === -1 ? sql.length : end + 1;
  }
  return undefined;
}

function quotedEnd(sql: string, start: number, quote: string): number {
  let position = start + 1;
  while (position < sql.length) {
    const character = sql[position];
    if (character === '\\') position += 2;
    else if (character !== quote) position += 1;
    else if (sql[position + 1] === quote) position += 2;
    else return position + 1;
  }
  return sql.length;
}

function heredocEnd(sql: string, start: number): number | undefined {
  const tag = /^\$\w*\$/.exec(sql.slice(start, start + 64))?.[0];
  if (tag === undefined) return undefined;
  const end = sql.indexOf(tag, start + tag.length);
  return end === -1 ? undefined : end + tag.length;
}
