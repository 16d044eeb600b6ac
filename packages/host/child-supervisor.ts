/**
 * Keeps one child process of this project running: starts it, waits until it says that it is ready, starts it again
 * when it dies, and ends it. The child is told of its parent's end by the closing of their channel (see
 * child-process.ts), so that even `kill -9` of the parent leaves no process behind.
 *
 * Invariants: at most one child lives at a time; after `stop()` resolves, none does.
 */

import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { defined } from '@sluice/base/defined';
import { SluiceError } from '@sluice/base/error';

/** First wait before a restart; doubles up to the maximum while the child keeps dying young. */
const FIRST_RESTART_DELAY_MS = 100;
/** Longest wait before a restart: a person who mends the cause should not wait long for the effect. */
const MAX_RESTART_DELAY_MS = 5_000;
/** A child that lived this long was well; the next restart starts from the first delay again. */
const WELL_AFTER_MS = 30_000;
/** How long a child may take to end by itself after being asked, before it is killed. */
const STOP_TIMEOUT_MS = 20_000;
/** How much of a child's last words is kept for the error that tells of its death. */
const MAX_LAST_WORDS_BYTES = 4_096;

/** What a child says to its supervisor over their channel. */
export interface ReadyMessage {
  readonly type: 'ready';
  /** What the supervisor's owner needs to know, e.g. the port that was found. */
  readonly details: Readonly<Record<string, string | number>>;
}

/** What a child that cannot start says, so that the reason reaches the user in its own words. */
export interface FailedMessage {
  readonly type: 'failed';
  readonly code: string;
  readonly message: string;
  readonly hint?: string;
}

export interface ChildSupervisorOptions {
  /** Name for logs and errors. */
  readonly name: string;
  /** Absolute path of the child's main module. */
  readonly module: string;
  /** Arguments; no secrets (they are visible to every user of the machine). */
  readonly arguments: readonly string[];
  /** Environment for secrets, added to this process's own. */
  readonly environment?: Readonly<Record<string, string>>;
  /** Extra arguments for Node itself, e.g. memory limits. */
  readonly nodeArguments?: readonly string[];
  /** Called when the child died without being asked. */
  readonly onDeath?: (reason: string, restartInMs: number) => void;
  /** Called each time the child (again) said that it is ready. */
  readonly onReady?: (message: ReadyMessage) => void;
  /** Lines that the child writes to stdout and stderr. */
  readonly onOutput?: (text: string) => void;
}

export interface SupervisedChild {
  /** Process id of the child that lives now. */
  readonly pid: number | undefined;
  /** How often it was started again. */
  readonly restarts: number;
  /** Asks the child to end, kills it when it does not; resolves when it is gone. */
  stop(): Promise<void>;
}

/**
 * Starts the child and resolves when it is ready for the first time.
 *
 * @throws SluiceError what the child said when it failed to start the first time
 */
export async function superviseChild(options: ChildSupervisorOptions): Promise<SupervisedChild> {
  const supervisor = new ChildSupervisor(options);
  await supervisor.start();
  return supervisor;
}

class ChildSupervisor implements SupervisedChild {
  restarts = 0;
  private child: ChildProcess | undefined;
  private stopping = false;
  private wasReady = false;
  private delayMs: number = FIRST_RESTART_DELAY_MS;
  private restartTimer: NodeJS.Timeout | undefined;
  private readonly options: ChildSupervisorOptions;

  constructor(options: ChildSupervisorOptions) {
    this.options = options;
  }

  get pid(): number | undefined {
    return this.child?.pid;
  }

  start(): Promise<void> {
    return new Promise((resolve, reject) => this.launch(resolve, reject));
  }

  async stop(): Promise<void> {
    this.stopping = true;
    clearTimeout(this.restartTimer);
    const child = this.child;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const gone = once(child, 'exit');
    child.kill('SIGTERM');
    const killTimer = setTimeout(() => child.kill('SIGKILL'), STOP_TIMEOUT_MS);
    await gone;
    clearTimeout(killTimer);
  }

  private launch(onFirstReady: () => void, onFirstFailure: (error: SluiceError) => void): void {
    const startedMs = performance.now();
    const child = fork(this.options.module, [...this.options.arguments], {
      // A process group of its own: Ctrl-C reaches the parent only, which then ends its children in order.
      detached: true,
      execArgv: [...(this.options.nodeArguments ?? [])],
      env: { ...process.env, ...this.options.environment },
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    });
    this.child = child;
    let lastWords = '';
    let failure: FailedMessage | undefined;
    for (const stream of [child.stdout, child.stderr]) {
      stream?.setEncoding('utf8');
      stream?.on('data', (text: string) => {
        lastWords = (lastWords + text).slice(-MAX_LAST_WORDS_BYTES);
        this.options.onOutput?.(text);
      });
    }
    child.on('message', (message) => {
      if (isReady(message)) {
        this.wasReady = true;
        this.options.onReady?.(message);
        onFirstReady();
      } else if (isFailed(message)) {
        failure = message;
      }
    });
    child.once('exit', (code, signal) => {
      const reason = signal === null ? `exit code ${code}` : `signal ${signal}`;
      if (this.stopping) return;
      if (!this.wasReady) {
        onFirstFailure(this.startFailure(failure, reason, lastWords));
        return;
      }
      const well = performance.now() - startedMs >= WELL_AFTER_MS;
      this.delayMs = well ? FIRST_RESTART_DELAY_MS : this.delayMs;
      this.options.onDeath?.(failure?.message ?? reason, this.delayMs);
      this.restartTimer = setTimeout(() => {
        this.restarts += 1;
        this.launch(onFirstReady, onFirstFailure);
      }, this.delayMs);
      this.delayMs = Math.min(this.delayMs * 2, MAX_RESTART_DELAY_MS);
    });
  }

  private startFailure(failure: FailedMessage | undefined, reason: string, lastWords: string): SluiceError {
    const { name } = this.options;
    if (failure !== undefined) {
      const options = defined({ hint: failure.hint });
      return SluiceError.withCode(failure.code, `${name}: ${failure.message}`, options);
    }
    const words = lastWords.trim();
    return new SluiceError(
      'internal',
      `${name} ended before it was ready (${reason})${words === '' ? '' : `: ${words}`}`,
    );
  }
}

function isReady(message: unknown): message is ReadyMessage {
  return typeof message === 'object' && message !== null && 'type' in message && message.type === 'ready';
}

function isFailed(message: unknown): message is FailedMessage {
  return typeof message === 'object' && message !== null && 'type' in message && message.type === 'failed';
}
