/** Our own agent and server keep the wire as the conformance kit sees it, and each wrong one is found. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { type KitReport, runKit } from './kit.ts';
import { WRONG_PEERS } from './wrong-peers.ts';

const SUITE_MS = 600_000;
const JOBS = 6;

/** What fails, by its name with what was seen. */
function failures({ checks }: KitReport): Record<string, string> {
  return Object.fromEntries(
    checks.filter(({ outcome }) => outcome === 'fail').map(({ name, seen }) => [name, seen]),
  );
}

test(
  'our agent keeps what the kit checks',
  async () => {
    const { code, report } = await runKit('agent', ['--jobs', String(JOBS)]);
    expect(failures(report)).toEqual({});
    expect([code, report.skipped]).toEqual([0, 0]);
    expect(report.passed).toBeGreaterThanOrEqual(75);
  },
  SUITE_MS,
);

test(
  'our server keeps what the kit checks',
  async () => {
    const { code, report } = await runKit('server', ['--jobs', String(JOBS)]);
    expect(failures(report)).toEqual({});
    // A server without a token lets in everybody.
    expect(report.checks.filter(({ outcome }) => outcome === 'skip').map(({ name }) => name)).toEqual([
      'wrong-token',
    ]);
    expect(code).toBe(0);
  },
  SUITE_MS,
);

test.each(WRONG_PEERS)(
  'the kit finds an $side that $name',
  async ({ name, side, check, says, file, find }) => {
    const source = readFileSync(path.join(import.meta.dirname, '..', '..', file), 'utf8');
    expect(source.split(find).length, `${file} has once: ${find}`).toBe(2);
    const { code, report } = await runKit(side, ['--only', check], name);
    expect(failures(report)[check]).toMatch(says);
    expect(code).toBe(1);
  },
  SUITE_MS,
);
