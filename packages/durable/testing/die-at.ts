/**
 * A program: opens a durable file, and kills itself with SIGKILL right before the N-th call of some functions of the
 * runtime, so that a test can crash it at each step. Ends with 0 when there are fewer calls.
 *
 *     node die-at.ts MODULE DIRECTORY STEP FUNCTION...
 *
 * MODULE exports `subject` (durable-subject.ts); a FUNCTION is `fs.NAME` or `zlib.NAME`.
 */
import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import zlib from 'node:zlib';
import type { DurableSubject } from './durable-subject.ts';

const [moduleUrl = '', directory = '', step = '', ...functions] = process.argv.slice(2);
const { subject }: { subject: DurableSubject } = await import(moduleUrl);
let left = Number(step);
for (const name of functions) {
  const [library, member = ''] = name.split('.');
  const owner = library === 'fs' ? fs : zlib;
  const original: unknown = Reflect.get(owner, member);
  if (typeof original !== 'function') throw new Error(`no function ${name}`);
  Reflect.set(owner, member, (...given: unknown[]): unknown => {
    left -= 1;
    if (left === 0) process.kill(process.pid, 'SIGKILL');
    return Reflect.apply(original, owner, given);
  });
}
syncBuiltinESMExports();
await subject.open(directory);
// To end without closing is one more crash.
process.exit(0);
