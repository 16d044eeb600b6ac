/** `sluice status`: servers with their live channels, agents with what waits, notices, the store. */
import type { Command } from 'commander';
import { addClientOptions, type ClientOptions, clientError, clientOf } from '../client.ts';
import { isHealthy } from '../output/health.ts';
import { jsonStatus } from '../output/json-status.ts';
import { statusLines } from '../output/status.ts';
import { jsonLine, printLine } from '../output/terminal.ts';

/** With `--check`; without it, a status that was answered is no failure whatever it says. */
const EXIT_NOT_WELL = 1;

interface StatusOptions extends ClientOptions {
  json?: boolean;
  check?: boolean;
}

export function addStatusCommand(program: Command): void {
  const command = program
    .command('status')
    .summary('show servers, channels, agents and notices')
    .description(
      'Says first whether all is well, or what is wrong, since when, and what to do. Then shows the servers with their ' +
        'live channels, the agents with what waits, and the notices.',
    );
  addClientOptions(command)
    .option('--json', 'one JSON object')
    .option('--check', 'exit with 1 when something is wrong (for scripts)')
    .action(async (options: StatusOptions) => {
      const client = clientOf(options);
      const status = await client.getStatus({}).catch((error: unknown) => {
        throw clientError(error, options.server);
      });
      if (options.check === true && !isHealthy(status.health)) process.exitCode = EXIT_NOT_WELL;
      if (options.json === true) {
        await printLine(jsonLine(jsonStatus(status)));
        return;
      }
      for (const line of statusLines(status)) await printLine(line);
    });
}
