/**
 * Looks into the queue of an agent that may be running: LMDB lets a second process read. Nothing is changed, and the
 * directory is not locked.
 */
import path from 'node:path';
import { lmdbDamage } from '@sluice/durable/lmdb/check';
import { checkUsableFile } from '@sluice/host/file-problem';
import { corruptState } from './corrupt-state.ts';
import { openEnvironment } from './environment.ts';
import { readIdentity } from './identity.ts';
import { QUEUE_FILE_NAME } from './queue-file.ts';
import { openQueueMark } from './queue-mark.ts';
import { type SetAsideBlock, SetAsideShelf } from './set-aside-shelf.ts';

export interface QueueLook {
  readonly setAside: readonly SetAsideBlock[];
  /** What was lost and nobody has acknowledged, in words. */
  readonly losses: readonly string[];
  /** The payload of a block set aside. */
  read(sequence: number): Buffer | undefined;
  close(): Promise<void>;
}

/** @throws SluiceError `config_invalid` when there is none or it cannot be read, `state_corrupt`, `state_newer` */
export function lookIntoQueue(directory: string): QueueLook {
  const file = path.join(directory, QUEUE_FILE_NAME);
  if (checkUsableFile('the queue', file) === undefined) throw corruptState(file, 'it is not there');
  const damage = lmdbDamage(file);
  if (damage !== undefined) throw corruptState(file, damage);
  const environment = openEnvironment(file);
  const identity = readIdentity(environment);
  if (identity === undefined) throw corruptState(file, 'it does not say whose it is');
  const shelf = new SetAsideShelf(environment, identity.agentId);
  return {
    setAside: shelf.blocks(),
    losses: openQueueMark(directory).losses.map(({ message }) => message),
    read: (sequence) => shelf.find(sequence)?.payload,
    close: () => environment.root.close(),
  };
}
