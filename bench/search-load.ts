/**
 * Many heavy searches at once, one light count each second, and intake at its full rate: who is answered when.
 *
 * Measured with the real programs on one machine: how long each light count takes; how long each heavy one takes until it
 * is answered or told when to come again, by callers that do as they are told and ask again; lines per second that become
 * searchable before, during and after. Heavy is a regular expression over the bodies of all time, a different one each
 * time; light are in turn a word, which an index answers, and the errors of ten minutes.
 * Not measured: networks, several servers, a store on other machines, pages and histograms.
 */
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { corpusLines } from '../apptest/support/corpus.ts';
import { type RunningUp, startUp } from '../apptest/support/programs.ts';

const DEFAULT_HEAVY = 200;
const DEFAULT_SECONDS = 60;
const DEFAULT_LINES = 2_000_000;
/** The flood is copies of one file: writing new lines would take a core of its own. */
const CHUNK_LINES = 250_000;
/** Lines that wait in files, so that the agent never runs dry, in chunks. */
const CHUNKS_AHEAD = 3;
/** Files that stay; older ones have long been read. */
const KEPT_CHUNKS = 10;
/** How long intake is measured without searches, before and after. */
const QUIET_SECONDS = 20;
const LIGHT_GOAL_MS = 2_000;
const LIGHT_GOAL_SHARE = 0.95;
const MAX_PUT_OFF_MS = 10_000;
const MIN_INTAKE_SHARE = 2 / 3;
/** Of the corpus, whose lines are 3 ms apart. */
const CORPUS_START_MS = Date.UTC(2026, 0, 10);

export const USAGE: string = `search-load [--heavy N] [--seconds N] [--lines N] [--idle]
  Many heavy searches at once, a light count each second, intake at full rate.
  --heavy N     callers that search heavily, again and again (${DEFAULT_HEAVY})
  --seconds N   how long they do (${DEFAULT_SECONDS})
  --lines N     lines that are there before (${DEFAULT_LINES})
  --idle        no intake meanwhile`;

interface Outcome {
  readonly kind: 'answered' | 'busy' | 'failed';
  readonly elapsedMs: number;
  readonly retryAfterMs: number;
  /** Of a failure. */
  readonly detail: string;
}

/** @param argumentsOfBench as {@link USAGE} says */
export async function run(argumentsOfBench: readonly string[]): Promise<void> {
  const heavy = numberAfter(argumentsOfBench, '--heavy', DEFAULT_HEAVY);
  const seconds = numberAfter(argumentsOfBench, '--seconds', DEFAULT_SECONDS);
  const lines = numberAfter(argumentsOfBench, '--lines', DEFAULT_LINES);
  const withIntake = !argumentsOfBench.includes('--idle');
  const directory = mkdtempSync(path.join(tmpdir(), 'sluice-search-load-'));
  const logs = path.join(directory, 'logs');
  mkdirSync(logs);
  const chunk = path.join(directory, 'chunk');
  writeFileSync(chunk, `${[...corpusLines(CHUNK_LINES, 5)].join('\n')}\n`);
  const up = await startUp({
    data: path.join(directory, 'data'),
    arguments: ['--watch', path.join(logs, '*.log'), '--from-start'],
  });
  const flood = new Flood(up, chunk, logs);
  try {
    await flood.load(lines);
    print(`${lines} lines are there`);
    if (withIntake) flood.start();
    const before = withIntake ? await flood.rateOver(QUIET_SECONDS) : Number.NaN;
    const untilMs = performance.now() + seconds * 1000;
    const during = flood.rateOver(seconds);
    const light: Outcome[] = [];
    const heavies: Outcome[] = [];
    const callers = Array.from({ length: heavy }, (_, number) =>
      callHeavily(up.url, number, untilMs, heavies),
    );
    await Promise.all([callLightly(up.url, untilMs, light), ...callers]);
    const rateDuring = await during;
    const after = withIntake ? await flood.rateOver(QUIET_SECONDS) : Number.NaN;
    print(`${flood.written} lines in the end\n`);
    report(light, heavies, withIntake ? { before, during: rateDuring, after } : undefined);
  } finally {
    await flood.stop();
    await up.end();
    rmSync(directory, { recursive: true });
  }
}

/** Lines that come in as fast as they are taken. */
class Flood {
  readonly #up: RunningUp;
  readonly #chunk: string;
  readonly #logs: string;
  #chunks = 0;
  #running: Promise<void> | undefined;
  #stopped = false;

  constructor(up: RunningUp, chunk: string, logs: string) {
    this.#up = up;
    this.#chunk = chunk;
    this.#logs = logs;
  }

  get written(): number {
    return this.#chunks * CHUNK_LINES;
  }

  /** Resolves when so many lines can be found. */
  async load(lines: number): Promise<void> {
    while (this.written < lines) this.#add();
    while ((await this.loaded()) < this.written) await sleep(200);
  }

  start(): void {
    this.#running = (async () => {
      while (!this.#stopped) {
        if (this.written - (await this.loaded()) < CHUNKS_AHEAD * CHUNK_LINES) this.#add();
        else await sleep(100);
      }
    })();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#running;
  }

  /** Lines per second that became searchable. */
  async rateOver(seconds: number): Promise<number> {
    const [startMs, first] = [performance.now(), await this.loaded()];
    await sleep(seconds * 1000);
    return ((await this.loaded()) - first) / ((performance.now() - startMs) / 1000);
  }

  async loaded(): Promise<number> {
    const text = await (await fetch(`${this.#up.url}/metrics`)).text();
    let records = 0;
    for (const [, value] of text.matchAll(/^sluice_server_loaded_records_total\{[^}]*\} (\S+)$/gm)) {
      records += Number(value);
    }
    return records;
  }

  #add(): void {
    this.#chunks += 1;
    const name = `${String(this.#chunks).padStart(4, '0')}.log`;
    // The agent must not meet half a file: a second one of its beginning would look like the first, cut short.
    copyFileSync(this.#chunk, path.join(this.#logs, `${name}.part`));
    renameSync(path.join(this.#logs, `${name}.part`), path.join(this.#logs, name));
    // What was read is of no use any more; the disk is not what is measured.
    for (const old of readdirSync(this.#logs).sort().slice(0, -KEPT_CHUNKS))
      rmSync(path.join(this.#logs, old));
  }
}

async function callHeavily(url: string, number: number, untilMs: number, outcomes: Outcome[]): Promise<void> {
  for (let turn = 0; performance.now() < untilMs; turn += 1) {
    // Never the same twice: the engine remembers where a condition was not met.
    const outcome = await count(url, { query: `/line-[0-9]*${number % 10}${turn % 10} .*(${number}|ms)$/` });
    outcomes.push(outcome);
    if (outcome.kind === 'answered') continue;
    const leftMs = untilMs - performance.now();
    await sleep(Math.max(0, Math.min(leftMs, outcome.kind === 'busy' ? outcome.retryAfterMs : 1000)));
  }
}

async function callLightly(url: string, untilMs: number, outcomes: Outcome[]): Promise<void> {
  const calls: Promise<void>[] = [];
  for (let number = 0; performance.now() < untilMs; number += 1) {
    const start = BigInt(CORPUS_START_MS + number * 1000) * 1_000_000n;
    const range = { startUnixNanos: String(start), endUnixNanos: String(start + 600_000_000_000n) };
    const request =
      number % 2 === 0 ? { query: `line-${1000 + number * 37}` } : { query: 'severity:error', range };
    calls.push(count(url, request).then((outcome) => void outcomes.push(outcome)));
    await sleep(1000);
  }
  await Promise.all(calls);
}

async function count(url: string, request: object): Promise<Outcome> {
  const startMs = performance.now();
  const ended = (kind: Outcome['kind'], retryAfterMs = 0, detail = ''): Outcome => ({
    ...{ kind, retryAfterMs, detail },
    elapsedMs: performance.now() - startMs,
  });
  try {
    const response = await fetch(`${url}/sluice.v1.QueryService/Count`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(request),
    });
    const text = await response.text();
    if (response.ok) return ended('answered');
    const retryAfter = Number(response.headers.get('retry-after') ?? Number.NaN);
    return response.status === 429 && retryAfter > 0
      ? ended('busy', retryAfter * 1000)
      : ended('failed', 0, `HTTP ${response.status} ${text}`);
  } catch (error) {
    return ended('failed', 0, String(error));
  }
}

interface IntakeRates {
  readonly before: number;
  readonly during: number;
  readonly after: number;
}

function report(light: readonly Outcome[], heavy: readonly Outcome[], rates: IntakeRates | undefined): void {
  const answered = light.filter(({ kind }) => kind === 'answered');
  const quick = answered.filter(({ elapsedMs }) => elapsedMs <= LIGHT_GOAL_MS);
  print(`light: ${light.length} asked, ${answered.length} answered; ${spread(light)}`);
  print(`  within ${LIGHT_GOAL_MS} ms: ${((100 * quick.length) / light.length).toFixed(1)} %`);
  const of = (kind: Outcome['kind']): Outcome[] => heavy.filter((outcome) => outcome.kind === kind);
  const [done, busy, failed] = [of('answered'), of('busy'), of('failed')];
  print(`heavy: ${heavy.length} asked; ${done.length} answered, ${spread(done)}`);
  print(`  ${busy.length} told to come again, ${spread(busy)}; ${failed.length} failed`);
  for (const detail of new Set(failed.map((outcome) => outcome.detail))) print(`  ${detail}`);
  const isMet = [
    quick.length >= LIGHT_GOAL_SHARE * light.length,
    Math.max(...[...light, ...busy].map(({ elapsedMs }) => elapsedMs)) <= MAX_PUT_OFF_MS,
    failed.length === 0 && light.every(({ kind }) => kind !== 'failed'),
  ];
  if (rates !== undefined) {
    const quiet = (rates.before + rates.after) / 2;
    print(
      `intake: ${Math.round(rates.before)} lines/s before, ${Math.round(rates.during)} during, ` +
        `${Math.round(rates.after)} after: ${((100 * rates.during) / quiet).toFixed(0)} %`,
    );
    isMet.push(rates.during >= MIN_INTAKE_SHARE * quiet);
  }
  print(
    `goal (95 % of the light within 2 s, none put off for 10 s, each heavy one told, intake two thirds): ${
      isMet.every(Boolean) ? 'met' : 'missed'
    }`,
  );
}

function spread(outcomes: readonly Outcome[]): string {
  const sorted = outcomes.map(({ elapsedMs }) => elapsedMs).sort((one, other) => one - other);
  const at = (part: number): number =>
    Math.round(sorted[Math.max(0, Math.ceil(part * sorted.length) - 1)] ?? Number.NaN);
  return `p50 ${at(0.5)}, p95 ${at(0.95)}, most ${at(1)} ms`;
}

function numberAfter(argumentsOfBench: readonly string[], name: string, whenAbsent: number): number {
  const at = argumentsOfBench.indexOf(name);
  const value = at === -1 ? whenAbsent : Number(argumentsOfBench[at + 1]);
  if (!(value > 0)) throw new Error(`${name}: a positive number is expected`);
  return value;
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}
