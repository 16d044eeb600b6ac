/**
 * The `sluice` command. Exit codes: 0 done, 1 failed, 2 wrong usage.
 */

import { SluiceError } from '@sluice/base/error';
import { isSupervised, tellFailed } from '@sluice/host/child-process';
import { usePrivateUmask } from '@sluice/host/private-directory';
import { CommanderError } from 'commander';
import { createProgram } from './command-tree.ts';
import { endQuietlyOnClosedPipe, printError } from './output/terminal.ts';

const EXIT_FAILED = 1;
const EXIT_USAGE = 2;

async function main(): Promise<number> {
  usePrivateUmask();
  endQuietlyOnClosedPipe(process.stdout);
  try {
    await createProgram().parseAsync();
    return Number(process.exitCode ?? 0);
  } catch (error) {
    if (error instanceof CommanderError) {
      // Commander has printed its own words; help and version are no mistakes.
      return error.exitCode === 0 ? 0 : EXIT_USAGE;
    }
    if (isSupervised()) await tellFailed(error);
    else printError(error);
    return isUsage(error) ? EXIT_USAGE : EXIT_FAILED;
  }
}

function isUsage(error: unknown): boolean {
  return SluiceError.is(error, 'usage');
}

const exitCode = await main();
// What was written may still be on its way into a pipe.
for (const stream of [process.stdout, process.stderr]) {
  await new Promise<void>((resolve) => stream.write('', () => resolve()));
}
// Idle connections of HTTP clients would keep the process for some seconds more; everything of ours is closed by now.
process.exit(exitCode);
