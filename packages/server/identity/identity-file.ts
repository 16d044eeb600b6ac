/**
 * The identity book on disk: an LMDB environment of its own beside the journal, a record for each agent.
 *
 * Invariants: a new pin is written at once, with all that came in the same moment; everything else within WRITE_DELAY_MS;
 * a disk that fails stops no agent: it is told, and tried again; a damaged file is moved aside, never overwritten, and one
 * that only this user may not use is no damaged one. The lock of the journal, which is opened first, keeps other processes
 * away.
 */
import { rmSync, statSync } from 'node:fs';
import path from 'node:path';
import { messageOf, SluiceError } from '@sluice/base/error';
import { keepDamagedFile } from '@sluice/durable/damaged-file';
import { DiskSpace } from '@sluice/durable/disk-space';
import { lmdbDamage } from '@sluice/durable/lmdb/check';
import { commitErrorOf } from '@sluice/durable/lmdb/commit-error';
import { saysDamage } from '@sluice/durable/lmdb/library-errors';
import { checkUsableFile, fileProblem } from '@sluice/host/file-problem';
import { makePrivateDirectory } from '@sluice/host/private-directory';
import type { AgentId } from '@sluice/protocol/model';
import { type Database, open, type RootDatabase } from 'lmdb';
import type { Logger } from 'pino';
import { type AgentRecord, parseRecord, RECORD_FORMAT } from './agent-record.ts';
import { IdentityBook } from './identity-book.ts';
import { MAX_AGENTS_REMEMBERED, WRITE_DELAY_MS } from './limits.ts';

export const AGENTS_DIRECTORY_NAME = 'agents';
const FILE_NAME = 'agents.lmdb';
/** For the reader of errors. */
const WHAT = 'the file of agents';
/** Address space: a record with all its lists full takes some 8 KiB, and a commit keeps the old pages for a while. */
const MAP_BYTES: number = 2 * MAX_AGENTS_REMEMBERED * 8 * 1024;
/** A change of one record writes the pages from it to the root of the tree; the factor of DiskSpace covers its list of free pages. */
const CHANGE_BYTES: number = 4 * 4096;
/** Many changes write each page of the file once, and their records. One has some hundred bytes, seldom more. */
const RECORD_BYTES = 1024;
/** Left on the disk; less than what the journal leaves there, so that a full journal does not keep pins from the disk. */
const RESERVE_BYTES: number = 128 * 1024;

export interface StoredIdentities {
  readonly book: IdentityBook;
  /** What could not be read of it at the start; undefined when all could. */
  readonly loss: string | undefined;
  /** Why it cannot be written now; undefined while it can. */
  readonly writeFailure: string | undefined;
  /** Writes what is left and closes. */
  close(): Promise<void>;
}

/**
 * Opens the book in `directory`/agents, or begins one.
 * @throws SluiceError `state_newer`, `config_invalid`
 */
export async function openIdentities(
  directory: string,
  serverId: string,
  logger: Logger,
): Promise<StoredIdentities> {
  const home = path.join(directory, AGENTS_DIRECTORY_NAME);
  makePrivateDirectory(home);
  const file = path.join(home, FILE_NAME);
  for (const used of [file, `${file}-lock`]) checkUsableFile(WHAT, used);
  let damage = lmdbDamage(file);
  if (damage === undefined) {
    try {
      return await IdentityFile.open(file, serverId, logger, undefined);
    } catch (error) {
      damage = damageIn(error);
      if (damage === undefined) throw fileProblem(WHAT, file, error);
    }
  }
  const kept = keepDamagedFile(file);
  // LMDB's own lock belongs to the file that went.
  rmSync(`${file}-lock`, { force: true });
  const loss = `${file} could not be read (${damage}) and is ${kept} now: agents are known again from the store, or by first sight`;
  logger.error(loss);
  return await IdentityFile.open(file, serverId, logger, loss);
}

/** The words of an error that says that the file's content is not what was written; undefined for any other. */
function damageIn(error: unknown): string | undefined {
  // What the decoder of a value says.
  if (error instanceof SyntaxError) return error.message;
  return error instanceof Error && saysDamage(error) ? error.message : undefined;
}

class IdentityFile implements StoredIdentities {
  readonly book: IdentityBook;
  loss: string | undefined;
  writeFailure: string | undefined;
  readonly #root: RootDatabase<unknown, string>;
  readonly #agents: Database<unknown, string>;
  readonly #logger: Logger;
  /** Asked first: of a write without room LMDB's native code prints lines of its own, one each try. */
  readonly #space: DiskSpace;
  readonly #fileBytes: () => number;
  /** Undefined: forgotten. */
  readonly #dirty = new Map<AgentId, AgentRecord | undefined>();
  #timer: NodeJS.Timeout | undefined;
  #writing: Promise<void> | undefined;
  #closed = false;

  private constructor(
    root: RootDatabase<unknown, string>,
    agents: Database<unknown, string>,
    file: string,
    serverId: string,
    logger: Logger,
  ) {
    this.#fileBytes = () => statSync(file, { throwIfNoEntry: false })?.size ?? 0;
    this.#space = new DiskSpace({
      ...{ what: 'what is known of agents', file, reserveBytes: RESERVE_BYTES },
      // Its free pages are not known: only the disk's count.
      heldBytes: this.#fileBytes,
      onChanged: () => undefined,
    });
    this.#root = root;
    this.#agents = agents;
    this.#logger = logger;
    this.book = new IdentityBook({
      serverId,
      onChanged: (record, urgent) => this.#changed(record.agentId, record, urgent),
      onForgotten: (agentId) => this.#changed(agentId, undefined, false),
    });
  }

  static async open(
    file: string,
    serverId: string,
    logger: Logger,
    loss: string | undefined,
  ): Promise<IdentityFile> {
    const root: RootDatabase<unknown, string> = open({
      path: file,
      noSubdir: true,
      overlappingSync: false,
      eventTurnBatching: false,
      mapSize: MAP_BYTES,
      encoding: 'json',
      maxDbs: 2,
    });
    try {
      const meta: Database<unknown, string> = root.openDB({ name: 'meta', encoding: 'json' });
      const agents: Database<unknown, string> = root.openDB({ name: 'agents', encoding: 'json' });
      const format = meta.get('format');
      if (typeof format === 'number' && format > RECORD_FORMAT) {
        throw new SluiceError(
          'state_newer',
          `${file} has format ${format}; this program knows ${RECORD_FORMAT}`,
          {
            hint: 'Start the newer version of Sluice that wrote it.',
          },
        );
      }
      if (format === undefined) await meta.put('format', RECORD_FORMAT);
      const opened = new IdentityFile(root, agents, file, serverId, logger);
      opened.loss = loss;
      opened.#restore(file);
      return opened;
    } catch (error) {
      await root.close();
      throw error;
    }
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    clearTimeout(this.#timer);
    await this.#writing;
    await this.#write();
    this.#space.stop();
    await this.#root.close();
  }

  #restore(file: string): void {
    const records: AgentRecord[] = [];
    let damaged = 0;
    for (const { key, value } of this.#agents.getRange()) {
      // The id was branded when it was written: this is where it comes back from disk.
      const record = parseRecord(key as AgentId, value);
      if (record === undefined) damaged += 1;
      else records.push(record);
    }
    records.sort((one, other) => one.lastSeenMs - other.lastSeenMs);
    for (const record of records) this.book.restore(record);
    if (damaged === 0) return;
    this.loss = `${damaged} agents in ${file} could not be read: they are known again from the store, or by first sight`;
    this.#logger.error(this.loss);
  }

  #changed(agentId: AgentId, record: AgentRecord | undefined, urgent: boolean): void {
    this.#dirty.set(agentId, record);
    if (this.#closed || this.#writing !== undefined) return;
    if (!urgent && this.#timer !== undefined) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#start(), urgent ? 0 : WRITE_DELAY_MS);
  }

  #start(): void {
    this.#timer = undefined;
    this.#writing = this.#write().finally(() => {
      this.#writing = undefined;
      if (this.#dirty.size > 0 && !this.#closed) {
        this.#timer = setTimeout(() => this.#start(), WRITE_DELAY_MS);
      }
    });
  }

  /** One transaction; what could not be written waits for the next. Never rejects. */
  async #write(): Promise<void> {
    if (this.#dirty.size === 0) return;
    const changes = [...this.#dirty];
    this.#dirty.clear();
    const bytes = Math.min(changes.length * CHANGE_BYTES, this.#fileBytes() + changes.length * RECORD_BYTES);
    let reserved = 0;
    try {
      this.#space.reserve(bytes);
      reserved = bytes;
      await this.#root.batch(() => {
        for (const [agentId, record] of changes) {
          if (record === undefined) void this.#agents.remove(agentId);
          else void this.#agents.put(agentId, bodyOf(record));
        }
      });
      if (this.writeFailure !== undefined) this.#logger.info('what is known of agents is on disk again');
      this.writeFailure = undefined;
    } catch (error) {
      for (const [agentId, record] of changes) {
        if (!this.#dirty.has(agentId)) this.#dirty.set(agentId, record);
      }
      const reason = messageOf(await commitErrorOf(error));
      if (this.writeFailure === undefined)
        this.#logger.error({ reason }, 'what is known of agents cannot be written; trying again');
      this.writeFailure = reason;
    } finally {
      this.#space.written(reserved);
    }
  }
}

function bodyOf({ agentId: _, ...body }: AgentRecord): Omit<AgentRecord, 'agentId'> {
  return body;
}
