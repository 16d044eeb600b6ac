/**
 * The journal's LMDB environment: opens and checks it, and names each single put and remove. What belongs together in a
 * transaction is decided by journal.ts.
 *
 * Invariants: `transaction` resolves only after the commit was synced (`overlappingSync` off: LMDB then syncs inside of
 * the commit and reports a failed sync as a failed commit, instead of promising it for later); writes outside of
 * `transaction` do not happen.
 */
import { defined } from '@sluice/base/defined';
import { commitErrorOf } from '@sluice/durable/lmdb/commit-error';
import { DamageLatch, type FoundDamage } from '@sluice/durable/lmdb/damage-latch';
import type { RootDatabase } from 'lmdb';
import { type Databases, type NumberedKey, write } from './journal-databases.ts';
import { damagedJournal, translate } from './journal-errors.ts';
import { type OpenJournalFile, openJournalFile } from './journal-file.ts';
import type { JournalMark } from './journal-mark.ts';
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
  encodeChunk,
  headerOf,
  type JournalBatch,
  type JournaledBlock,
  type Lane,
  type SetAsideBlock,
} from './journal-records.ts';
import type { Forgotten, KnownAgent } from './known-blocks.ts';

export class JournalStore {
  readonly instanceId: string;
  readonly nextBatch: number;
  readonly mark: JournalMark;
  readonly #directory: string;
  readonly #latch: DamageLatch;
  readonly #root: RootDatabase;
  readonly #databases: Databases;

  private constructor(directory: string, opened: OpenJournalFile) {
    this.#directory = directory;
    this.#latch = new DamageLatch((reason, cause) => damagedJournal(directory, reason, cause));
    this.#root = opened.root;
    this.#databases = opened.databases;
    this.mark = opened.mark;
    this.instanceId = opened.instanceId;
    this.nextBatch = opened.nextBatch;
  }

  /** Throws SluiceError `state_newer`, `state_corrupt`, `config_invalid` or `disk_full`. The caller holds the directory's lock. */
  static async open(directory: string, maxRawBytes: number): Promise<JournalStore> {
    return new JournalStore(directory, await openJournalFile(directory, maxRawBytes));
  }

  /** What LMDB found wrong with the file while it was open; nothing can be read or written since then. */
  get damage(): FoundDamage | undefined {
    return this.#latch.damage;
  }

  /** Runs `writes` as one transaction. Resolves when it is on disk, rejects when nothing of it is. */
  async transaction(writes: () => void): Promise<void> {
    this.#latch.check();
    try {
      await this.#root.batch(writes);
    } catch (error) {
      throw (
        this.#latch.note(await commitErrorOf(error)) ?? (await translate(error, 'internal', this.#directory))
      );
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
    const payload = this.#latch.read(() => this.#databases.payloads.get([block.lane, block.number]));
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

  /** Back among those that wait; its payload stays where it is. */
  moveBack(block: JournaledBlock): void {
    const key: NumberedKey = [block.lane, block.number];
    write(this.#databases.setAside.remove(key));
    write(this.#databases.headers.put(key, recordOf(block)));
  }

  removeSetAside(block: JournaledBlock): void {
    const key: NumberedKey = [block.lane, block.number];
    write(this.#databases.setAside.remove(key));
    write(this.#databases.payloads.remove(key));
  }

  putAgent(agent: KnownAgent): void {
    const record = { rememberedFrom: agent.rememberedFrom, touchedMs: agent.touchedMs };
    write(this.#databases.agents.put(agentKey(agent.agentId, agent.epoch), record));
  }

  /** Writes the digests as they are in memory; a chunk that is not there any more is left out. */
  putChunk(agent: KnownAgent, chunk: number): void {
    const entries = agent.chunks.get(chunk);
    if (entries === undefined) return;
    const key = chunkKey(agent.agentId, agent.epoch, chunk);
    write(this.#databases.known.put(key, encodeChunk(key, entries)));
  }

  forget(forgotten: Forgotten): void {
    const { agentId, epoch } = forgotten.agent;
    for (const chunk of forgotten.chunks)
      write(this.#databases.known.remove(chunkKey(agentId, epoch, chunk)));
    if (forgotten.whole) write(this.#databases.agents.remove(agentKey(agentId, epoch)));
  }

  /** All blocks that are not set aside, by lane and number. */
  *blocks(): Iterable<JournaledBlock> {
    for (const [key, value] of this.#databases.headers.entries()) yield blockOf(key, value);
  }

  *setAsideBlocks(): Iterable<SetAsideBlock> {
    for (const [key, value] of this.#databases.setAside.entries()) {
      yield { ...blockOf(key, value), reason: decodeBlockRecord(value).setAsideReason ?? '' };
    }
  }

  *batches(): Iterable<BatchRecord & { readonly lane: Lane; readonly number: number }> {
    for (const [key, value] of this.#databases.batches.entries()) {
      yield { ...decodeBatchRecord(value), ...decodeNumberedKey(key) };
    }
  }

  /** What is known of each agent, the longest silent first. */
  knownAgents(): KnownAgent[] {
    const agents = new Map<string, KnownAgent>();
    for (const [key, value] of this.#databases.agents.entries()) {
      const { agentId, epoch } = decodeAgentKey(key);
      const { rememberedFrom, touchedMs } = decodeAgentRecord(value);
      agents.set(`${epoch}/${agentId}`, { agentId, epoch, rememberedFrom, touchedMs, chunks: new Map() });
    }
    for (const { key, value } of this.#databases.known.getRange()) {
      const { agentId, epoch, chunk, entries } = decodeChunk(key, value);
      const agent = agents.get(`${epoch}/${agentId}`);
      if (agent === undefined) throw corrupt('what is known of an agent');
      agent.chunks.set(chunk, entries);
    }
    return [...agents.values()].sort((a, b) => a.touchedMs - b.touchedMs);
  }

  async close(): Promise<void> {
    await this.#root.close();
  }
}

function recordOf(block: JournaledBlock): BlockRecord {
  const { header, priority, receivedMs, payloadBytes, inDoubtAt, isUnsure } = block;
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
    isUnsure,
  };
}

function blockOf(key: unknown, value: unknown): JournaledBlock {
  const { lane, number } = decodeNumberedKey(key);
  const record = decodeBlockRecord(value);
  const { priority, receivedMs, payloadBytes, inDoubtAt, isUnsure } = record;
  return {
    ...{ lane, number, header: headerOf(record), priority, receivedMs, payloadBytes },
    ...defined({ inDoubtAt, isUnsure }),
  };
}

function viewOf(payload: Uint8Array): Buffer {
  return Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength);
}
