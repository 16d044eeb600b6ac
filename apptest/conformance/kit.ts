/** Runs the conformance kit as its users do. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { text } from 'node:stream/consumers';
import { pathToFileURL } from 'node:url';

const PROJECT = path.join(import.meta.dirname, '..', '..');
const KIT = path.join(PROJECT, 'packages', 'conformance', 'main.ts');
const LAUNCHER = path.join(PROJECT, 'sluice');

/** Our programs, as somebody would start them by hand. In doubt for less long, so that nobody waits for it. */
const COMMANDS = {
  agent: [
    ...[LAUNCHER, 'agent', '--id', 'kit', '--data', '{data}', '--watch', '{log}', '--from-start'],
    ...['--server={server}', '--in-doubt-timeout', '12s'],
  ],
  server: [
    ...[LAUNCHER, 'server', '--id', 'kit', '--data', '{data}', '--listen', '127.0.0.1:{port}'],
    ...['--api-listen', '127.0.0.1:0', '--grant-lifetime', '3s'],
  ],
} as const;

export interface KitReport {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
  readonly checks: readonly {
    readonly name: string;
    readonly rules: readonly string[];
    readonly outcome: 'pass' | 'fail' | 'skip';
    readonly seen: string;
  }[];
}

/** @param wrongPeer name of one of WRONG_PEERS that our program shall be */
export async function runKit(
  side: 'agent' | 'server',
  options: readonly string[],
  wrongPeer?: string,
): Promise<{ code: number | null; report: KitReport }> {
  const hook = pathToFileURL(path.join(import.meta.dirname, 'wrong-program.ts')).href;
  const wrong =
    wrongPeer === undefined ? {} : { NODE_OPTIONS: `--import=${hook}`, SLUICE_WRONG_PEER: wrongPeer };
  const child = spawn(process.execPath, [KIT, side, '--json', ...options, '--', ...COMMANDS[side]], {
    cwd: PROJECT,
    env: { ...process.env, TZ: 'UTC', ...wrong },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const [stdout, stderr, [code]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'close') as Promise<[number | null]>,
  ]);
  if (!stdout.startsWith('{')) throw new Error(`the kit failed (${code}): ${stdout}${stderr}`);
  return { code, report: JSON.parse(stdout) };
}
