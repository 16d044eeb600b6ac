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
import type { Loss } from '@sluice/host/durable-mark';
import { checkUsableFile } from '@sluice/host/file-problem';
import { makeSound, type Salvaged, type SoundFile, salvageFileOf } from '@sluice/host/lmdb/sound-file';
import { makeFilesPrivate } from '@sluice/host/private-directory';
import { SluiceError } from '@sluice/protocol/error';
import {
  BALLAST_FILE_NAME,
  commit,
  DATABASE_NAMES,
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
import { MARK_FILE_NAME, openQueueMark, type QueueMark, type QueueMarkState } from './queue-mark.ts';
import { type Swept, sweepDamaged } from './sweep.ts';
import { upgradeFormat } from './upgrade.ts';

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

/** LMDB speaks with negative numbers of what is wrong with a file; with others, the system speaks. */
const FIRST_LMDB_CODE = -30_799;
const LAST_LMDB_CODE = -30_770;

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
  let state = await makeSound({
    file,
    what: 'the queue',
    names: DATABASE_NAMES,
    failedStarts: found.kind === 'read' ? found.failedStarts : 0,
  });
  let environment: Environment;
  try {
    environment = openEnvironment(file);
  } catch (error) {
    if (state.kind !== 'sound' || !isDamage(error)) throw unusable(file, error);
    state = await salvageFileOf({ file, names: DATABASE_NAMES }, String(error));
    environment = openEnvironment(file);
  }
  try {
    makeFilesPrivate(directory);
    ensureBallast(environment);
    return await identify({ environment, mark, state, wasUsed }, agentId);
  } catch (error) {
    await environment.root.close();
    throw error;
  }
}

interface Opened {
  readonly environment: Environment;
  readonly mark: QueueMark;
  readonly state: SoundFile;
  readonly wasUsed: boolean;
}

async function identify(opened: Opened, agentId: string | undefined): Promise<OpenQueueFile> {
  const { environment, mark, state, wasUsed } = opened;
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
  await upgradeFormat(environment);
  // First: what a newer program wrote must not be taken for damage.
  const stored = storedIdentity(environment, agentId, marked);
  const swept = await sweepDamaged(environment);
  const identity =
    stored === undefined
      ? marked === undefined
        ? await createIdentity(environment, agentId)
        : await restoreIdentity(environment, marked, agentId)
      : await beginRun(environment, stored);
  const loss = lossOfSome(
    environment,
    state,
    { ...swept, identity: stored === undefined && wasUsed },
    marked,
  );
  if (loss !== undefined) {
    if (loss.positions > 0) await restorePositions(environment, marked);
    mark.addLoss(loss);
  }
  // A file without anything in it, not even an identity, is what a crash right after its creation leaves.
  const origin = stored !== undefined ? 'resumed' : loss === undefined ? 'fresh' : 'lost';
  return { environment, identity, mark, origin };
}

/** The identity that the file says; undefined when it says none, or another than the mark, whose words have a checksum. */
function storedIdentity(
  environment: Environment,
  agentId: string | undefined,
  marked: QueueMarkState | undefined,
): QueueIdentity | undefined {
  let identity: QueueIdentity | undefined;
  try {
    identity = readIdentity(environment);
  } catch (error) {
    if (error instanceof SluiceError && error.code === 'state_newer') throw error;
    return undefined;
  }
  if (identity === undefined || (marked !== undefined && identity.agentId !== marked.agentId))
    return undefined;
  checkWanted(environment.file, identity.agentId, agentId);
  return { ...identity, nextSequence: Math.max(identity.nextSequence, marked?.nextSequence ?? 0) };
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

function lossOfAll(file: string, marked: QueueMarkState | undefined, mark: QueueMark): Loss {
  const atMs = Date.now();
  if (marked === undefined) {
    const message = `the queue ${file} was used before and is gone; what it held is not known, and files are read from where a new agent begins`;
    return { atMs, kind: 'lost', blocks: 0, message };
  }
  const notedMs = mark.found.kind === 'read' ? mark.found.notedMs : atMs;
  const { blocks, nextSequence, positionsMs } = marked;
  const message =
    `the queue ${file} is gone; at ${time(notedMs)} it held ${blocks} blocks (before sequence ${nextSequence}) that no ` +
    `server had acknowledged; files are read again from where they were read to at ${time(positionsMs)}, so lines that were sent since then come twice`;
  return { atMs, kind: 'lost', blocks, message };
}

function lossOfSome(
  environment: Environment,
  state: Salvaged | { readonly kind: 'sound' },
  swept: Swept & { readonly identity: boolean },
  marked: QueueMarkState | undefined,
): (Loss & { readonly positions: number }) | undefined {
  const left = environment.headers.getKeysCount();
  let { blocks, positions, setAside } = swept;
  if (state.kind === 'salvaged') {
    const { entries } = state.salvage;
    const expected = (name: string, otherwise: number): number => entries.get(name)?.expected ?? otherwise;
    // What the copy left out and what the sweep took out together.
    blocks = Math.max(0, expected('headers', Math.max(marked?.blocks ?? 0, expected('payloads', 0))) - left);
    positions =
      expected('checkpoints', marked?.positions.length ?? 0) - environment.checkpoints.getKeysCount();
    setAside = expected('aside-headers', 0) - environment.asideHeaders.getKeysCount();
  }
  if (state.kind === 'sound' && blocks + positions + setAside === 0 && !swept.identity) return undefined;
  const parts = [
    `the queue ${environment.file} was damaged${state.kind === 'salvaged' ? ` (${state.reason})` : ''}`,
    `${blocks} blocks that no server had acknowledged cannot be read, ${left} were saved`,
    ...(positions === 0
      ? []
      : [`${positions} read positions were lost, so lines of these files may come twice`]),
    ...(swept.identity ? ['it does not say whose it is, that is taken from its mark'] : []),
    ...(setAside === 0 ? [] : [`${setAside} blocks set aside cannot be read`]),
    ...(state.kind === 'salvaged' ? [`the damaged file is kept as ${state.keptAs}`] : []),
  ];
  return { atMs: Date.now(), kind: 'damaged', blocks, positions, message: parts.join('; ') };
}

function isDamage(error: unknown): boolean {
  if (!(error instanceof Error) || !('code' in error)) return true;
  const { code } = error;
  return typeof code === 'number' && code >= FIRST_LMDB_CODE && code <= LAST_LMDB_CODE;
}

function unusable(file: string, error: unknown): SluiceError {
  const reason = error instanceof Error ? error.message : String(error);
  return new SluiceError('config_invalid', `the queue ${file} cannot be opened: ${reason}`, {
    cause: error,
    hint: 'Check the disk and the kernel log.',
  });
}

function time(atMs: number): string {
  return new Date(atMs).toISOString();
}
