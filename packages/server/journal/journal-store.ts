/**
 * Names each single put and remove of the journal, and reads it back. What belongs together in a transaction is decided by
 * journal.ts and its parts.
 */
import { defined } from '@sluice/base/defined';
import type { Ledger } from '@sluice/durable/ledger';
import type { FoundDamage } from '@sluice/durable/lmdb/damage-latch';
import type { Transaction } from '@sluice/durable/lmdb/environment';
import type { OpenedDurable } from '@sluice/durable/open-durable';
import { type JournalDatabases, type NumberedKey, openJournalDatabases } from './journal-databases.ts';
import { type JournalIdentity, type JournalLedgerState, openJournalFile } from './journal-file.ts';
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
  readonly identity: JournalIdentity;
  readonly ledger: Ledger<JournalLedgerState>;
  readonly #databases: JournalDatabases;

  private constructor({ environment, identity, ledger }: OpenedDurable<JournalLedgerState, JournalIdentity>) {
    this.#databases = openJournalDatabases(environment);
    this.identity = identity;
    this.ledger = ledger;
  }

  /** Throws SluiceError `state_newer`, `state_corrupt`, `config_invalid` or `disk_full`. The caller holds the directory's lock. */
  static async open(directory: string, maxRawBytes: number): Promise<JournalStore> {
    return new JournalStore(await openJournalFile(directory, maxRawBytes));
  }

  /** What LMDB found wrong with the file while it was open; nothing can be read or written since then. */
  get damage(): FoundDamage | undefined {
    return this.#databases.environment.latch.damage;
  }

  /** Runs `writes` as one transaction. Resolves when it is on disk, rejects when nothing of it is. */
  transaction(writes: (write: Transaction) => void): Promise<void> {
    return this.#databases.environment.commit(writes);
  }

  putBlock(write: Transaction, block: JournaledBlock, payload: Uint8Array): void {
    const key: NumberedKey = [block.lane, block.number];
    write.put(this.#databases.headers, key, recordOf(block));
    write.put(this.#databases.payloads, key, viewOf(payload));
  }

  removeBlock(write: Transaction, block: JournaledBlock): void {
    const key: NumberedKey = [block.lane, block.number];
    write.remove(this.#databases.headers, key);
    write.remove(this.#databases.payloads, key);
  }

  readPayload(block: JournaledBlock): Buffer {
    const payload = this.#databases.environment.latch.read(() =>
      this.#databases.payloads.get([block.lane, block.number]),
    );
    if (payload === undefined || payload.length !== block.payloadBytes)
      throw corrupt('the payload of a block');
    return payload;
  }

  putBatch(write: Transaction, batch: JournalBatch, nextBatch: number): void {
    const { token, serverId, blocks } = batch;
    const record: BatchRecord = { token, serverId, blockNumbers: blocks.map((block) => block.number) };
    write.put(this.#databases.batches, [batch.lane, batch.number], record);
    write.put(this.#databases.environment.meta, 'next_batch', nextBatch);
  }

  removeBatch(write: Transaction, batch: JournalBatch): void {
    write.remove(this.#databases.batches, [batch.lane, batch.number]);
  }

  /** Its payload stays where it is. */
  moveAside(write: Transaction, block: JournaledBlock, reason: string): void {
    const key: NumberedKey = [block.lane, block.number];
    write.remove(this.#databases.headers, key);
    write.put(this.#databases.setAside, key, { ...recordOf(block), setAsideReason: reason });
  }

  /** Back among those that wait; its payload stays where it is. */
  moveBack(write: Transaction, block: JournaledBlock): void {
    const key: NumberedKey = [block.lane, block.number];
    write.remove(this.#databases.setAside, key);
    write.put(this.#databases.headers, key, recordOf(block));
  }

  removeSetAside(write: Transaction, block: JournaledBlock): void {
    const key: NumberedKey = [block.lane, block.number];
    write.remove(this.#databases.setAside, key);
    write.remove(this.#databases.payloads, key);
  }

  putAgent(write: Transaction, agent: KnownAgent): void {
    const record = { rememberedFrom: agent.rememberedFrom, touchedMs: agent.touchedMs };
    write.put(this.#databases.agents, agentKey(agent.agentId, agent.epoch), record);
  }

  /** Writes the digests as they are in memory; a chunk that is not there any more is left out. */
  putChunk(write: Transaction, agent: KnownAgent, chunk: number): void {
    const entries = agent.chunks.get(chunk);
    if (entries === undefined) return;
    const key = chunkKey(agent.agentId, agent.epoch, chunk);
    write.put(this.#databases.known, key, encodeChunk(key, entries));
  }

  forget(write: Transaction, forgotten: Forgotten): void {
    const { agentId, epoch } = forgotten.agent;
    for (const chunk of forgotten.chunks)
      write.remove(this.#databases.known, chunkKey(agentId, epoch, chunk));
    if (forgotten.whole) write.remove(this.#databases.agents, agentKey(agentId, epoch));
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
    await this.#databases.environment.close();
  }
}

function recordOf(block: JournaledBlock): BlockRecord {
  const { header, priority, receivedMs, payloadBytes, columnBytes, inDoubtAt, isUnsure } = block;
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
    columnBytes,
    inDoubtAt,
    isUnsure,
  };
}

function blockOf(key: unknown, value: unknown): JournaledBlock {
  const { lane, number } = decodeNumberedKey(key);
  const record = decodeBlockRecord(value);
  const { priority, receivedMs, payloadBytes, columnBytes, inDoubtAt, isUnsure } = record;
  return {
    ...{ lane, number, header: headerOf(record), priority, receivedMs, payloadBytes },
    ...defined({ columnBytes, inDoubtAt, isUnsure }),
  };
}

function viewOf(payload: Uint8Array): Buffer {
  return Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength);
}
