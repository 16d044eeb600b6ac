/**
 * The part of SELECT that the store takes, as a grammar: what it does not know is refused. Operands and operators
 * alternate, calls are of functions on a list, tables are our own; there is no way to write a file, another table, a
 * setting or a second statement.
 *
 * It says nothing about precedence or types, which the engine knows better, and makes nothing of what it reads.
 */
import {
  DATA_TYPES,
  FUNCTIONS,
  isOwnTable,
  OUTPUT_FORMATS,
  RESERVED_WORDS,
  TABLE_FUNCTIONS,
} from './allowed-names.ts';
import { notTaken, type SqlScanner } from './sql-scanner.ts';

/** Nesting; the engine's own parser gives up at 1,000. */
const MAX_DEPTH = 1_000;

const BINARY_SYMBOLS: ReadonlySet<string> = new Set('+ - * / % = == != <> < <= > >= || ->'.split(' '));
const BINARY_WORDS: ReadonlySet<string> = new Set(['AND', 'OR', 'LIKE', 'ILIKE', 'IN', 'BETWEEN']);
const NEGATED_WORDS: ReadonlySet<string> = new Set(['LIKE', 'ILIKE', 'IN', 'BETWEEN']);
const INTERVAL_UNITS: ReadonlySet<string> = new Set(
  'NANOSECOND MICROSECOND MILLISECOND SECOND MINUTE HOUR DAY WEEK MONTH YEAR'.split(' '),
);

export class SelectGrammar {
  private readonly scanner: SqlScanner;
  private depth = 0;

  constructor(scanner: SqlScanner) {
    this.scanner = scanner;
  }

  /** @returns the format that it names. @throws EngineError 497 */
  selectStatement(): string | undefined {
    this.select();
    let format: string | undefined;
    if (this.scanner.maybeKeyword('FORMAT')) {
      format = this.scanner.word('a format');
      if (!OUTPUT_FORMATS.has(format)) throw notTaken(`the format ${format}`);
    }
    this.scanner.finish();
    return format;
  }

  select(): void {
    const { scanner } = this;
    this.enter();
    scanner.keywords('SELECT');
    scanner.maybeKeyword('DISTINCT');
    this.list(() => this.item());
    if (scanner.maybeKeyword('FROM')) this.source();
    if (scanner.maybeKeyword('PREWHERE')) this.expression();
    if (scanner.maybeKeyword('WHERE')) this.expression();
    if (scanner.maybeKeyword('GROUP', 'BY')) this.expressions();
    if (scanner.maybeKeyword('HAVING')) this.expression();
    if (scanner.maybeKeyword('ORDER', 'BY')) this.order();
    if (scanner.maybeKeyword('LIMIT')) this.limit();
    if (scanner.maybeKeyword('UNION', 'ALL')) this.select();
    this.leave();
  }

  expressions(): void {
    this.list(() => this.expression());
  }

  expression(): void {
    this.enter();
    this.operand();
    while (this.operator()) this.operand();
    this.leave();
  }

  /** A data type: `Map(LowCardinality(String), String)`. */
  type(): void {
    const { scanner } = this;
    this.enter();
    const name = scanner.word('a data type');
    if (!DATA_TYPES.has(name)) throw notTaken(`the data type ${name}`);
    if (scanner.maybeSymbol('(')) {
      this.list(() => {
        if (scanner.kind === 'number' || scanner.kind === 'string') scanner.advance();
        else this.type();
      });
      scanner.symbol(')');
    }
    this.leave();
  }

  /** A name that is nobody's keyword. */
  name(): string {
    const name = this.scanner.word('a name');
    if (RESERVED_WORDS.has(name.toUpperCase())) throw notTaken(`${name} as a name`);
    return name;
  }

  list(entry: () => void): void {
    do entry();
    while (this.scanner.maybeSymbol(','));
  }

  private item(): void {
    if (this.scanner.maybeSymbol('*')) return;
    this.expression();
    this.alias();
  }

  private alias(): void {
    if (this.scanner.maybeKeyword('AS')) this.name();
  }

  private source(): void {
    const { scanner } = this;
    if (scanner.maybeSymbol('(')) {
      this.select();
      scanner.symbol(')');
    } else {
      const name = scanner.word('a table');
      if (scanner.maybeSymbol('(')) {
        if (!TABLE_FUNCTIONS.has(name)) throw notTaken(`the table function ${name}`);
        this.expressions();
        scanner.symbol(')');
      } else if (isOwnTable(name)) scanner.maybeKeyword('FINAL');
      else throw notTaken(`the table ${name}`);
    }
    this.alias();
  }

  private order(): void {
    this.list(() => {
      this.expression();
      if (!this.scanner.maybeKeyword('ASC')) this.scanner.maybeKeyword('DESC');
    });
  }

  private limit(): void {
    const { scanner } = this;
    scanner.number();
    if (scanner.maybeSymbol(',') || scanner.maybeKeyword('OFFSET')) scanner.number();
    if (scanner.maybeKeyword('BY')) this.expressions();
  }

  /** @returns whether there was one, after which an operand must come */
  private operator(): boolean {
    const { scanner } = this;
    if (scanner.kind === 'symbol') {
      if (!BINARY_SYMBOLS.has(scanner.text)) return false;
      scanner.advance();
      return true;
    }
    if (scanner.kind !== 'word') return false;
    if (scanner.maybeKeyword('NOT')) {
      if (scanner.kind !== 'word' || !NEGATED_WORDS.has(scanner.text.toUpperCase()))
        throw scanner.unexpected('IN, LIKE or BETWEEN');
    } else if (!BINARY_WORDS.has(scanner.text.toUpperCase())) return false;
    scanner.advance();
    return true;
  }

  private operand(): void {
    const { scanner } = this;
    while (scanner.maybeKeyword('NOT') || scanner.maybeSymbol('-'));
    this.primary();
    for (;;) {
      if (scanner.maybeSymbol('[')) {
        this.expression();
        scanner.symbol(']');
      } else if (scanner.maybeSymbol('::')) this.type();
      else if (scanner.maybeKeyword('IS')) {
        scanner.maybeKeyword('NOT');
        scanner.keywords('NULL');
      } else return;
    }
  }

  private primary(): void {
    const { scanner } = this;
    if (scanner.kind === 'number' || scanner.kind === 'string') scanner.advance();
    else if (scanner.maybeSymbol('(')) {
      if (scanner.isKeyword('SELECT')) this.select();
      else this.list(() => this.aliased());
      scanner.symbol(')');
    } else if (scanner.maybeSymbol('[')) {
      if (!scanner.isSymbol(']')) this.expressions();
      scanner.symbol(']');
    } else if (scanner.maybeSymbol('{')) this.parameter();
    else if (scanner.maybeKeyword('CASE')) this.caseExpression();
    else if (scanner.maybeKeyword('INTERVAL')) this.interval();
    else this.nameOrCall();
  }

  private aliased(): void {
    this.expression();
    this.alias();
  }

  private nameOrCall(): void {
    const { scanner } = this;
    const start = scanner.word('a value');
    if (!scanner.maybeSymbol('(')) {
      if (RESERVED_WORDS.has(start.toUpperCase())) throw notTaken(`${start} as a name`);
      return;
    }
    if (!FUNCTIONS.has(start)) throw notTaken(`the function ${start}`);
    this.callArguments();
    // Of an aggregate function with parameters: quantile(0.9)(x).
    if (scanner.maybeSymbol('(')) this.callArguments();
    if (scanner.maybeKeyword('OVER')) this.window();
  }

  /** From behind the opening parenthesis to the closing one. */
  private callArguments(): void {
    const { scanner } = this;
    if (scanner.maybeSymbol(')')) return;
    scanner.maybeKeyword('DISTINCT');
    if (!scanner.maybeSymbol('*')) this.list(() => this.aliased());
    scanner.symbol(')');
  }

  /** `{name:Type}`; the type is one of values, so that no parameter can be a table's name. */
  private parameter(): void {
    this.name();
    this.scanner.symbol(':');
    this.type();
    this.scanner.symbol('}');
  }

  private caseExpression(): void {
    const { scanner } = this;
    if (!scanner.isKeyword('WHEN')) this.expression();
    while (scanner.maybeKeyword('WHEN')) {
      this.expression();
      scanner.keywords('THEN');
      this.expression();
    }
    if (scanner.maybeKeyword('ELSE')) this.expression();
    scanner.keywords('END');
  }

  private interval(): void {
    this.operand();
    const unit = this.scanner.word('a unit of time');
    if (!INTERVAL_UNITS.has(unit.toUpperCase())) throw notTaken(`the unit ${unit}`);
  }

  private window(): void {
    const { scanner } = this;
    scanner.symbol('(');
    if (scanner.maybeKeyword('PARTITION', 'BY')) this.expressions();
    if (scanner.maybeKeyword('ORDER', 'BY')) this.order();
    scanner.maybeKeyword('ROWS', 'UNBOUNDED', 'PRECEDING');
    scanner.symbol(')');
  }

  private enter(): void {
    this.depth += 1;
    if (this.depth > MAX_DEPTH) throw notTaken(`a statement that is nested more than ${MAX_DEPTH} deep`);
  }

  private leave(): void {
    this.depth -= 1;
  }
}
