/**
 * Thousands of agents at one real server.
 *
 * Measured: memory of the server process per connected agent; from a request to its answer; how much quota each agent
 * holds and how evenly; the server's CPU while all
 * are connected and have nothing to send; and after the server was killed and started again, the time until all agents
 * hold a grant again. Not measured: what the agents' data would cost; TLS; other machines (the agents run on this one
 * and take their part of it).
 */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { pickPort } from '@sluice/host/pick-port';
import { type RunningProgram, startProgram } from '../apptest/support/programs.ts';
import type { AgentsTold } from './agents-client.ts';

const DEFAULT_AGENTS = 5000;
export const USAGE: string = `agents [--agents N] [-- SERVER FLAGS]
  One server with thousands of connected agents: memory, time from request to answer, quota, CPU when idle, and a
  restart of the server.
  --agents N        so many agents (${DEFAULT_AGENTS}); a server takes 10,000
  -- SERVER FLAGS   handed to \`sluice server\`, such as --journal-bytes 4GiB`;
/** Each process is one core's worth of agents at most. */
const PROCESSES = 4;
const HOST = '127.0.0.1';
/** Descriptors that a process needs beside its connections. */
const OTHER_DESCRIPTORS = 200;
const STEP_TIMEOUT_MS = 180_000;
const IDLE_SECONDS = 20;
const LOOK_MS = 250;

/** What all agents together said since the last reset. */
class Agents {
  readonly #processes: ChildProcess[] = [];
  readonly #latest = new Map<ChildProcess, AgentsTold>();
  answersMs: number[] = [];
  refusals = 0;
  requests = 0;
  /** Most requests within one look. */
  #requestsInLook = 0;
  mostRequestsPerSecond = 0;

  start(address: string, count: number): void {
    const module = path.join(import.meta.dirname, 'agents-client.ts');
    for (let index = 0; index < PROCESSES; index += 1) {
      const first = Math.floor((count * index) / PROCESSES);
      const next = Math.floor((count * (index + 1)) / PROCESSES);
      const flags = [address, String(first + 1), String(next - first)];
      const child = fork(module, flags, { execArgv: ['--disable-warning=ExperimentalWarning'] });
      this.#processes.push(child);
      child.on('message', (message: AgentsTold) => {
        this.#latest.set(child, message);
        this.answersMs.push(...message.answersMs);
        this.refusals += message.refusals;
        this.requests += message.requests;
        this.#requestsInLook += message.requests;
      });
    }
  }

  reset(): void {
    this.answersMs = [];
    this.refusals = 0;
    this.requests = 0;
    this.mostRequestsPerSecond = 0;
    this.#requestsInLook = 0;
  }

  /** Waits until so many of them are connected (or hold a grant); returns the seconds it took. */
  async until(what: 'connected' | 'granted', count: number): Promise<string> {
    const startMs = performance.now();
    let second = startMs;
    for (;;) {
      const have = [...this.#latest.values()].reduce((sum, told) => sum + told[what], 0);
      const nowMs = performance.now();
      if (nowMs - second >= 1000) {
        this.mostRequestsPerSecond = Math.max(this.mostRequestsPerSecond, this.#requestsInLook);
        this.#requestsInLook = 0;
        second = nowMs;
      }
      if (have >= count) return `${((nowMs - startMs) / 1000).toFixed(1)} s`;
      if (nowMs - startMs > STEP_TIMEOUT_MS) return `only ${have} after ${STEP_TIMEOUT_MS / 1000} s`;
      await sleep(LOOK_MS);
    }
  }

  /** What they hold of quota, and how evenly. */
  quota(): string {
    const all = [...this.#latest.values()].map(({ quota }) => quota);
    const total = (what: keyof AgentsTold['quota']): number =>
      all.reduce((sum, quota) => sum + quota[what], 0);
    const kibibytes = (bytes: number): string => `${(bytes / 1024).toFixed(0)} KiB`;
    const count = total('agents');
    const jain = total('sum') ** 2 / (count * total('sumOfSquares'));
    const [least, most] = [
      Math.min(...all.map((quota) => quota.least)),
      Math.max(...all.map((quota) => quota.most)),
    ];
    return `quota of ${count} agents: ${kibibytes(least)} to ${kibibytes(most)} each, Jain index ${jain.toFixed(3)}`;
  }

  /** Resolves when all processes are gone. */
  async stop(): Promise<void> {
    const gone = this.#processes.map((child) => once(child, 'exit'));
    for (const child of this.#processes) child.kill('SIGKILL');
    await Promise.all(gone);
  }
}

/** @param argumentsOfBench `--agents N`; whatever follows `--` goes to the server */
export async function run(argumentsOfBench: readonly string[]): Promise<void> {
  const at = argumentsOfBench.indexOf('--agents');
  const count = at === -1 ? DEFAULT_AGENTS : Number(argumentsOfBench[at + 1]);
  const separator = argumentsOfBench.indexOf('--');
  const serverFlags = separator === -1 ? [] : argumentsOfBench.slice(separator + 1);
  if (!Number.isSafeInteger(count) || count < PROCESSES) throw new Error('--agents is a whole number from 4');
  checkDescriptors(count + OTHER_DESCRIPTORS);
  const directory = mkdtempSync(path.join(tmpdir(), 'sluice-agents-'));
  const [port, apiPort] = [await pickPort(HOST, 0), await pickPort(HOST, 0)];
  const startServer = (): Promise<RunningProgram> =>
    startProgram(
      [
        ...['server', '--id', 's1', '--data', path.join(directory, 's1'), ...serverFlags],
        ...['--store-data', path.join(directory, 'store')],
        ...['--listen', `${HOST}:${port}`, '--api-listen', `${HOST}:${apiPort}`],
      ],
      'ready',
    );
  const agents = new Agents();
  const running: RunningProgram[] = [];
  try {
    running.push(await startProgram(['store', '--data', path.join(directory, 'store')], 'ready'));
    let server = await startServer();
    running.push(server);
    const emptyKiB = residentKiB(server.pid);

    agents.start(`http://${HOST}:${port}`, count);
    print(`${count} agents connected after ${await agents.until('connected', count)}`);
    print(`${count} agents granted after another ${await agents.until('granted', count)}; ${told(agents)}`);
    print(agents.quota());
    agents.reset();
    const perAgentKiB = (residentKiB(server.pid) - emptyKiB) / count;
    print(`server: ${Math.round(emptyKiB / 1024)} MiB empty, ${perAgentKiB.toFixed(0)} KiB more per agent`);

    const before = cpuSeconds(server.pid);
    await sleep(IDLE_SECONDS * 1000);
    const share = ((cpuSeconds(server.pid) - before) / IDLE_SECONDS) * 100;
    print(`idle: ${share.toFixed(1)} % of one core; ${told(agents)}`);
    const settledKiB = (residentKiB(server.pid) - emptyKiB) / count;
    print(`server: ${settledKiB.toFixed(0)} KiB more per agent after ${IDLE_SECONDS} s; ${agents.quota()}`);

    agents.reset();
    running.splice(running.indexOf(server), 1);
    await server.end('SIGKILL');
    server = await startServer();
    running.push(server);
    print(
      `server killed and ready again: ${count} agents granted after ${await agents.until('granted', count)}`,
    );
    print(`  ${told(agents)}; at most ${agents.mostRequestsPerSecond} requests in one second`);
    print(`  ${agents.quota()}`);
  } finally {
    await agents.stop();
    for (const program of running.reverse()) await program.end();
    rmSync(directory, { recursive: true, force: true });
  }
}

function told(agents: Agents): string {
  const sorted = agents.answersMs.toSorted((a, b) => a - b);
  const at = (part: number): string =>
    (sorted[Math.max(0, Math.ceil(part * sorted.length) - 1)] ?? Number.NaN).toFixed(1);
  return (
    `${agents.requests} requests, ${sorted.length} answers (${agents.refusals} refusals), ` +
    `request to answer p50 ${at(0.5)} ms, p99 ${at(0.99)} ms, max ${at(1)} ms`
  );
}

/** Node raises its own limit to the hard one when it starts, so the hard limit is what counts. */
function checkDescriptors(needed: number): void {
  const hard = /Max open files\s+\d+\s+(\d+|unlimited)/.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1];
  if (hard === undefined || hard === 'unlimited' || Number(hard) >= needed) return;
  throw new Error(
    `the server needs ${needed} open files and may have ${hard}: raise the hard limit (ulimit -Hn) or give --agents`,
  );
}

function residentKiB(pid: number): number {
  return Number(/VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]);
}

/** User and system time; /proc counts in clock ticks of 10 ms. */
function cpuSeconds(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}
