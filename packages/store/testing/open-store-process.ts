/**
 * A store that runs any statement, for tests of the engine and its HTTP interface that need tables of their own; also
 * what attacks are tried against once, to see that they would succeed. No program starts it.
 */
import { runStoreProcess } from '../run-store-process.ts';
import type { StoreRules } from '../statement.ts';

const judgeAnything: StoreRules['judge'] = (sql) => {
  const first = /^[\s(]*(\w+)/.exec(sql)?.[1]?.toUpperCase();
  const format = /\bFORMAT\s+(\w+)\s*$/i.exec(sql);
  const formatAt = format?.index ?? sql.length;
  if (first === 'INSERT')
    return { kind: format === null ? 'insert' : 'insertBody', format: format?.[1], formatAt };
  return { kind: first === 'SELECT' ? 'select' : 'change', format: format?.[1], formatAt };
};

await runStoreProcess({ judge: judgeAnything, takesSetting: () => true, takesOutputFormat: () => true });
