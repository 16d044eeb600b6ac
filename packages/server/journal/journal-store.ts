/**
 * The journal's LMDB environment: opens and checks it, and names each single put and remove. What belongs together in a
 * transaction is decided by journal.ts.
 *
 * Invariants: `transaction` resolves only after the commit was synced (`overlappingSync` off: LMDB then syncs inside of
 * the commit and reports a failed sync as a failed commit, instead of promising it for later); writes outside of
 * `transaction` do not happen.
 */
import { randomUUID } from 'node:crypto';
import { statfs } from 'node:fs/promises';
import { constants } from 'node:os';
import { join } from 'node:path';
import { SluiceError } from '@sluice/protocol/error';
import { type Database, open, type RootDatabase } from 'lmdb';
import { MAX_COMMIT_BYTES } from './group-commit.ts';
import {
  agentKey,
  type BatchRecord,
  type BlockRecord,
  chunkKey,
  corrupt,
  decodeAgentKey,
  decodeAgentRecord,
  decodeBatchRecord,
  decodeBlockRecord,
  decodeChunk,
  decodeNumberedKey,
  headerOf,
  JOURNAL_FORMAT,
  type JournalBatch,
  type JournaledBlock,
  type Lane,
  type SetAsideBlock,
} from './journal-records.ts';
import type { Forgotten, KnownAgent } from './known-blocks.ts';
import { checkLmdbFile } from './lmdb-file.ts';

/** The file inside of the data directory. */
export const JOURNAL_FILE_NAME = 'journal.lmdb';
/**
 * Address space, not disk: the file grows as it is used. The overfill, as much again for what a commit replaces while
 * the old pages are still there, and room for the known blocks.
 */
const MAP_SIZE_FACTOR = 4;
const MAP_SIZE_BASE_BYTES = 1024 * 1024 * 1024;
/** MDB_MAP_FULL and the system's own codes. */
const DISK_FULL_CODES: readonly number[] = [-30792, constants.errno.ENOSPC, constants.errno.EDQUOT];

type NumberedKey = [number, number];

interface Databases {
  readonly meta: Database<string | number, string>;
  readonly headers: Database<BlockRecord, NumberedKey>;
  readonly payloads: Database<Buffer, NumberedKey>;
  readonly batches: Database<BatchRecord, NumberedKey>;
  readonly setAside: Database<BlockRecord, NumberedKey>;
  readonly agents: Database<unknown, Buffer>;
  readonly known: Database<Buffer, Buffer>;
}

export class JournalStore {
  readonly instanceId: string;
  readonly nextBatch: number;
  readonly #directory: string;
  readonly #root: RootDatabase;
  readonly #databases: Databases;

  private constructor(
    directory: string,
    root: RootDatabase,
    databases: Databases,
    state: { readonly instanceId: string; readonly nextBatch: number },
  ) {
    this.#directory = directory;
    this.#root = root;
    this.#databases = databases;
    this.instanceId = state.instanceId;
    this.nextBatch = state.nextBatch;
  }

  /** Throws SluiceError `state_newer`, `state_corrupt` or `disk_full`. The caller holds the directory's lock. */
  static async open(directory: string, maxRawBytes: number): Promise<JournalStore> {
    const path = join(directory, JOURNAL_FILE_NAME);
    const damage = checkLmdbFile(path);
    if (damage !== undefined) throw corrupt(`${path} (${damage})`);
    let root: RootDatabase | undefined;
    try {
      root = open({
        path,
        noSubdir: true,
        overlappingSync: false,
        noMemInit: true,
        // Transactions are explicit here; the implicit ones have promises of their own that nobody could handle.
        eventTurnBatching: false,
        mapSize: maxRawBytes * MAP_SIZE_FACTOR + MAP_SIZE_BASE_BYTES,
        maxDbs: 8,
      });
      const databases: Databases = {
        meta: root.openDB('meta', {}),
        headers: root.openDB('headers', {}),
        payloads: root.openDB('payloads', { encoding: 'binary' }),
        batches: root.openDB('batches', {}),
        setAside: root.openDB('set_aside', {}),
        agents: root.openDB('agents', { keyEncoding: 'binary' }),
        known: root.openDB('known', { keyEncoding: 'binary', encoding: 'binary' }),
      };
      return new JournalStore(directory, root, databases, await readMeta(databases.meta));
    } catch (error) {
      await root?.close();
      throw await translate(error, 'state_corrupt', directory);
    }
  }

  /** Runs `writes` as one transaction. Resolves when it is on disk, rejects when nothing of it is. */
  async transaction(writes: () => void): Promise<void> {
    try {
      await this.#root.batch(writes);
    } catch (error) {
      throw await translate(error, 'internal', this.#directory);
    }
  }

  putBlock(block: JournaledBlock, payload: Uint8Array): void {
    const key: NumberedKey = [block.lane, block.number];
    write(this.#databases.headers.put(key, recordOf(block)));
    write(this.#databases.payloads.put(key, viewOf(payload)));
  }

  removeBlock(block: JournaledBlock): void {
    const key: NumberedKey = [block.lane, block.number];
    write(this.#databases.headers.remove(key));
    write(this.#databases.payloads.remove(key));
  }

  readPayload(block: JournaledBlock): Buffer {
    const payload = this.#databases.payloads.getBinary([block.lane, block.number]);
    if (payload === undefined || payload.length !== block.payloadBytes)
      throw corrupt('the payload of a block');
    return payload;
  }

  putBatch(batch: JournalBatch, nextBatch: number): void {
    const { token, serverId, blocks } = batch;
    const record: BatchRecord = { token, serverId, blockNumbers: blocks.map((block) => block.number) };
    write(this.#databases.batches.put([batch.lane, batch.number], record));
    write(this.#databases.meta.put('next_batch', nextBatch));
  }

  removeBatch(batch: JournalBatch): void {
    write(this.#databases.batches.remove([batch.lane, batch.number]));
  }

  /** Its payload stays where it is. */
  moveAside(block: JournaledBlock, reason: string): void {
    const key: NumberedKey = [block.lane, block.number];
    write(this.#databases.headers.remove(key));
    write(this.#databases.setAside.put(key, { ...recordOf(block), setAsideReason: reason }));
  }

  removeSetAside(block: JournaledBlock): void {
    const key: NumberedKey = [block.lane, block.number];
    write(this.#databases.setAside.remove(key));
    write(this.#databases.payloads.remove(key));
  }

  putAgent(agent: KnownAgent): void {
    const record = { settledBelow: agent.settledBelow, touchedMs: agent.touchedMs };
    write(this.#databases.agents.put(agentKey(agent.agentId, agent.epoch), record));
  }

  /** Writes the bitmap as it is in memory; one that is not there any more is left out. */
  putChunk(agent: KnownAgent, chunk: number): void {
    const bitmap = agent.chunks.get(chunk);
    if (bitmap === undefined) return;
    // A copy: memory may change again before the writing thread has read it.
    write(this.#databases.known.put(chunkKey(agent.agentId, agent.epoch, chunk), Buffer.from(bitmap)));
  }

  forget(forgotten: Forgotten): void {
    const { agentId, epoch } = forgotten.agent;
    for (const chunk of forgotten.chunks)
      write(this.#databases.known.remove(chunkKey(agentId, epoch, chunk)));
    if (forgotten.whole) write(this.#databases.agents.remove(agentKey(agentId, epoch)));
  }

  /** All blocks that are not set aside, by lane and number. */
  *blocks(): Iterable<JournaledBlock> {
    for (const { key, value } of this.#databases.headers.getRange()) yield blockOf(key, value);
  }

  *setAsideBlocks(): Iterable<SetAsideBlock> {
    for (const { key, value } of this.#databases.setAside.getRange()) {
      yield { ...blockOf(key, value), reason: decodeBlockRecord(value).setAsideReason ?? '' };
    }
  }

  *batches(): Iterable<BatchRecord & { readonly lane: Lane; readonly number: number }> {
    for (const { key, value } of this.#databases.batches.getRange()) {
      yield { ...decodeBatchRecord(value), ...decodeNumberedKey(key) };
    }
  }

  /** What is known of each agent, the longest silent first. */
  knownAgents(): KnownAgent[] {
    const agents = new Map<string, KnownAgent>();
    for (const { key, value } of this.#databases.agents.getRange()) {
      const { agentId, epoch } = decodeAgentKey(key);
      const { settledBelow, touchedMs } = decodeAgentRecord(value);
      agents.set(`${epoch}/${agentId}`, { agentId, epoch, settledBelow, touchedMs, chunks: new Map() });
    }
    for (const { key, value } of this.#databases.known.getRange()) {
      const { agentId, epoch, chunk, bitmap } = decodeChunk(key, value);
      const agent = agents.get(`${epoch}/${agentId}`);
      if (agent === undefined) throw corrupt('what is known of an agent');
      agent.chunks.set(chunk, bitmap);
    }
    return [...agents.values()].sort((a, b) => a.touchedMs - b.touchedMs);
  }

  async close(): Promise<void> {
    await this.#root.close();
  }
}

/**
 * The promise of a single write settles with its transaction, whose promise is awaited; without a handler of its own a
 * failed commit would be an unhandled rejection for each write in it.
 */
function write(promise: Promise<boolean>): void {
  promise.catch(ignoreReportedByTransaction);
}

function ignoreReportedByTransaction(): void {
  // The transaction that the write belongs to rejects with the same error.
}

async function readMeta(
  meta: Database<string | number, string>,
): Promise<{ instanceId: string; nextBatch: number }> {
  const format = meta.get('format');
  if (format === undefined) {
    const instanceId = randomUUID();
    await meta.batch(() => {
      write(meta.put('format', JOURNAL_FORMAT));
      write(meta.put('instance', instanceId));
      write(meta.put('next_batch', 1));
    });
    return { instanceId, nextBatch: 1 };
  }
  if (typeof format === 'number' && format > JOURNAL_FORMAT) {
    throw new SluiceError(
      'state_newer',
      `the journal has format ${format}, this program knows ${JOURNAL_FORMAT}`,
      {
        hint: 'Run the newer program that wrote it, or give this one a directory of its own.',
      },
    );
  }
  const instanceId = meta.get('instance');
  const nextBatch = meta.get('next_batch');
  if (format !== JOURNAL_FORMAT || typeof instanceId !== 'string' || typeof nextBatch !== 'number') {
    throw corrupt('its format');
  }
  return { instanceId, nextBatch };
}

/** An error of LMDB as a SluiceError: `disk_full`, or `otherwise`. */
async function translate(
  error: unknown,
  otherwise: 'state_corrupt' | 'internal',
  directory: string,
): Promise<SluiceError> {
  if (error instanceof SluiceError) return error;
  const cause = await commitErrorOf(error);
  const message = cause instanceof Error ? cause.message : String(cause);
  if (await isDiskFull(cause, directory)) {
    return new SluiceError('disk_full', `no space left for the journal in ${directory}: ${message}`, {
      cause,
      hint: 'Free space on the disk of the data directory.',
    });
  }
  return new SluiceError(otherwise, `the journal in ${directory} cannot be used: ${message}`, {
    cause,
    hint: 'Check the disk of the data directory.',
  });
}

/**
 * LMDB says "no space" when nothing of a write fitted, but "I/O error" when a part of it did; then the free space tells.
 */
async function isDiskFull(cause: unknown, directory: string): Promise<boolean> {
  if (!(cause instanceof Error) || !('code' in cause)) return false;
  if (typeof cause.code !== 'number') return cause.code === 'ENOSPC' || cause.code === 'EDQUOT';
  if (DISK_FULL_CODES.includes(cause.code)) return true;
  if (cause.code !== constants.errno.EIO) return false;
  const { bavail, bsize } = await statfs(directory);
  return bavail * bsize < 2 * MAX_COMMIT_BYTES;
}

/** A failed commit carries its reason as a promise that rejects with it. */
async function commitErrorOf(error: unknown): Promise<unknown> {
  if (!(error instanceof Error) || !('commitError' in error)) return error;
  try {
    await error.commitError;
    return error;
  } catch (reason) {
    return reason;
  }
}

function recordOf(block: JournaledBlock): BlockRecord {
  const { header, priority, receivedMs, payloadBytes, inDoubtAt } = block;
  const { id, urgency, rawBytes, recordCount, oldestObservedMs } = header;
  return {
    ...id,
    urgency,
    rawBytes,
    recordCount,
    oldestObservedMs,
    priority,
    receivedMs,
    payloadBytes,
    inDoubtAt,
  };
}

function blockOf(key: unknown, value: unknown): JournaledBlock {
  const { lane, number } = decodeNumberedKey(key);
  const record = decodeBlockRecord(value);
  const { priority, receivedMs, payloadBytes, inDoubtAt } = record;
  const block = { lane, number, header: headerOf(record), priority, receivedMs, payloadBytes };
  return inDoubtAt === undefined ? block : { ...block, inDoubtAt };
}

function viewOf(payload: Uint8Array): Buffer {
  return Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength);
}
