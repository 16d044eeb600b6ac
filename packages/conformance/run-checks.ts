/**
 * Runs checks, some at a time, and reports them in their order.
 *
 * Invariants: a check that throws, hangs or leaves its world broken fails alone; its world is ended whatever happens.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { type Check, DEFAULT_CHECK_MS, Skipped, Unmet } from './check.ts';

/** How a check went. The shape of `--json`; fields are only added. */
export interface CheckResult {
  readonly name: string;
  readonly rules: readonly string[];
  readonly title: string;
  readonly outcome: 'pass' | 'fail' | 'skip';
  /** What was seen; of a failure: each rule that did not hold, what was expected, and what was seen instead. */
  readonly seen: string;
}

/** A world for one check, with what is known when the check has ended. */
export interface OpenedWorld<World> {
  readonly world: World;
  /** What broke a rule beside what the check itself looked at, one text each. */
  faults(): readonly string[];
  /** For a failure: the latest of what happened, and what the program said. */
  story(): string;
  end(): Promise<void>;
}

export interface RunOptions<World> {
  /** How many checks at a time. */
  readonly jobs: number;
  open(check: Check<World>): Promise<OpenedWorld<World>>;
  /** Called in the order of the checks. */
  done(result: CheckResult, story: string): void;
}

/** @returns the results in the order of the checks */
export async function runChecks<World>(
  checks: readonly Check<World>[],
  options: RunOptions<World>,
): Promise<CheckResult[]> {
  const results: { result: CheckResult; story: string }[] = [];
  let told = 0;
  const run = async (check: Check<World>): Promise<void> => {
    results[checks.indexOf(check)] = await runOne(check, options);
    for (let ready = results[told]; ready !== undefined; ready = results[told]) {
      options.done(ready.result, ready.story);
      told += 1;
    }
  };
  const together = checks.filter(({ isAlone }) => isAlone !== true);
  const work = async (): Promise<void> => {
    for (let check = together.shift(); check !== undefined; check = together.shift()) await run(check);
  };
  await Promise.all(Array.from({ length: Math.max(1, options.jobs) }, work));
  for (const check of checks.filter(({ isAlone }) => isAlone === true)) await run(check);
  return results.map(({ result }) => result);
}

async function runOne<World>(
  check: Check<World>,
  { open }: RunOptions<World>,
): Promise<{ result: CheckResult; story: string }> {
  const { name, rules, title } = check;
  const of = (
    outcome: CheckResult['outcome'],
    seen: string,
    story = '',
  ): { result: CheckResult; story: string } => ({
    result: { name, rules, title, outcome, seen },
    story,
  });
  let opened: OpenedWorld<World> | undefined;
  try {
    opened = await open(check);
    const { world } = opened;
    const run = check.run(world);
    const seen = await Promise.race([run, expiry(check.withinMs ?? DEFAULT_CHECK_MS)]);
    const faults = opened.faults();
    return faults.length === 0 ? of('pass', seen) : of('fail', faults.join('; '), opened.story());
  } catch (error) {
    const faults = opened?.faults() ?? [];
    // What every peer must keep says more than what the check then missed.
    if (error instanceof Skipped && faults.length === 0) return of('skip', error.message);
    const text = error instanceof Unmet ? error.message : `the check failed: ${String(error)}`;
    return of('fail', [...faults, text].join('; '), opened?.story());
  } finally {
    await opened?.end();
  }
}

async function expiry(withinMs: number): Promise<never> {
  await sleep(withinMs, undefined, { ref: false });
  throw new Error(`it did not end within ${withinMs} ms`);
}
