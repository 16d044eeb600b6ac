/**
 * Opens the journal's LMDB environment: looks at the file before LMDB does, saves what can be saved of a damaged one, and
 * notices by the mark beside it that one was emptied or deleted.
 *
 * Invariants: what was lost is in the mark's list of losses before anything new is accepted; a journal that lost anything
 * gets a new name, so that no token of a batch is ever used again for other content.
 */
import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import {
  makeSound,
  type SoundFile,
  type SoundFileOptions,
  salvageFileOf,
} from '@sluice/durable/lmdb/sound-file';
import { checkUsableFile } from '@sluice/host/file-problem';
import { makeFilesPrivate } from '@sluice/host/private-directory';
import { open, type RootDatabase } from 'lmdb';
import { type Databases, MAX_DATABASES, openDatabases, write } from './journal-databases.ts';
import { translate } from './journal-errors.ts';
import { JournalJudge, newerJournal } from './journal-judge.ts';
import { lossOf } from './journal-loss.ts';
import { type JournalMark, MARK_FILE_NAME, openJournalMark } from './journal-mark.ts';
import { JOURNAL_FORMAT } from './journal-records.ts';
import { upgradeJournal } from './journal-upgrade.ts';

/** The file inside of the data directory. */
export const JOURNAL_FILE_NAME = 'journal.lmdb';
/**
 * Address space, not disk: the file grows as it is used. The overfill, as much again for what a commit replaces while
 * the old pages are still there, and room for the known blocks.
 */
const MAP_SIZE_FACTOR = 4;
const MAP_SIZE_BASE_BYTES = 1024 * 1024 * 1024;

export interface OpenJournalFile {
  readonly root: RootDatabase;
  readonly databases: Databases;
  readonly mark: JournalMark;
  readonly instanceId: string;
  readonly nextBatch: number;
}

/**
 * The caller holds the directory's lock.
 *
 * @throws SluiceError `state_newer`, `state_corrupt`, `config_invalid`, `disk_full`
 */
export async function openJournalFile(directory: string, maxRawBytes: number): Promise<OpenJournalFile> {
  const file = join(directory, JOURNAL_FILE_NAME);
  checkUsableFile('the mark of the journal', join(directory, MARK_FILE_NAME));
  const mark = openJournalMark(directory);
  const { found } = mark;
  // LMDB's own lock file stays: a journal of an earlier version has no mark, but that.
  const wasUsed = found.kind !== 'absent' || existsSync(`${file}-lock`);
  const mapSize = maxRawBytes * MAP_SIZE_FACTOR + MAP_SIZE_BASE_BYTES;
  let isOlder = false;
  const options: SoundFileOptions = {
    file,
    what: 'the journal',
    judge: () => new JournalJudge(() => (isOlder = true)),
    failedStarts: found.kind === 'read' ? found.failedStarts : 0,
  };
  try {
    let state = await makeSound(options);
    if (isOlder) {
      await upgradeFile(file, mapSize);
      // What the upgrade could not read is still there as it was.
      const upgraded = await makeSound(options);
      if (upgraded.kind !== 'sound') state = upgraded;
    }
    return await openReadable({ options, mapSize, mark, state, wasUsed });
  } catch (error) {
    throw await translate(error, 'state_corrupt', directory);
  }
}

async function upgradeFile(file: string, mapSize: number): Promise<void> {
  const root = openRoot(file, mapSize);
  try {
    await upgradeJournal(root);
  } finally {
    await root.close();
  }
}

interface Found {
  readonly options: SoundFileOptions;
  readonly mapSize: number;
  readonly mark: JournalMark;
  readonly state: SoundFile;
  readonly wasUsed: boolean;
}

/** What LMDB cannot open or read after all is salvaged. */
async function openReadable(found: Found): Promise<OpenJournalFile> {
  const { options, mapSize, state } = found;
  let root: RootDatabase | undefined;
  try {
    root = openRoot(options.file, mapSize);
    makeFilesPrivate(dirname(options.file));
    return await readable(root, found);
  } catch (error) {
    await root?.close();
    const failure = await translate(error, 'state_corrupt', dirname(options.file));
    if (state.kind !== 'sound' || failure.code !== 'state_corrupt') throw failure;
    const salvaged = await salvageFileOf(options, failure.message);
    return await openReadable({ ...found, state: salvaged });
  }
}

async function readable(root: RootDatabase, found: Found): Promise<OpenJournalFile> {
  const { options, mark, state, wasUsed } = found;
  const databases = openDatabases(root);
  // With a name of its own none of its tokens was ever used.
  const stored = state.kind === 'sound' ? storedMeta(databases.meta) : undefined;
  const held = { blocks: databases.headers.count, setAside: databases.setAside.count };
  const { loss, hasForgotten } = lossOf({
    file: options.file,
    state,
    mark,
    held,
    hasMeta: stored !== undefined || !wasUsed,
  });
  // A part of it would say of what is missing that it never came; without any of it the store is asked.
  if (hasForgotten) await forgetKnown(root, databases);
  if (loss !== undefined && wasUsed) mark.addLoss(loss);
  const meta = stored ?? (await newMeta(root, databases.meta));
  return { root, databases, mark, ...meta };
}

async function forgetKnown(root: RootDatabase, { agents, known }: Databases): Promise<void> {
  const agentKeys = [...agents.keys()].map((key) => Buffer.from(key));
  const knownKeys = [...known.getKeys()].map((key) => Buffer.from(key));
  await root.batch(() => {
    for (const key of agentKeys) write(agents.remove(key));
    for (const key of knownKeys) write(known.remove(key));
  });
}

function openRoot(path: string, mapSize: number): RootDatabase {
  return open({
    path,
    noSubdir: true,
    overlappingSync: false,
    noMemInit: true,
    // Transactions are explicit here; the implicit ones have promises of their own that nobody could handle.
    eventTurnBatching: false,
    mapSize,
    maxDbs: MAX_DATABASES,
  });
}

interface Meta {
  readonly instanceId: string;
  readonly nextBatch: number;
}

/** Undefined when it is not there. Throws SluiceError `state_newer`, `state_corrupt`. */
function storedMeta(meta: Databases['meta']): Meta | undefined {
  const format = meta.get('format');
  const instanceId = meta.get('instance');
  const nextBatch = meta.get('next_batch');
  if (typeof format === 'number' && format > JOURNAL_FORMAT) throw newerJournal(format);
  if (format !== JOURNAL_FORMAT || typeof instanceId !== 'string' || typeof nextBatch !== 'number')
    return undefined;
  return { instanceId, nextBatch };
}

async function newMeta(root: RootDatabase, meta: Databases['meta']): Promise<Meta> {
  const instanceId = randomUUID();
  await root.batch(() => {
    write(meta.put('format', JOURNAL_FORMAT));
    write(meta.put('instance', instanceId));
    write(meta.put('next_batch', 1));
  });
  return { instanceId, nextBatch: 1 };
}
