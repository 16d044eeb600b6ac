/**
 * A program: reads every entry of the LMDB file that its argument names and exits with 0. Damage kills it, and only it
 * (see environment-check.ts).
 */
import { openEnvironment } from './environment.ts';

const file = process.argv[2];
if (file === undefined) process.exit(2);
const environment = openEnvironment(file);
let bytes = 0;
for (const database of [environment.payloads, environment.asidePayloads]) {
  for (const entry of database.getRange()) bytes += entry.value.length;
}
for (const database of [
  environment.meta,
  environment.headers,
  environment.inDoubt,
  environment.checkpoints,
]) {
  for (const entry of database.getRange()) bytes += String(entry.key).length;
}
process.exit(bytes >= 0 ? 0 : 1);
