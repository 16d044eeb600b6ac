/** `sluice status`: servers with their live channels, agents with what waits, notices, the store. */
import type { Command } from 'commander';
import { addClientOptions, type ClientOptions, clientError, clientOf } from '../client.ts';
import { jsonStatus, statusLines } from '../output/status.ts';
import { printLine } from '../output/terminal.ts';

interface StatusOptions extends ClientOptions {
  json?: boolean;
}

export function addStatusCommand(program: Command): void {
  const command = program
    .command('status')
    .summary('show servers, channels, agents and notices')
    .description('Shows the servers with their live channels, the agents with what waits, and the notices.');
  addClientOptions(command)
    .option('--json', 'one JSON object')
    .action(async (options: StatusOptions) => {
      const client = clientOf(options);
      const status = await client.getStatus({}).catch((error: unknown) => {
        throw clientError(error, options.server);
      });
      if (options.json === true) {
        await printLine(JSON.stringify(jsonStatus(status)));
        return;
      }
      for (const line of statusLines(status)) await printLine(line);
    });
}
