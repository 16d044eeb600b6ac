/**
 * A link in a process of its own, so that its rate does not depend on what the bench does meanwhile.
 *
 * Run as a program it is that process: `link-process.ts PORT BYTES_PER_SECOND ROUND_TRIP_MS`; it ends with its parent.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { type Carried, LinkRelay, type LinkShape } from './link-relay.ts';

type Order = 'open wide' | 'tell';

/** What has gone over the link so far. */
export interface LinkReport {
  readonly up: Carried;
  readonly down: Carried;
}

interface Told extends LinkReport {
  readonly port: number;
}

export class LinkProcess {
  readonly #child: ChildProcess;
  /** Listens there, on loopback. */
  readonly port: number;

  private constructor(child: ChildProcess, port: number) {
    this.#child = child;
    this.port = port;
  }

  /** Listens on loopback; what comes goes to `port` there, and back. */
  static async start(port: number, { bytesPerSecond, roundTripMs }: LinkShape): Promise<LinkProcess> {
    const child = fork(import.meta.filename, [port, bytesPerSecond, roundTripMs].map(String), {
      execArgv: ['--disable-warning=ExperimentalWarning'],
    });
    return new LinkProcess(child, (await told(child)).port);
  }

  async report(): Promise<LinkReport> {
    return await this.#order('tell');
  }

  /** From now on without limit and delay. */
  async openWide(): Promise<void> {
    await this.#order('open wide');
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const gone = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    await gone;
  }

  async #order(order: Order): Promise<Told> {
    const answer = told(this.#child);
    this.#child.send(order);
    return await answer;
  }
}

/** The next message. @throws Error when the process ends without one */
async function told(child: ChildProcess): Promise<Told> {
  const ended = new AbortController();
  const onExit = (): void => ended.abort(new Error('the process of the link ended'));
  child.once('exit', onExit);
  try {
    // What the process sends is of this type.
    const [content] = (await once(child, 'message', { signal: ended.signal })) as [Told];
    return content;
  } finally {
    child.off('exit', onExit);
  }
}

async function serve(port: number, shape: LinkShape): Promise<void> {
  const relay = await LinkRelay.start(port, shape);
  const carried = ({ bytes, mostQueuedBytes }: Carried): Carried => ({ bytes, mostQueuedBytes });
  const tell = (): void => {
    const content: Told = { port: relay.port, up: carried(relay.up), down: carried(relay.down) };
    process.send?.(content);
  };
  process.on('message', (order: Order) => {
    if (order === 'open wide') relay.openWide();
    tell();
  });
  process.once('disconnect', () => process.exit());
  tell();
}

if (import.meta.main) {
  const [port, bytesPerSecond, roundTripMs] = process.argv.slice(2).map(Number);
  if (port === undefined || bytesPerSecond === undefined || roundTripMs === undefined) {
    throw new Error('link-process.ts PORT BYTES_PER_SECOND ROUND_TRIP_MS');
  }
  await serve(port, { bytesPerSecond, roundTripMs });
}
