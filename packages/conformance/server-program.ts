/** The server that is checked, as a program that the kit starts. */
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { connect } from 'node:net';
import type { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';

/** A server with a store of its own takes some seconds. */
const START_TIMEOUT_MS = 60_000;
const LOOK_INTERVAL_MS = 100;
const END_TIMEOUT_MS = 20_000;
const MAX_KEPT_OUTPUT = 4_000;

export class ServerProgram {
  readonly address: string;
  readonly #port: number;
  readonly #child: ChildProcessByStdio<null, Readable, Readable>;
  readonly #gone: Promise<void>;
  #output = '';
  #isGone = false;

  /** @param command with `{port}` and `{data}` */
  constructor(command: readonly string[], port: number, directory: string) {
    this.#port = port;
    this.address = `http://127.0.0.1:${port}`;
    const fill = (text: string): string =>
      text.replaceAll('{port}', String(port)).replaceAll('{data}', directory);
    const [program = '', ...rest] = command.map(fill);
    this.#child = spawn(program, rest, { stdio: ['ignore', 'pipe', 'pipe'], detached: true });
    const keep = (chunk: Buffer): void => {
      this.#output = `${this.#output}${chunk.toString()}`.slice(-MAX_KEPT_OUTPUT);
    };
    this.#child.stdout.on('data', keep);
    this.#child.stderr.on('data', keep);
    const { promise, resolve } = Promise.withResolvers<void>();
    const gone = (why: string): void => {
      this.#isGone = true;
      keep(Buffer.from(`${why}\n`));
      resolve();
    };
    this.#child.once('error', (error) => gone(`it cannot be started: ${error.message}`));
    this.#child.once('close', (code, signal) => gone(`it ended (${signal ?? code})`));
    this.#gone = promise;
  }

  output(): string {
    return this.#output;
  }

  /** Waits until it listens. @throws Error when it ends or takes too long */
  async listens(): Promise<void> {
    const endMs = performance.now() + START_TIMEOUT_MS;
    while (performance.now() < endMs && !this.#isGone) {
      if (await isListening(this.#port)) return;
      await sleep(LOOK_INTERVAL_MS);
    }
    throw new Error(`the server does not listen on ${this.#port}:\n${this.#output}`);
  }

  /** Asks it to end, and does not wait. */
  askToEnd(): void {
    this.#signal('SIGTERM');
  }

  /** Ends it. */
  async end(): Promise<void> {
    this.#signal('SIGTERM');
    const timer = setTimeout(() => this.#signal('SIGKILL'), END_TIMEOUT_MS);
    await this.#gone;
    clearTimeout(timer);
  }

  #signal(signal: NodeJS.Signals): void {
    const { pid } = this.#child;
    if (pid === undefined || this.#isGone) return;
    try {
      // Its own children hear of it from itself; what is left after a kill goes with its group.
      process.kill(signal === 'SIGKILL' ? -pid : pid, signal);
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error;
    }
  }
}

function isListening(port: number): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const socket = connect(port, '127.0.0.1');
  socket.once('connect', () => resolve(true));
  socket.once('error', () => resolve(false));
  return promise.finally(() => socket.destroy());
}
