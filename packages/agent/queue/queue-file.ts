/**
 * Opens the queue's files so that whatever happened to them is told: looks at the file before LMDB does, saves what can be
 * saved of a damaged one, and notices by the mark beside it that one was emptied or deleted.
 *
 * Invariants: the agent keeps its name as long as file or mark can be read; what was lost is in the mark's list of losses
 * before anything new is written; positions that are gone are taken from the mark, so that lines are read again rather than
 * left out.
 */
import { existsSync } from 'node:fs';
import path from 'node:path';
import { SluiceError } from '@sluice/base/error';
import { saysDamage } from '@sluice/durable/lmdb/library-damage';
import {
  makeSound,
  type SoundFile,
  type SoundFileOptions,
  salvageFileOf,
} from '@sluice/durable/lmdb/sound-file';
import { checkUsableFile } from '@sluice/host/file-problem';
import { makeFilesPrivate } from '@sluice/host/private-directory';
import {
  BALLAST_FILE_NAME,
  commit,
  type Environment,
  ensureBallast,
  openEnvironment,
} from './environment.ts';
import {
  beginRun,
  checkWanted,
  createIdentity,
  type QueueIdentity,
  readIdentity,
  restoreIdentity,
} from './identity.ts';
import { QueueJudge } from './queue-judge.ts';
import { lossOfAll, lossOfSome } from './queue-loss.ts';
import { MARK_FILE_NAME, openQueueMark, type QueueMark, type QueueMarkState } from './queue-mark.ts';
import { upgradeQueue } from './upgrade.ts';

export const QUEUE_FILE_NAME = 'queue.mdb';

/** What the queue was when it was opened. */
export type QueueOrigin =
  /** Never used before. */
  | 'fresh'
  | 'resumed'
  /** Used before, and what it held is gone. */
  | 'lost';

export interface OpenQueueFile {
  readonly environment: Environment;
  readonly identity: QueueIdentity;
  readonly mark: QueueMark;
  readonly origin: QueueOrigin;
}

/** In place of a server whose name is lost; none may be named so, since names of servers have no spaces. */
const LOST_SERVER = '(lost by damage)';

/**
 * The caller holds the directory's lock.
 *
 * @throws SluiceError `state_newer`, `config_invalid`, `disk_full`, `state_corrupt`
 */
export async function openQueueFile(directory: string, agentId: string | undefined): Promise<OpenQueueFile> {
  const file = path.join(directory, QUEUE_FILE_NAME);
  checkUsableFile('the mark of the queue', path.join(directory, MARK_FILE_NAME));
  const mark = openQueueMark(directory);
  const { found } = mark;
  // A queue of an earlier version has no mark, but each has a ballast.
  const wasUsed = found.kind !== 'absent' || existsSync(path.join(directory, BALLAST_FILE_NAME));
  let isOlder = false;
  const options: SoundFileOptions = {
    file,
    what: 'the queue',
    judge: () => new QueueJudge(file, () => (isOlder = true)),
    failedStarts: found.kind === 'read' ? found.failedStarts : 0,
  };
  const state = await makeSound(options);
  if (!isOlder) return await openReadable({ options, mark, state, wasUsed }, agentId);
  await upgradeQueue(file);
  // What the upgrade could not read is still there as it was.
  const upgraded = await makeSound(options);
  return await openReadable({ options, mark, state: worse(state, upgraded), wasUsed }, agentId);
}

interface Found {
  readonly options: SoundFileOptions;
  readonly mark: QueueMark;
  readonly state: SoundFile;
  readonly wasUsed: boolean;
}

/** What LMDB cannot open or read after all is salvaged. */
async function openReadable(found: Found, agentId: string | undefined): Promise<OpenQueueFile> {
  const { options, state } = found;
  const { file } = options;
  let environment: Environment | undefined;
  try {
    environment = openEnvironment(file);
    makeFilesPrivate(path.dirname(file));
    ensureBallast(environment);
    return await identify(environment, found, agentId);
  } catch (error) {
    await environment?.root.close();
    const isDamage = error instanceof SluiceError ? error.code === 'state_corrupt' : saysDamage(error);
    if (state.kind !== 'sound' || !isDamage)
      throw error instanceof SluiceError ? error : unusable(file, error);
    const salvaged = await salvageFileOf(options, SluiceError.from(error).message);
    return await openReadable({ ...found, state: salvaged }, agentId);
  }
}

async function identify(
  environment: Environment,
  { mark, state, wasUsed }: Found,
  agentId: string | undefined,
): Promise<OpenQueueFile> {
  const marked = mark.found.kind === 'read' ? mark.found.state : undefined;
  if (state.kind === 'absent') {
    const identity =
      marked === undefined
        ? await createIdentity(environment, agentId)
        : await restoreIdentity(environment, marked, agentId);
    if (!wasUsed) return { environment, identity, mark, origin: 'fresh' };
    await restorePositions(environment, marked);
    mark.addLoss(lossOfAll(environment.file, marked, mark));
    return { environment, identity, mark, origin: 'lost' };
  }
  const stored = storedIdentity(environment, agentId, marked);
  const named =
    stored === undefined
      ? marked === undefined
        ? await createIdentity(environment, agentId)
        : await restoreIdentity(environment, marked, agentId)
      : await beginRun(environment, stored);
  const identity = { ...named, nextSequence: Math.max(named.nextSequence, behindAll(environment, marked)) };
  const salvaged = state.kind === 'salvaged' ? state : undefined;
  const loss = lossOfSome(environment, salvaged, stored !== undefined || !wasUsed, marked);
  if (loss !== undefined) {
    if (loss.positions > 0) await restorePositions(environment, marked);
    if (loss.doubts > 0) await doubtAllBlocks(environment);
    mark.addLoss(loss);
  }
  // A file without anything in it, not even an identity, is what a crash right after its creation leaves.
  const origin = stored !== undefined ? 'resumed' : loss === undefined ? 'fresh' : 'lost';
  return { environment, identity, mark, origin };
}

/** The identity that the file says; undefined when it says none, or another than the mark. */
function storedIdentity(
  environment: Environment,
  agentId: string | undefined,
  marked: QueueMarkState | undefined,
): QueueIdentity | undefined {
  const identity = readIdentity(environment);
  if (identity === undefined || (marked !== undefined && identity.agentId !== marked.agentId))
    return undefined;
  checkWanted(environment.file, identity.agentId, agentId);
  return identity;
}

/** Never a sequence that a block has: what is written next would take its place. */
function behindAll(environment: Environment, marked: QueueMarkState | undefined): number {
  const { headers, asideHeaders } = environment;
  return Math.max(marked?.nextSequence ?? 1, (headers.lastKey ?? 0) + 1, (asideHeaders.lastKey ?? 0) + 1);
}

/** Puts read positions back that are not there. Those of the mark are older: lines are read again, none is left out. */
async function restorePositions(environment: Environment, marked: QueueMarkState | undefined): Promise<void> {
  const { checkpoints } = environment;
  const missing = (marked?.positions ?? []).filter(({ key }) => checkpoints.get(key) === undefined);
  if (missing.length === 0) return;
  await commit(environment, (write) => {
    for (const { key, value } of missing) write.put(checkpoints, key, value);
  });
}

/**
 * Marks that name the server which may already have a block were lost. Each block gets one, so that the store is asked before it is
 * shown: sent without one, a block that such a server has would be stored twice.
 */
async function doubtAllBlocks(environment: Environment): Promise<void> {
  const { headers, inDoubt } = environment;
  const unmarked = [...headers.keys()].filter((sequence) => inDoubt.get(sequence) === undefined);
  await commit(environment, (write) => {
    for (const sequence of unmarked) write.put(inDoubt, sequence, LOST_SERVER);
  });
}

/** What happened to a file that was looked at twice. */
function worse(first: SoundFile, second: SoundFile): SoundFile {
  return second.kind === 'sound' ? first : second;
}

function unusable(file: string, error: unknown): SluiceError {
  const reason = error instanceof Error ? error.message : String(error);
  return new SluiceError('config_invalid', `the queue ${file} cannot be opened: ${reason}`, {
    cause: error,
    hint: 'Check the disk and the kernel log.',
  });
}
