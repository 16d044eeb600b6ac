/** `sluice agents`: who agents are, and an operator's word on another key. */
import type { Command } from 'commander';
import { addClientOptions, agentClientOf, type ClientOptions, clientError } from '../client.ts';
import { agentsLines, jsonAgents } from '../output/agents.ts';
import { jsonLine, printable, printLine } from '../output/terminal.ts';

export function addAgentsCommand(program: Command): void {
  const agents = program
    .command('agents')
    .summary('see who agents are, and accept one that was installed anew');
  const list = agents
    .command('list')
    .summary('show who agents are, and what is wrong with that')
    .description(
      'Shows what key or certificate is pinned to each agent id, what else came under it, and what is wrong.',
    );
  addClientOptions(list)
    .option('--json', 'one JSON object')
    .action(async (options: ClientOptions & { json?: boolean }) => {
      const answer = await ask(options, (client) => client.listAgents({}));
      if (options.json === true) await printLine(jsonLine(jsonAgents(answer)));
      else for (const line of agentsLines(answer)) await printLine(line);
    })
    .exitOverride();
  const accept = agents
    .command('accept')
    .summary('pin the other key or certificate that an agent came with')
    .description(
      'Says that an agent which came with another key or certificate is right, say after its machine was installed anew. ' +
        'Counts for all servers of the store.',
    )
    .argument('<id>', 'the id of the agent');
  addClientOptions(accept)
    .option(
      '--identity <text>',
      'which one, when several came: as `agents list` shows it, or the end of it',
      '',
    )
    .action(async (agentId: string, options: ClientOptions & { identity: string }) => {
      const { pinned, replaced, shared } = await ask(options, (client) =>
        client.acceptAgent({ agentId, identity: options.identity }),
      );
      await printLine(
        printable(`${agentId}: ${pinned} is pinned${replaced === '' ? '' : ` in place of ${replaced}`}`),
      );
      if (!shared) await printLine('The store is away: other servers learn of it when it is back.');
    })
    .exitOverride();
}

async function ask<T>(
  options: ClientOptions,
  call: (client: ReturnType<typeof agentClientOf>) => Promise<T>,
): Promise<T> {
  const client = agentClientOf(options);
  try {
    return await call(client);
  } catch (error) {
    throw clientError(error, options.server);
  }
}
