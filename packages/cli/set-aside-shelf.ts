/** Where blocks lie aside, as the commands see it: the journal of a server, through its API, or the queue in a directory. */
import { existsSync } from 'node:fs';
import path from 'node:path';
import { SluiceError } from '@sluice/base/error';
import type { AgentId } from '@sluice/protocol/model';
import { readUrgency } from '@sluice/wire/convert/fields';
import type { SetAsideBlock } from '@sluice/wire/gen/set_aside_pb';
import { type ClientOptions, clientError, setAsideClientOf } from './client.ts';
import type { AsideBlock } from './output/set-aside.ts';

export interface Shelf {
  list(): Promise<{ readonly blocks: readonly AsideBlock[]; readonly losses: readonly string[] }>;
  /** @throws SluiceError when there is no such block */
  show(number: number): Promise<{ readonly block: AsideBlock; readonly payload: Uint8Array }>;
  /** Puts blocks back; returns how many there were. */
  retry(numbers: readonly number[]): Promise<number>;
  /** Deletes blocks; returns how many there were. */
  drop(numbers: readonly number[]): Promise<number>;
  /** Says that all losses are known; returns how many there were. */
  acknowledge(): Promise<number>;
  close(): Promise<void>;
}

/** The journal of the server that the options name. */
export function openServerShelf(options: ClientOptions): Shelf {
  const client = setAsideClientOf(options);
  const ask = async <T>(call: Promise<T>): Promise<T> => {
    try {
      return await call;
    } catch (error) {
      throw clientError(error, options.server);
    }
  };
  return {
    list: async () => {
      const { blocks, losses } = await ask(client.listSetAside({}));
      return { blocks: blocks.map(blockOf), losses };
    },
    show: async (number) => {
      const { block, payload } = await ask(client.showSetAside({ number: BigInt(number) }));
      if (block === undefined) throw new SluiceError('internal', `${options.server} shows no block`);
      return { block: blockOf(block), payload };
    },
    retry: async (numbers) => (await ask(client.retrySetAside({ numbers: numbers.map(BigInt) }))).blocks,
    drop: async (numbers) => (await ask(client.dropSetAside({ numbers: numbers.map(BigInt) }))).blocks,
    acknowledge: async () => Number((await ask(client.acknowledgeLosses({}))).losses),
    close: async () => undefined,
  };
}

function blockOf(block: SetAsideBlock): AsideBlock {
  const { number, agentId, epoch, sequence, rawBytes, recordCount, reason } = block;
  const id = { agentId: agentId as AgentId, epoch: Number(epoch), sequence: Number(sequence) };
  const urgency = readUrgency(block.urgency);
  return { number: Number(number), header: { id, urgency, rawBytes: Number(rawBytes), recordCount }, reason };
}

/**
 * The queue in an agent's data directory. To look is always possible; only its owner may change it, so an agent that runs
 * must be stopped for that.
 *
 * @throws SluiceError `usage` when there is no queue, `already_running`, `state_corrupt`
 */
export async function openQueueShelf(directory: string, purpose: 'look' | 'change'): Promise<Shelf> {
  // Loaded here: the other commands start faster without it.
  const { QUEUE_FILE_NAME } = await import('@sluice/agent/queue/queue-file');
  if (!existsSync(path.join(directory, QUEUE_FILE_NAME)))
    throw new SluiceError('usage', `there is no queue in ${directory}`, {
      hint: "Name the agent's data directory; of `sluice up` it is DIR/agent.",
    });
  return purpose === 'look' ? await queueLook(directory) : await ownQueue(directory);
}

async function queueLook(directory: string): Promise<Shelf> {
  const { lookIntoQueue } = await import('@sluice/agent/queue/queue-look');
  const look = lookIntoQueue(directory);
  const blocks = look.setAside.map(asideOf);
  const refuse = (): never => {
    throw new SluiceError('internal', 'a queue that is only looked at is not changed');
  };
  return {
    list: async () => ({ blocks, losses: look.losses }),
    show: async (number) => {
      const block = blocks.find((each) => each.number === number);
      const payload = look.read(number);
      if (block === undefined || payload === undefined)
        throw new SluiceError('usage', `no block ${number} lies aside in ${directory}`);
      return { block, payload };
    },
    ...{ retry: refuse, drop: refuse, acknowledge: refuse },
    close: () => look.close(),
  };
}

async function ownQueue(directory: string): Promise<Shelf> {
  const { DurableQueue } = await import('@sluice/agent/queue/queue');
  const queue = await DurableQueue.open({ directory }).catch((error: unknown) => {
    if (!SluiceError.is(error, 'already_running')) throw error;
    throw new SluiceError('already_running', error.message, {
      cause: error,
      hint: 'Stop the agent, do it, and start it again; it goes on where it was.',
    });
  });
  const countOf = async (
    numbers: readonly number[],
    change: (number: number) => Promise<boolean>,
  ): Promise<number> => {
    let count = 0;
    for (const number of numbers) if (await change(number)) count += 1;
    return count;
  };
  return {
    list: async () => ({ blocks: queue.setAsideBlocks().map(asideOf), losses: [] }),
    show: async () => {
      throw new SluiceError('internal', 'a queue that is changed is not shown');
    },
    retry: (numbers) => countOf(numbers, (number) => queue.retrySetAside(number)),
    drop: (numbers) => countOf(numbers, (number) => queue.dropSetAside(number)),
    acknowledge: async () => {
      const { losses } = queue.statistics.lossTotals;
      queue.acknowledgeLosses();
      return losses;
    },
    close: () => queue.close(),
  };
}

function asideOf({
  header,
  reason,
}: {
  readonly header: AsideBlock['header'];
  readonly reason: string;
}): AsideBlock {
  return { number: header.id.sequence, header, reason };
}
