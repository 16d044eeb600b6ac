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
import type { Loss } from '@sluice/host/durable-mark';
import { checkUsableFile } from '@sluice/host/file-problem';
import { makeSound, type SoundFile, salvageFileOf } from '@sluice/host/lmdb/sound-file';
import { makeFilesPrivate } from '@sluice/host/private-directory';
import { SluiceError } from '@sluice/protocol/error';
import { type Database, open, type RootDatabase } from 'lmdb';
import { DATABASE_NAMES, type Databases, MAX_DATABASES, openDatabases, write } from './journal-databases.ts';
import { translate } from './journal-errors.ts';
import { type JournalMark, MARK_FILE_NAME, openJournalMark } from './journal-mark.ts';
import { JOURNAL_FORMAT } from './journal-records.ts';
import { type Swept, sweepDamaged } from './journal-sweep.ts';
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
  const names = DATABASE_NAMES;
  // LMDB's own lock file stays: a journal of an earlier version has no mark, but that.
  const wasUsed = found.kind !== 'absent' || existsSync(`${file}-lock`);
  const failedStarts = found.kind === 'read' ? found.failedStarts : 0;
  const mapSize = maxRawBytes * MAP_SIZE_FACTOR + MAP_SIZE_BASE_BYTES;
  let root: RootDatabase | undefined;
  try {
    const state = await makeSound({ file, what: 'the journal', names, failedStarts });
    const readable = await openReadable(file, mapSize, state);
    root = readable.root;
    const databases = openDatabases(root);
    // With a name of its own none of its tokens was ever used.
    const stored = readable.state.kind === 'sound' ? readable.named : undefined;
    const loss = lossOf({ file, ...readable, mark, wasUsed }, stored !== undefined);
    if (loss !== undefined) mark.addLoss(loss);
    const meta = stored ?? (await newMeta(databases.meta));
    return { root, databases, mark, ...meta };
  } catch (error) {
    await root?.close();
    throw await translate(error, 'state_corrupt', directory);
  }
}

interface Readable {
  readonly root: RootDatabase;
  readonly state: SoundFile;
  /** What the journal says of itself. */
  readonly named: Meta | undefined;
  /** Undefined for a new journal. */
  readonly swept: Swept | undefined;
}

/** Opens the file and takes out what cannot be read; what takes no removal, or cannot even be opened, is salvaged first. */
async function openReadable(file: string, mapSize: number, state: SoundFile): Promise<Readable> {
  let root: RootDatabase | undefined;
  try {
    root = openRoot(file, mapSize);
    makeFilesPrivate(dirname(file));
    await upgradeJournal(root, openDatabases(root));
    // First: what a newer program wrote must not be taken for damage.
    const named = storedMeta(openDatabases(root).meta);
    const swept = state.kind === 'absent' ? undefined : await sweepDamaged(root);
    return { root, state, named, swept };
  } catch (error) {
    await root?.close();
    const failure = await translate(error, 'state_corrupt', dirname(file));
    if (state.kind !== 'sound' || failure.code !== 'state_corrupt') throw failure;
    const salvaged = await salvageFileOf({ file, names: DATABASE_NAMES }, failure.message);
    return await openReadable(file, mapSize, salvaged);
  }
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

/** Undefined when it is not there, or damaged. Throws SluiceError `state_newer`. */
function storedMeta(meta: Database<string | number, string>): Meta | undefined {
  let format: unknown;
  let instanceId: unknown;
  let nextBatch: unknown;
  try {
    format = meta.get('format');
    instanceId = meta.get('instance');
    nextBatch = meta.get('next_batch');
  } catch {
    // What a damaged value makes a decoder say helps nobody: the journal gets a new name, and says so.
    return undefined;
  }
  if (typeof format === 'number' && format > JOURNAL_FORMAT) {
    throw new SluiceError(
      'state_newer',
      `the journal has format ${format}, this program knows ${JOURNAL_FORMAT}`,
      { hint: 'Run the newer program that wrote it, or give this one a directory of its own.' },
    );
  }
  if (format !== JOURNAL_FORMAT || typeof instanceId !== 'string' || typeof nextBatch !== 'number')
    return undefined;
  return { instanceId, nextBatch };
}

async function newMeta(meta: Database<string | number, string>): Promise<Meta> {
  const instanceId = randomUUID();
  await meta.batch(() => {
    write(meta.put('format', JOURNAL_FORMAT));
    write(meta.put('instance', instanceId));
    write(meta.put('next_batch', 1));
  });
  return { instanceId, nextBatch: 1 };
}

interface Opened {
  readonly file: string;
  readonly state: SoundFile;
  readonly swept: Swept | undefined;
  readonly mark: JournalMark;
  readonly wasUsed: boolean;
}

/** What is missing that was accepted; undefined when nothing is. */
function lossOf(opened: Opened, hasMeta: boolean): Loss | undefined {
  const { file, state, swept, mark, wasUsed } = opened;
  const { found } = mark;
  const atMs = Date.now();
  const marked = found.kind === 'read' ? found.state.blocks : 0;
  if (state.kind === 'absent') {
    if (!wasUsed) return undefined;
    const held =
      found.kind !== 'read'
        ? 'what it held is not known'
        : `at ${new Date(found.notedMs).toISOString()} it held ${marked} blocks that were acknowledged and not yet in the store`;
    const message = `the journal ${file} is gone; ${held}; what agents send again may be stored twice`;
    return { atMs, kind: 'lost', blocks: marked, message };
  }
  const { blocks, others, left } = countMissing(state, swept, marked);
  if (state.kind === 'sound' && blocks + others === 0 && (hasMeta || !wasUsed)) return undefined;
  const parts = [
    `the journal ${file} was damaged${state.kind === 'salvaged' ? ` (${state.reason})` : ''}`,
    `${blocks} blocks that were acknowledged and not yet in the store cannot be read, ${left} were saved`,
    ...(others === 0
      ? []
      : ['a part of what was taken before is forgotten: what agents send again may be stored twice']),
    ...(state.kind === 'salvaged' ? [`the damaged file is kept as ${state.keptAs}`] : []),
  ];
  return { atMs, kind: 'damaged', blocks, message: parts.join('; ') };
}

function countMissing(
  state: SoundFile,
  swept: Swept | undefined,
  marked: number,
): { blocks: number; others: number; left: number } {
  const left = swept?.left ?? 0;
  if (state.kind !== 'salvaged') return { blocks: swept?.blocks ?? 0, others: swept?.others ?? 0, left };
  const { entries } = state.salvage;
  const missing = (name: string): number => {
    const database = entries.get(name);
    return database?.expected === undefined ? 1 : Math.max(0, database.expected - database.found);
  };
  // What the copy left out and what the sweep took out together.
  const expected = (name: string): number | undefined => entries.get(name)?.expected;
  const headers = expected('headers');
  const accepted = headers === undefined ? marked : headers + (expected('set_aside') ?? 0);
  const kept = left + (swept?.leftAside ?? 0);
  const others = missing('agents') + missing('known') + (swept?.others ?? 0);
  return { blocks: Math.max(0, Math.max(accepted, expected('payloads') ?? 0) - kept), others, left };
}
