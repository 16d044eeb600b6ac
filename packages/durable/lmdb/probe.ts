/**
 * Opens an LMDB file in a process of its own first, and reads all of it: what the library dies of is then told, and not
 * met again at each start of the program that a supervisor makes for ever.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

/** A full read of the largest queue (about 1 GiB) from a slow disk. */
const PROBE_TIMEOUT_MS = 120_000;
const MAX_SHOWN_CHARACTERS = 300;

/** Returns how the process ended that read the file, in words, or undefined when it read all of it. */
export async function probeLmdb(file: string, names: readonly string[]): Promise<string | undefined> {
  const program = fileURLToPath(new URL('./probe-program.ts', import.meta.url));
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', program, file, ...names], {
    stdio: ['ignore', 'ignore', 'pipe'],
    timeout: PROBE_TIMEOUT_MS,
    killSignal: 'SIGKILL',
  });
  let said = '';
  child.stderr.setEncoding('utf8');
  child.stderr.on('data', (text: string) => {
    said = (said + text).slice(0, MAX_SHOWN_CHARACTERS);
  });
  const [code, signal]: unknown[] = await once(child, 'close');
  if (code === 0) return undefined;
  if (signal === 'SIGKILL') return `reading it took longer than ${PROBE_TIMEOUT_MS / 1000} s`;
  if (typeof signal === 'string') return `reading it ends a process with ${signal}`;
  return `reading it fails: ${
    said
      .trim()
      .split('\n')
      .find((line) => line.includes('Error')) ?? `exit code ${String(code)}`
  }`;
}
