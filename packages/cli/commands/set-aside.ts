/** `sluice set-aside`: what no server or no store takes, to be looked at, tried again, or dropped; and what was lost. */
import path from 'node:path';
import { SluiceError } from '@sluice/base/error';
import type { Command } from 'commander';
import { addClientOptions, type ClientOptions } from '../client.ts';
import { recordLines, shelfLines } from '../output/set-aside.ts';
import { jsonLine, printLine } from '../output/terminal.ts';
import { openQueueShelf, openServerShelf, type Shelf } from '../set-aside-shelf.ts';

interface ShelfOptions extends ClientOptions {
  readonly data?: string;
}

interface SelectOptions extends ShelfOptions {
  readonly all?: boolean;
}

export function addSetAsideCommand(program: Command): void {
  const group = program
    .command('set-aside')
    .summary('see what no store or server takes, try it again, or drop it')
    .description(
      'Blocks that the store refuses lie aside in the journal of a server; blocks that servers refuse lie aside in the ' +
        "queue of their agent. With --data the queue in that directory is meant (its agent must be stopped for what changes it), otherwise a server's journal.",
    );
  const list = shelfCommand(group, 'list', 'show the blocks that lie aside, and what was lost');
  list.option('--json', 'one JSON object').action(async (options: ShelfOptions & { json?: boolean }) => {
    await withShelf(options, 'look', async (shelf) => {
      const { blocks, losses } = await shelf.list();
      if (options.json === true) await printLine(jsonLine({ blocks, losses }));
      else for (const line of shelfLines(blocks, losses)) await printLine(line);
    });
  });
  shelfCommand(group, 'show', 'print the records of a block, a line of JSON each')
    .argument('<number>', 'as `list` shows it')
    .action(async (text: string, options: ShelfOptions) => {
      await withShelf(options, 'look', async (shelf) => {
        const { block, payload } = await shelf.show(numberOf(text));
        for (const line of recordLines(block, payload)) await printLine(line);
      });
    });
  changeCommand(group, 'retry', 'put blocks back among those that wait', (shelf, numbers) =>
    shelf.retry(numbers),
  );
  changeCommand(group, 'drop', 'delete blocks: their lines are lost', (shelf, numbers) =>
    shelf.drop(numbers),
  );
  shelfCommand(
    group,
    'acknowledge',
    'say that what was lost is known: status does not tell it any more',
  ).action(async (options: ShelfOptions) => {
    await withShelf(options, 'change', async (shelf) => {
      await printLine(`${await shelf.acknowledge()} losses are known now.`);
    });
  });
}

function shelfCommand(group: Command, name: string, summary: string): Command {
  const command = group.command(name).summary(summary).exitOverride();
  return addClientOptions(command).option('--data <dir>', 'data directory of an agent, instead of a server');
}

function changeCommand(
  group: Command,
  name: string,
  summary: string,
  change: (shelf: Shelf, numbers: readonly number[]) => Promise<number>,
): void {
  shelfCommand(group, name, summary)
    .argument('[numbers...]', 'as `list` shows them')
    .option('--all', 'all that lie aside')
    .action(async (texts: string[], options: SelectOptions) => {
      if ((texts.length === 0) !== (options.all === true))
        throw new SluiceError('usage', 'name blocks by their numbers, or give --all', {
          hint: 'sluice set-aside list shows the numbers.',
        });
      await withShelf(options, 'change', async (shelf) => {
        const numbers =
          options.all === true
            ? (await shelf.list()).blocks.map(({ number }) => number)
            : texts.map(numberOf);
        const count = await change(shelf, numbers);
        await printLine(`${name}: ${count} of ${numbers.length} blocks`);
        if (count < numbers.length)
          throw new SluiceError('usage', `${numbers.length - count} of these blocks do not lie aside`);
      });
    });
}

async function withShelf(
  options: ShelfOptions,
  purpose: 'look' | 'change',
  use: (shelf: Shelf) => Promise<void>,
): Promise<void> {
  const shelf =
    options.data === undefined
      ? openServerShelf(options)
      : await openQueueShelf(path.resolve(options.data), purpose);
  try {
    await use(shelf);
  } finally {
    await shelf.close();
  }
}

function numberOf(text: string): number {
  const number = Number(text);
  if (/^\d+$/.test(text) && Number.isSafeInteger(number)) return number;
  throw new SluiceError('usage', `'${text}' is no number of a block`, {
    hint: 'sluice set-aside list shows the numbers.',
  });
}
