import type { Command } from 'commander';
import { expect, test } from 'vitest';
import { createProgram } from './command-tree.ts';

/** The help of a command and of all its subcommands, as Markdown. */
function helpOf(command: Command, path: string): string {
  command.configureHelp({ helpWidth: 100 });
  let text = '';
  command.configureOutput({
    writeOut: (part) => {
      text += part;
    },
  });
  command.outputHelp();
  const own = `## ${path}\n\n\`\`\`text\n${text.trim()}\n\`\`\`\n`;
  return [own, ...command.commands.map((sub) => helpOf(sub, `${path} ${sub.name()}`))].join('\n');
}

test('docs/commands.md is what the commands say of themselves (update it with `vitest run -u`)', async () => {
  const help = helpOf(createProgram(), 'sluice');
  const document = `# Commands\n\nWhat each command says with \`--help\`.\n\n${help}`;
  await expect(document).toMatchFileSnapshot('../../docs/commands.md');
});

test('every command tells what it is for', () => {
  const program = createProgram();
  for (const command of program.commands) {
    expect(command.summary(), command.name()).not.toBe('');
    for (const option of command.options) expect(option.description, option.flags).not.toBe('');
  }
});
