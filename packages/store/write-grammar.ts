/**
 * The statements by which a store is changed, as a grammar: a server's migrations, its inserts of blocks and of copies, its
 * deletes of copies; and the removal of a day, by hand. What it does not know is refused.
 */
import {
  CODECS,
  INDEX_TYPES,
  INSERT_FORMATS,
  isOwnTable,
  TABLE_ENGINES,
  TABLE_SETTINGS,
} from './allowed-names.ts';
import { SelectGrammar } from './select-grammar.ts';
import { notTaken, type SqlScanner } from './sql-scanner.ts';

/** Of an insert whose data comes as the body of its request. */
export interface InsertWithBody {
  readonly format: string;
  /** Where the format clause begins, in UTF-16 units. */
  readonly formatAt: number;
}

export class WriteGrammar {
  private readonly scanner: SqlScanner;
  private readonly select: SelectGrammar;

  constructor(scanner: SqlScanner) {
    this.scanner = scanner;
    this.select = new SelectGrammar(scanner);
  }

  /** @returns what tells an insert with a body from the others. @throws EngineError 497 */
  statement(): InsertWithBody | undefined {
    const { scanner } = this;
    let body: InsertWithBody | undefined;
    if (scanner.maybeKeyword('INSERT', 'INTO')) body = this.insert();
    else if (scanner.maybeKeyword('CREATE', 'TABLE', 'IF', 'NOT', 'EXISTS')) this.createTable();
    else if (scanner.maybeKeyword('ALTER', 'TABLE')) this.alterTable();
    else if (scanner.maybeKeyword('DELETE', 'FROM')) {
      this.table();
      scanner.keywords('WHERE');
      this.select.expression();
    } else if (scanner.maybeKeyword('OPTIMIZE', 'TABLE')) {
      this.table();
      scanner.keywords('FINAL');
    } else throw scanner.unexpected('INSERT, CREATE TABLE, ALTER TABLE, DELETE or OPTIMIZE');
    scanner.finish();
    return body;
  }

  private table(): void {
    const name = this.scanner.word('a table');
    if (!isOwnTable(name)) throw notTaken(`the table ${name}`);
  }

  private insert(): InsertWithBody | undefined {
    const { scanner, select } = this;
    this.table();
    scanner.symbol('(');
    select.list(() => select.name());
    scanner.symbol(')');
    if (scanner.isKeyword('SELECT')) {
      select.select();
      return undefined;
    }
    if (scanner.maybeKeyword('VALUES')) {
      select.list(() => this.row());
      return undefined;
    }
    const formatAt = scanner.start;
    scanner.keywords('FORMAT');
    const format = scanner.word('a format');
    if (!INSERT_FORMATS.has(format)) throw notTaken(`an insert in the format ${format}`);
    return { format, formatAt };
  }

  /** Literals only: the engine would evaluate anything else. */
  private row(): void {
    const { scanner, select } = this;
    scanner.symbol('(');
    select.list(() => {
      if (scanner.kind !== 'string' && scanner.kind !== 'number')
        throw scanner.unexpected('a number or a string');
      scanner.advance();
    });
    scanner.symbol(')');
  }

  private createTable(): void {
    const { scanner, select } = this;
    this.table();
    scanner.symbol('(');
    select.list(() => {
      if (scanner.maybeKeyword('INDEX')) this.index();
      else this.column();
    });
    scanner.symbol(')');
    scanner.keywords('ENGINE');
    scanner.symbol('=');
    const engine = scanner.word('a table engine');
    if (!TABLE_ENGINES.has(engine)) throw notTaken(`the table engine ${engine}`);
    if (scanner.maybeSymbol('(')) {
      if (!scanner.isSymbol(')')) select.name();
      scanner.symbol(')');
    }
    if (scanner.maybeKeyword('PARTITION', 'BY')) select.expression();
    scanner.keywords('ORDER', 'BY');
    select.expression();
    if (scanner.maybeKeyword('SETTINGS')) this.tableSettings();
  }

  private alterTable(): void {
    const { scanner, select } = this;
    this.table();
    if (scanner.maybeKeyword('DROP', 'PARTITION')) {
      select.expression();
      return;
    }
    scanner.keywords('ADD', 'COLUMN', 'IF', 'NOT', 'EXISTS');
    this.column();
    // A sorting key may only grow by a column of the same statement.
    if (!scanner.maybeSymbol(',')) return;
    scanner.keywords('MODIFY', 'ORDER', 'BY');
    select.expression();
  }

  private column(): void {
    const { scanner, select } = this;
    select.name();
    select.type();
    if (scanner.maybeKeyword('DEFAULT') || scanner.maybeKeyword('MATERIALIZED')) select.expression();
    if (!scanner.maybeKeyword('CODEC')) return;
    scanner.symbol('(');
    select.list(() => {
      const codec = scanner.word('a codec');
      if (!CODECS.has(codec)) throw notTaken(`the codec ${codec}`);
      if (!scanner.maybeSymbol('(')) return;
      scanner.number();
      scanner.symbol(')');
    });
    scanner.symbol(')');
  }

  private index(): void {
    const { scanner, select } = this;
    select.name();
    select.expression();
    scanner.keywords('TYPE');
    const type = scanner.word('a kind of index');
    if (!INDEX_TYPES.has(type)) throw notTaken(`the index type ${type}`);
    if (scanner.maybeSymbol('(')) {
      if (scanner.kind === 'word') {
        select.name();
        scanner.symbol('=');
      }
      if (scanner.kind !== 'string' && scanner.kind !== 'number') throw scanner.unexpected('a literal');
      scanner.advance();
      scanner.symbol(')');
    }
    if (scanner.maybeKeyword('GRANULARITY')) scanner.number();
  }

  private tableSettings(): void {
    const { scanner, select } = this;
    select.list(() => {
      const name = scanner.word('a setting');
      if (!TABLE_SETTINGS.has(name)) throw notTaken(`the table setting ${name}`);
      scanner.symbol('=');
      scanner.number();
    });
  }
}
