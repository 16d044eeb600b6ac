/**
 * Store, servers and one agent as programs of their own, in a directory that they have to themselves; the agent behind a
 * link when the bench wants one.
 *
 * Invariant: `stop` ends whatever was started, also what stands still, and also when the start failed half way.
 */
import { mkdirSync, readdirSync, statSync } from 'node:fs';
import path from 'node:path';
import { createQueryClient, type QueryClient } from '@sluice/cli/client';
import { pickPort } from '@sluice/host/pick-port';
import { type RunningProgram, startProgram } from '../apptest/support/programs.ts';
import { LinkProcess } from './link-process.ts';
import type { LinkShape } from './link-relay.ts';

const HOST = '127.0.0.1';

export interface ServerPlan {
  readonly id: string;
  /** As its flag takes them. */
  readonly priorities: string;
  /** What it may take, as its flag takes it; without, as much as it can. */
  readonly ingestLimit?: string;
}

export interface InstallationPlan {
  readonly directory: string;
  readonly servers: readonly ServerPlan[];
  /** Between the agent and each server. */
  readonly link?: LinkShape;
  /** Beside directory and servers. */
  readonly agentFlags: readonly string[];
  /** Of the programs to start; this one's by default. */
  readonly checkout?: string;
}

interface Server {
  readonly plan: ServerPlan;
  readonly uplinkPort: number;
  readonly apiPort: number;
  readonly link: LinkProcess | undefined;
  program: RunningProgram;
}

export class Installation {
  readonly #plan: InstallationPlan;
  /** In the order in which they were started. */
  readonly #running: RunningProgram[] = [];
  readonly #servers = new Map<string, Server>();
  readonly #links: LinkProcess[] = [];
  readonly #stopped = new Set<RunningProgram>();

  private constructor(plan: InstallationPlan) {
    this.#plan = plan;
  }

  /** Resolves when all say that they are ready. */
  static async start(plan: InstallationPlan): Promise<Installation> {
    const installation = new Installation(plan);
    try {
      await installation.#start();
      return installation;
    } catch (error) {
      await installation.stop();
      throw error;
    }
  }

  /** The store's data directory. */
  get store(): string {
    return path.join(this.#plan.directory, 'store');
  }

  apiUrl(serverId: string): string {
    return `http://${HOST}:${this.#server(serverId).apiPort}`;
  }

  client(serverId: string): QueryClient {
    return createQueryClient(this.apiUrl(serverId));
  }

  /** Links of all servers, where the plan has one. */
  get links(): readonly LinkProcess[] {
    return this.#links;
  }

  /** Makes a server stand still: it keeps its connections and does nothing. */
  freeze(serverId: string): void {
    const { program } = this.#server(serverId);
    process.kill(program.pid, 'SIGSTOP');
    this.#stopped.add(program);
    // A process that stands still ends by no signal: Ctrl-C would leave it behind.
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, this.#leave);
  }

  thaw(serverId: string): void {
    this.#goOn(this.#server(serverId).program);
  }

  /** Nothing holds logs back any more: links are without limit, and servers take what they can. */
  async openWide(): Promise<void> {
    for (const server of this.#servers.values()) {
      await server.link?.openWide();
      if (server.plan.ingestLimit === undefined) continue;
      await this.#end(server.program);
      server.program = await this.#startServer(server, []);
    }
  }

  /** What the agent's files take. */
  agentDiskBytes(): number {
    const files = readdirSync(this.#agentDirectory, { recursive: true, withFileTypes: true });
    return (
      files
        .filter((entry) => entry.isFile())
        .map((entry) => statSync(path.join(entry.parentPath, entry.name)))
        // Blocks are of 512 bytes, whatever the file system's are.
        .reduce((sum, { blocks }) => sum + blocks * 512, 0)
    );
  }

  async stop(): Promise<void> {
    for (const program of [...this.#running].reverse()) await this.#end(program);
    for (const link of this.#links) await link.stop();
  }

  get #agentDirectory(): string {
    return path.join(this.#plan.directory, 'agent');
  }

  #server(serverId: string): Server {
    const server = this.#servers.get(serverId);
    if (server === undefined) throw new Error(`no server ${serverId}`);
    return server;
  }

  async #start(): Promise<void> {
    const { directory, servers, agentFlags } = this.#plan;
    mkdirSync(directory, { recursive: true });
    await this.#startProgram(['store', '--data', this.store]);
    const addresses: string[] = [];
    for (const plan of servers) {
      const [uplinkPort, apiPort] = [await pickPort(HOST, 0), await pickPort(HOST, 0)];
      const shape = this.#plan.link;
      const link = shape === undefined ? undefined : await LinkProcess.start(uplinkPort, shape);
      if (link !== undefined) this.#links.push(link);
      const ports = { plan, uplinkPort, apiPort, link };
      const program = await this.#startServer(
        ports,
        plan.ingestLimit === undefined ? [] : ['--ingest-limit', plan.ingestLimit],
      );
      this.#servers.set(plan.id, { ...ports, program });
      addresses.push(...['--server', `http://${HOST}:${link?.port ?? uplinkPort}`]);
    }
    await this.#startProgram(['agent', '--data', this.#agentDirectory, ...addresses, ...agentFlags]);
  }

  async #startServer(
    { plan, uplinkPort, apiPort }: Omit<Server, 'program'>,
    cap: readonly string[],
  ): Promise<RunningProgram> {
    return await this.#startProgram([
      ...['server', '--id', plan.id, '--data', path.join(this.#plan.directory, plan.id)],
      ...['--store-data', this.store, '--priorities', plan.priorities],
      ...['--listen', `${HOST}:${uplinkPort}`, '--api-listen', `${HOST}:${apiPort}`, ...cap],
    ]);
  }

  async #startProgram(argumentsOfCommand: readonly string[]): Promise<RunningProgram> {
    const { checkout } = this.#plan;
    const program = await startProgram(argumentsOfCommand, 'ready', {}, {}, checkout);
    this.#running.push(program);
    return program;
  }

  #goOn(program: RunningProgram): void {
    if (!this.#stopped.delete(program)) return;
    process.kill(program.pid, 'SIGCONT');
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.off(signal, this.#leave);
  }

  readonly #leave = (): void => {
    for (const program of this.#running) program.end('SIGTERM').catch(() => undefined);
    for (const { pid } of this.#stopped) process.kill(pid, 'SIGCONT');
    process.exit(1);
  };

  async #end(program: RunningProgram): Promise<void> {
    this.#running.splice(this.#running.indexOf(program), 1);
    this.#goOn(program);
    await program.end();
  }
}
