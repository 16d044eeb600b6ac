/**
 * A program: opens the LMDB file that its first argument names, as a program that uses it would, reads every entry of the
 * databases that the others name, and exits with 0. Damage that kills kills only this (probe.ts).
 */
import { open } from 'lmdb';

const [file, ...names] = process.argv.slice(2);
if (file === undefined) process.exit(2);
const root = open({
  path: file,
  noSubdir: true,
  maxDbs: names.length + 1,
  overlappingSync: false,
  eventTurnBatching: false,
});
let bytes = 0;
for (const name of names) {
  const database = root.openDB<Buffer, Buffer>({ name, keyEncoding: 'binary', encoding: 'binary' });
  for (const { key, value } of database.getRange()) {
    // Each byte is looked at: only then its page is read.
    for (const byte of value) bytes = (bytes + byte) % 0xffff;
    bytes += key.length;
  }
}
process.exit(bytes >= 0 ? 0 : 1);
