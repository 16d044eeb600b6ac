/** All commands, as one tree: what `sluice` takes, and what its help says. */
import { Command } from 'commander';
import { addAgentCommand } from './commands/agent.ts';
import { addAgentsCommand } from './commands/agents.ts';
import { addConfigCommand } from './commands/config.ts';
import { addSearchCommand } from './commands/search.ts';
import { addServerCommand } from './commands/server.ts';
import { addSetAsideCommand } from './commands/set-aside.ts';
import { addSimCommand } from './commands/sim.ts';
import { addStatusCommand } from './commands/status.ts';
import { addStoreCommand } from './commands/store.ts';
import { addUpCommand } from './commands/up.ts';
import { projectVersion } from './program.ts';

/** @returns the program; its mistakes of usage are thrown, not exited on */
export function createProgram(): Command {
  const program = new Command('sluice')
    .description('Collects the logs of computers; the important line never waits.')
    .version(projectVersion())
    .configureHelp({ showGlobalOptions: true })
    .exitOverride();
  addUpCommand(program);
  addSearchCommand(program);
  addStatusCommand(program);
  addAgentsCommand(program);
  addAgentCommand(program);
  addServerCommand(program);
  addSetAsideCommand(program);
  addStoreCommand(program);
  addConfigCommand(program);
  addSimCommand(program);
  for (const command of program.commands) command.exitOverride();
  return program;
}
