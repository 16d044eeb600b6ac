/** `sluice sim`: the production state machines in a simulated world that goes wrong. */
import { SluiceError } from '@sluice/base/error';
import type { Command } from 'commander';

interface SimCommandOptions {
  seed: string;
  seeds?: string;
  steps?: string;
  trace?: boolean;
}

export function addSimCommand(program: Command): void {
  program
    .command('sim')
    .summary('run the uplink in a simulated world that goes wrong')
    .description(
      'Runs the state machines of agents and servers in a simulated world, in which the network, disks and processes ' +
        'fail as the seed says. The same seed runs exactly the same again. When a rule is broken: the latest of what ' +
        'happened, and the smallest world found that breaks it too.',
    )
    .option('--seed <number>', 'the seed, or the first of many', '1')
    .option('--seeds <count>', 'run so many seeds on all cores')
    .option('--steps <count>', 'end the faults after so many events')
    .option('--trace', 'print everything that happens')
    .action(async (options: SimCommandOptions) => {
      // Loaded only here: the other commands start faster without it.
      const { runSimulation } = await import('@sluice/sim/command');
      const exitCode = await runSimulation({
        seed: wholeNumber('--seed', options.seed),
        seeds: options.seeds === undefined ? undefined : wholeNumber('--seeds', options.seeds),
        steps: options.steps === undefined ? undefined : wholeNumber('--steps', options.steps),
        trace: options.trace === true,
      });
      if (exitCode !== 0) throw new SluiceError('internal', 'the simulation found a broken rule');
    });
}

function wholeNumber(option: string, text: string): number {
  const value = Number(text);
  if (Number.isSafeInteger(value) && value >= 0) return value;
  throw new SluiceError('usage', `${option} ${text} is not a whole number`, {
    hint: 'Give a number from 0.',
  });
}
