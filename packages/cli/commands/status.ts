/** `sluice status`: servers with their live channels, agents with what waits, notices, the store. */
import type { Command } from 'commander';
import { clientError, createQueryClient, DEFAULT_SERVER_URL } from '../client.ts';
import { jsonStatus, statusLines } from '../output/status.ts';
import { printLine } from '../output/terminal.ts';

interface StatusOptions {
  server: string;
  json?: boolean;
}

export function addStatusCommand(program: Command): void {
  program
    .command('status')
    .summary('show servers, channels, agents and notices')
    .description('Shows the servers with their live channels, the agents with what waits, and the notices.')
    .option('--server <url>', 'API of a server', process.env.SLUICE_SERVER ?? DEFAULT_SERVER_URL)
    .option('--json', 'one JSON object')
    .action(async (options: StatusOptions) => {
      const client = createQueryClient(options.server, process.env.SLUICE_TOKEN);
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
