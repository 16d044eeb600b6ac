/**
 * Looks into the queue of an agent that may be running: LMDB lets a second process read. Nothing is changed, and the
 * directory is not locked.
 */
import path from 'node:path';
import { corruptState } from '@sluice/durable/corrupt-state';
import { lmdbDamage } from '@sluice/durable/lmdb/check';
import { DurableEnvironment } from '@sluice/durable/lmdb/environment';
import { openLedger } from '@sluice/durable/open-durable';
import { checkUsableFile } from '@sluice/host/file-problem';
import { readIdentity } from './identity.ts';
import { openQueueDatabases, QUEUE_DATABASES } from './queue-databases.ts';
import { QUEUE_FILE_NAME, queueFileKind } from './queue-file.ts';
import { QueueShelf, type SetAsideBlock } from './queue-shelf.ts';

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
  const kind = queueFileKind();
  const { what, program } = kind;
  const file = path.join(directory, QUEUE_FILE_NAME);
  const name = { what: `${what} ${file}`, program };
  if (checkUsableFile(what, file) === undefined) throw corruptState(name, 'it is not there');
  const damage = lmdbDamage(file);
  if (damage !== undefined) throw corruptState(name, damage);
  const maxDatabases = QUEUE_DATABASES.length;
  const databases = openQueueDatabases(new DurableEnvironment({ file, what, program, maxDatabases }));
  const identity = readIdentity(databases.environment);
  if (identity === undefined) throw corruptState(name, 'it does not say whose it is');
  const shelf = new QueueShelf(databases, identity.agentId);
  return {
    setAside: shelf.blocks(),
    losses: openLedger(kind, directory).losses.map(({ message }) => message),
    read: (sequence) => shelf.readPayload(sequence),
    close: () => databases.environment.close(),
  };
}
