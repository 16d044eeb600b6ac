/**
 * The agent that is checked: a program that the kit starts for each check, or one that somebody else has started and that
 * connects to the addresses which the kit prints.
 */
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { appendFileSync, mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { Readable, Writable } from 'node:stream';

/** What of the program's own words is kept for a failure. */
const MAX_KEPT_OUTPUT = 4_000;
/** How long a program may take to end when it is asked to, before it is killed. */
const END_TIMEOUT_MS = 8_000;

export interface AgentProgram {
  /** The kit may stop, kill and start it. */
  readonly isOurs: boolean;
  /** Starts it, with an empty data directory or, the second time, with what it left there. */
  start(addresses: readonly string[]): void;
  /** Asks it to stop. Resolves when it is gone. */
  stop(): Promise<void>;
  kill(): Promise<void>;
  /** Appends lines to the log that it follows. */
  write(text: string): void;
  /** Its latest words. */
  output(): string;
}

/**
 * The command line for these servers: `{server}` becomes one of them, and its argument is repeated for each; `{servers}` all
 * of them with commas; `{log}` the file to follow; `{data}` a directory for its state.
 */
function fillCommand(
  command: readonly string[],
  values: { readonly servers: readonly string[]; readonly log: string; readonly data: string },
): string[] {
  const fill = (text: string): string =>
    text
      .replaceAll('{servers}', values.servers.join(','))
      .replaceAll('{log}', values.log)
      .replaceAll('{data}', values.data);
  return command.flatMap((argument) =>
    argument.includes('{server}')
      ? values.servers.map((server) => fill(argument.replaceAll('{server}', server)))
      : [fill(argument)],
  );
}

/** An agent as a child process. Without `{log}` in its command line it gets the lines on its standard input. */
export class StartedAgent implements AgentProgram {
  readonly isOurs = true;
  readonly #command: readonly string[];
  readonly #directory: string;
  readonly #log: string;
  readonly #readsInput: boolean;
  #child: ChildProcessByStdio<Writable, Readable, Readable> | undefined;
  #gone: Promise<void> = Promise.resolve();
  #output = '';

  /** @param directory an empty one, of this check alone */
  constructor(command: readonly string[], directory: string) {
    this.#command = command;
    this.#directory = directory;
    this.#log = path.join(directory, 'app.log');
    this.#readsInput = !command.some((argument) => argument.includes('{log}'));
    writeFileSync(this.#log, '');
    mkdirSync(path.join(directory, 'data'), { mode: 0o700 });
  }

  start(servers: readonly string[]): void {
    const data = path.join(this.#directory, 'data');
    const [program = '', ...rest] = fillCommand(this.#command, { servers, log: this.#log, data });
    // A group of its own: a launcher's child must not outlive it.
    const child = spawn(program, rest, { stdio: ['pipe', 'pipe', 'pipe'], detached: true });
    this.#child = child;
    const keep = (chunk: Buffer): void => {
      this.#output = `${this.#output}${chunk.toString()}`.slice(-MAX_KEPT_OUTPUT);
    };
    child.stdout.on('data', keep);
    child.stderr.on('data', keep);
    // It may be gone when the last lines come.
    child.stdin.on('error', (error) => keep(Buffer.from(`${error.message}\n`)));
    const { promise, resolve } = Promise.withResolvers<void>();
    child.once('error', (error) => {
      keep(Buffer.from(`it cannot be started: ${error.message}\n`));
      resolve();
    });
    child.once('close', (code, signal) => {
      keep(Buffer.from(`it ended (${signal ?? code})\n`));
      resolve();
    });
    this.#gone = promise;
  }

  async stop(): Promise<void> {
    this.#signal('SIGTERM');
    const timer = setTimeout(() => this.#signal('SIGKILL'), END_TIMEOUT_MS);
    await this.#gone;
    clearTimeout(timer);
  }

  async kill(): Promise<void> {
    this.#signal('SIGKILL');
    await this.#gone;
  }

  write(text: string): void {
    if (this.#readsInput) this.#child?.stdin.write(text);
    else appendFileSync(this.#log, text);
  }

  output(): string {
    return this.#output;
  }

  #signal(signal: NodeJS.Signals): void {
    const { pid, exitCode, signalCode } = this.#child ?? {};
    if (pid === undefined || exitCode !== null || signalCode !== null) return;
    try {
      // A program tells its own children; what is left after a kill goes with its group.
      process.kill(signal === 'SIGKILL' ? -pid : pid, signal);
    } catch (error) {
      // It ended just now.
      if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error;
    }
  }
}

/** An agent that somebody else started: it follows `log` and knows all addresses of the kit. */
export class ForeignAgent implements AgentProgram {
  readonly isOurs = false;
  readonly #log: string;

  constructor(log: string) {
    this.#log = log;
    appendFileSync(log, '');
  }

  start(): void {
    // It runs already, and tries to connect.
  }

  async stop(): Promise<void> {
    // It goes on.
  }

  async kill(): Promise<void> {
    // It goes on.
  }

  write(text: string): void {
    appendFileSync(this.#log, text);
  }

  output(): string {
    return '';
  }
}
