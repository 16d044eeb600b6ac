/**
 * Starts the real programs as a user would, through the launcher, and looks at what they leave.
 */
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import type { Readable } from 'node:stream';
import { pickPort } from '@sluice/host/pick-port';

const PROJECT = path.join(import.meta.dirname, '..', '..');
const LAUNCHER_NAME = 'sluice';
const LAUNCHER = path.join(PROJECT, LAUNCHER_NAME);

export interface CommandResult {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs one command to its end. */
export async function sluice(
  argumentsOfCommand: readonly string[],
  environment: Readonly<Record<string, string>> = {},
): Promise<CommandResult> {
  const child = spawn(LAUNCHER, argumentsOfCommand, {
    cwd: PROJECT,
    env: { ...process.env, TZ: 'UTC', ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const [stdout, stderr] = [collect(child.stdout), collect(child.stderr)];
  const [code]: unknown[] = await once(child, 'close');
  return { code: typeof code === 'number' ? code : null, stdout: stdout(), stderr: stderr() };
}

function collect(stream: Readable): () => string {
  let text = '';
  stream.setEncoding('utf8');
  stream.on('data', (chunk: string) => {
    text += chunk;
  });
  return () => text;
}

/** A program that goes on running. */
export interface RunningProgram {
  readonly pid: number;
  stdout(): string;
  stderr(): string;
  /** Sends the signal and resolves with the exit code when the program is gone. */
  end(signal?: NodeJS.Signals): Promise<number | null>;
}

/**
 * Starts a program and resolves when a line of its stdout starts with `word`, or rejects when it ends before.
 * @param checkout whose program it is: this one's, or another version's
 */
export async function startProgram(
  argumentsOfCommand: readonly string[],
  word: string,
  environment: Readonly<Record<string, string>> = {},
  user: { readonly uid?: number; readonly gid?: number } = {},
  checkout: string = PROJECT,
): Promise<RunningProgram & { readonly line: string }> {
  const launcher = path.join(checkout, LAUNCHER_NAME);
  const child: ChildProcessByStdio<null, Readable, Readable> = spawn(launcher, argumentsOfCommand, {
    cwd: checkout,
    env: { ...process.env, TZ: 'UTC', ...environment },
    ...user,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const [stdout, stderr] = [collect(child.stdout), collect(child.stderr)];
  const gone = once(child, 'close');
  const line = await new Promise<string>((resolve, reject) => {
    child.stdout.on('data', () => {
      const lines = stdout().split('\n').slice(0, -1);
      const found = lines.find((text) => text.startsWith(word));
      if (found !== undefined) resolve(found);
    });
    gone.then(
      ([code]) => reject(new Error(`ended with ${String(code)} before '${word}': ${stdout()}${stderr()}`)),
      reject,
    );
  });
  if (child.pid === undefined) throw new Error('no process id');
  return {
    pid: child.pid,
    line,
    stdout,
    stderr,
    end: async (signal = 'SIGINT') => {
      child.kill(signal);
      const [code]: unknown[] = await gone;
      return typeof code === 'number' ? code : null;
    },
  };
}

/** `sluice up` while it runs. */
export interface RunningUp extends RunningProgram, Client {
  readonly url: string;
  /** The newest process of a part: `store`, `agent`, or a server's id such as `s1`; undefined while none lives. */
  pidOf(part: string): number | undefined;
}

/** The command line as a client of one server. */
export interface Client {
  search(query: string, ...options: string[]): Promise<Record<string, unknown>[]>;
  count(query: string, ...options: string[]): Promise<number>;
  status(): Promise<StatusJson>;
}

/** How it stands, in `status --json`. */
export interface Health {
  status: string;
  problems: {
    code: string;
    severity: string;
    since: string;
    subject: { kind: string; name: string };
    summary: string;
    action: string;
  }[];
  problemsTotal: number;
  oldestUnsearchableMs: number;
}

/** What the tests look at in `status --json`. */
interface StatusJson {
  health: Health;
  urgentLag: { oldestMs: number; agent: string } | null;
  servers: {
    id: string;
    state: string;
    channels: { priority: number; quotaBytes: number; usedBytes: number }[];
    violations: number;
    journal: { diskFreeBytes: number; diskSizeBytes: number } | null;
    notices: {
      priority: number;
      outrankedBy: { server: string; highestPriority: number; heldPriorities: number[] }[];
    }[];
    history: { agent: string; kind: string; reason: string }[];
    historyTotals: Record<string, number>;
  }[];
  agents: {
    id: string;
    connected: boolean;
    lagMs: number;
    urgentLagMs: number | null;
    unreadBytes: number;
    recordsAcknowledged: number;
    backlog: Record<string, { records: number; rawBytes: number }>;
    servers: { address: string; id: string; connected: boolean; channels: { priority: number }[] }[];
    uses: { at: string; server: string; priority: number; violating: boolean; urgency: string }[];
    notices: { at: string; server: string; grant: string; channel: number; priority: number }[];
    violations: number;
    history: { server: string; kind: string; reason: string; priorities: number[] }[];
    historyTotals: Record<string, number>;
    problems: string[];
  }[];
  violations: number;
  store: { available: boolean };
}

/** Starts `sluice up` on free ports. */
export async function startUp(options: {
  data: string;
  arguments?: readonly string[];
  environment?: Readonly<Record<string, string>>;
}): Promise<RunningUp> {
  const port = await pickPort('127.0.0.1', 0);
  const flags = ['up', '--data', options.data, '--port', String(port), ...(options.arguments ?? [])];
  const program = await startProgram(flags, 'ready ', options.environment);
  const url = program.line.slice('ready '.length);
  return { ...program, ...clientOf(url), url, pidOf: (part) => pidOfPart(program.pid, part) };
}

/** @param url of a server's API */
export function clientOf(url: string): Client {
  const run = async (argumentsOfCommand: string[]): Promise<string> => {
    const result = await sluice([...argumentsOfCommand, '--server', url]);
    if (result.code !== 0)
      throw new Error(`${argumentsOfCommand.join(' ')}: ${result.code}: ${result.stderr}`);
    return result.stdout;
  };
  return {
    count: async (query, ...rest) => Number(await run(['search', query, '--all-time', '--count', ...rest])),
    search: async (query, ...rest) => {
      const text = await run(['search', query, '--json', ...rest]);
      return text
        .split('\n')
        .filter((line) => line !== '')
        .map((line): Record<string, unknown> => JSON.parse(line));
    },
    status: async (): Promise<StatusJson> => JSON.parse(await run(['status', '--json'])),
  };
}

/** @returns all living descendants of a process, with their command lines */
export function descendants(pid: number): { pid: number; command: string[] }[] {
  const found: { pid: number; command: string[] }[] = [];
  const parents = new Map<number, number[]>();
  for (const entry of readdirSync('/proc')) {
    if (!/^\d+$/.test(entry)) continue;
    const stat = readIfThere(`/proc/${entry}/stat`);
    // The command name stands in parentheses and may hold anything; the state and the parent follow the last one.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    if (stat === '' || fields[0] === 'Z') continue;
    const parent = Number(fields[1]);
    parents.set(parent, [...(parents.get(parent) ?? []), Number(entry)]);
  }
  const queue = [pid];
  for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
    for (const child of parents.get(next) ?? []) {
      found.push({ pid: child, command: readIfThere(`/proc/${child}/cmdline`).split('\0') });
      queue.push(child);
    }
  }
  return found;
}

function pidOfPart(pid: number, part: string): number | undefined {
  const children = descendants(pid).filter(({ command }) => {
    if (part === 'store' || part === 'agent') return command.includes(part);
    return command.includes('server') && command[command.indexOf('--id') + 1] === part;
  });
  return children.at(-1)?.pid;
}

function readIfThere(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    // A process may end between two looks.
    if (error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ESRCH'))
      return '';
    throw error;
  }
}

/** @returns whether the process lives (a zombie does not) */
export function isAlive(pid: number): boolean {
  const stat = existsSync(`/proc/${pid}/stat`) ? readIfThere(`/proc/${pid}/stat`) : '';
  return stat !== '' && stat.slice(stat.lastIndexOf(')') + 2)[0] !== 'Z';
}
