/** Checks of a server: one that runs somewhere, or a program that the kit starts and ends. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { pickPort } from '@sluice/host/pick-port';
import type { Check } from './check.ts';
import type { CheckResult } from './run-checks.ts';
import { runChecks } from './run-checks.ts';
import { ServerProgram } from './server-program.ts';
import { ServerWorld } from './server-world.ts';

/** Lines of a failure's story. */
const STORY_LINES = 40;

export interface ServerRun {
  readonly checks: readonly Check<ServerWorld>[];
  readonly jobs: number;
  readonly token: string | undefined;
  done(result: CheckResult, story: string): void;
}

export async function runOnAddress(
  address: string,
  { checks, jobs, token, done }: ServerRun,
  program?: ServerProgram,
): Promise<CheckResult[]> {
  // Names that no earlier run has used: a server knows agents, and their blocks, for long.
  const run = Date.now().toString(36);
  return await runChecks(checks, {
    ...{ jobs, done },
    open: async ({ name }) => {
      const world = new ServerWorld({ address, token, name: `kit-${run}-${name}`, program });
      return {
        world,
        faults: () => [],
        story: () => {
          const lines = world.timeline.latest
            .slice(-STORY_LINES)
            .map(({ atMs, text }) => `${(atMs / 1000).toFixed(3).padStart(8)} ${text}`);
          return [...lines, program?.output() ?? ''].join('\n');
        },
        end: () => world.end(),
      };
    },
  });
}

/** @param command with `{port}` and `{data}` */
export async function runOnServerCommand(command: readonly string[], run: ServerRun): Promise<CheckResult[]> {
  const directory = mkdtempSync(path.join(tmpdir(), 'sluice-conformance-'));
  const program = new ServerProgram(command, await pickPort('127.0.0.1', 0), directory);
  try {
    await program.listens();
    return await runOnAddress(program.address, run, program);
  } finally {
    await program.end();
    rmSync(directory, { recursive: true, force: true });
  }
}
