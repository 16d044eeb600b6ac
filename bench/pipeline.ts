/**
 * From a file to searchable, with the real programs on one machine.
 *
 * Measured: the time from the start of the agent's reading (`sluice up` is ready, then the file is moved into the
 * watched directory) until a count through the API says that all lines are there; CPU seconds and peak memory of each
 * process meanwhile. Every {@link POLL_MS}, which is the error of the time, one server is asked for its metrics; the count,
 * which costs server and store some 15 ms of CPU, is asked when these say that all is loaded (with several servers every
 * time).
 *
 * Memory is shown twice. `peak MiB` is VmHWM of the whole life: all pages that were mapped at once, also those of files
 * (LMDB's pages, the engine's code), which the kernel takes back when it needs them. `anonymous MiB` is the largest
 * RssAnon seen at a poll: what really must be there; `idle MiB` is RssAnon at the end of the pause.
 *
 * Not measured: networks, several agents; the CPU of merges that go on afterwards is shown apart after a pause.
 */
import { execFileSync } from 'node:child_process';
import {
  copyFileSync,
  createReadStream,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { corpusLines } from '../apptest/support/corpus.ts';
import { type RunningUp, startUp } from '../apptest/support/programs.ts';
import { loadedRecords } from './loaded-records.ts';

const DEFAULT_LINES = 500_000;
/** How long merges may go on before their cost is read. */
const SETTLE_MS = 15_000;
/** Between two counts: fine enough for times of seconds, rare enough to cost nothing that shows. */
const POLL_MS = 100;
const PARTS = ['agent', 's1', 's2', 's3', 's4', 'store'] as const;

interface Usage {
  readonly cpuSeconds: number;
  readonly peakMiB: number;
  readonly anonymousMiB: number;
}

export async function run(argumentsOfBench: readonly string[]): Promise<void> {
  const directory = mkdtempSync(path.join(tmpdir(), 'sluice-bench-'));
  const servers = flag(argumentsOfBench, '--servers') ?? '1';
  const given = argumentsOfBench[0]?.startsWith('--') === false ? argumentsOfBench[0] : undefined;
  const staged = path.join(directory, 'staged');
  if (given === undefined) writeFileSync(staged, `${[...corpusLines(DEFAULT_LINES, 7)].join('\n')}\n`);
  else copyFileSync(given, staged);
  const lines = await countLines(staged);
  const megabytes = statSync(staged).size / 1e6;
  const logs = path.join(directory, 'logs');
  mkdirSync(logs);
  const up = await startUp({
    data: path.join(directory, 'data'),
    arguments: ['--servers', servers, '--watch', path.join(logs, '*.log')],
  });
  try {
    const before = usages(up);
    const anonymous = new Map<string, number>();
    const startMs = performance.now();
    renameSync(staged, path.join(logs, 'bench.log'));
    let count = 0;
    let firstMs = 0;
    let elapsedMs = 0;
    let after = before;
    while (count < lines) {
      const loaded = servers === '1' ? await loadedRecords(up.url) : lines;
      if (loaded >= lines) count = await countThroughApi(up.url);
      if (firstMs === 0 && (count > 0 || (servers === '1' && loaded > 0)))
        firstMs = performance.now() - startMs;
      const elapsed = performance.now() - startMs;
      const now = usages(up);
      for (const [part, { anonymousMiB }] of now)
        anonymous.set(part, Math.max(anonymous.get(part) ?? 0, anonymousMiB));
      if (count >= lines) {
        elapsedMs = elapsed;
        after = now;
      } else {
        await sleep(POLL_MS);
      }
    }
    await sleep(SETTLE_MS);
    const settled = usages(up);
    const seconds = elapsedMs / 1000;
    print(`${lines} lines, ${megabytes.toFixed(1)} MB, ${servers} server(s)`);
    print(
      `file to searchable: ${seconds.toFixed(2)} s, ${Math.round(lines / seconds)} lines/s, ${(megabytes / seconds).toFixed(1)} MB/s`,
    );
    print(
      `first lines loaded after ${Math.round(firstMs)} ms; on disk ${diskUsage(path.join(directory, 'data', 'store'))}`,
    );
    print('process   CPU s   CPU s after it (merges)   peak MiB   anonymous MiB   idle MiB');
    let totalSeconds = 0;
    for (const part of PARTS) {
      const [first, second, third] = [before.get(part), after.get(part), settled.get(part)];
      if (first === undefined || second === undefined || third === undefined) continue;
      const cpu = (second.cpuSeconds - first.cpuSeconds).toFixed(2).padStart(5);
      const later = (third.cpuSeconds - second.cpuSeconds).toFixed(2).padStart(5);
      const peaks = [
        third.peakMiB.toFixed(0).padStart(8),
        (anonymous.get(part) ?? 0).toFixed(0).padStart(13),
        third.anonymousMiB.toFixed(0).padStart(8),
      ];
      totalSeconds += second.cpuSeconds - first.cpuSeconds;
      print(`${part.padEnd(9)} ${cpu}   ${later.padStart(23)}   ${peaks.join('   ')}`);
    }
    print(`${'all'.padEnd(9)} ${totalSeconds.toFixed(2).padStart(5)}`);
  } finally {
    await up.end();
    rmSync(directory, { recursive: true });
  }
}

/** The API is asked directly: starting a command each time would take a good part of the machine. */
async function countThroughApi(url: string): Promise<number> {
  const response = await fetch(`${url}/sluice.v1.QueryService/Count`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ query: '*' }),
  });
  const answer: unknown = await response.json();
  if (typeof answer !== 'object' || answer === null) throw new Error(`no answer from ${url}`);
  if ('count' in answer) return Number(answer.count);
  if (!response.ok) throw new Error(JSON.stringify(answer));
  return 0;
}

function usages(up: RunningUp): Map<string, Usage> {
  const found = new Map<string, Usage>();
  for (const part of PARTS) {
    const pid = up.pidOf(part);
    if (pid !== undefined) found.set(part, usageOf(pid));
  }
  return found;
}

/** From /proc: user and system time in clock ticks (100 a second on Linux), memory in KiB. */
function usageOf(pid: number): Usage {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const kibibytes = (name: string): number => Number(new RegExp(`${name}:\\s+(\\d+) kB`).exec(status)?.[1]);
  return {
    cpuSeconds: (Number(fields[11]) + Number(fields[12])) / 100,
    peakMiB: kibibytes('VmHWM') / 1024,
    anonymousMiB: kibibytes('RssAnon') / 1024,
  };
}

function diskUsage(directory: string): string {
  return execFileSync('du', ['-sh', directory], { encoding: 'utf8' }).split('\t')[0] ?? '';
}

async function countLines(file: string): Promise<number> {
  let lines = 0;
  for await (const chunk of createReadStream(file)) {
    const bytes: Buffer = chunk;
    for (let at = bytes.indexOf(10); at !== -1; at = bytes.indexOf(10, at + 1)) lines += 1;
  }
  return lines;
}

function flag(argumentsOfBench: readonly string[], name: string): string | undefined {
  const at = argumentsOfBench.indexOf(name);
  return at === -1 ? undefined : argumentsOfBench[at + 1];
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}
