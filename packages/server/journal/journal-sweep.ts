/**
 * Takes out of the journal what cannot be read back: entries whose key or value says nothing that could be, headers without
 * a payload, payloads without a header, batches that name no block that is there.
 *
 * Invariant: what is taken out is counted. A batch that lost a part of its blocks keeps its token: if the store took it
 * before, it takes nothing now, and otherwise what is left.
 */
import { keyBytes, type SoundKeys, type StoredKey, soundKeys } from '@sluice/host/lmdb/sound-keys';
import type { Database, RootDatabase } from 'lmdb';
import { type Databases, type NumberedKey, openDatabases, write } from './journal-databases.ts';
import {
  corrupt,
  decodeAgentKey,
  decodeAgentRecord,
  decodeBatchRecord,
  decodeBlockRecord,
  decodeChunk,
  decodeNumberedKey,
} from './journal-records.ts';

/** What could not be read. */
export interface Swept {
  /** Blocks that were accepted, set aside or not. */
  readonly blocks: number;
  /** Batches, and parts of the memory of what was taken. */
  readonly others: number;
  /** Blocks that wait. */
  readonly left: number;
  /** Blocks set aside that are left. */
  readonly leftAside: number;
}

type Raw = Database<Buffer, Buffer>;
interface Removal {
  readonly database: Raw;
  readonly key: Buffer;
}

/** Removing an entry can leave another alone, which the next round takes out; a file that needs more takes no removal. */
const MAX_ROUNDS = 3;

/** Rejects with what LMDB says, or `state_corrupt`, when what is damaged cannot be removed: the file is to be salvaged then. */
export async function sweepDamaged(root: RootDatabase): Promise<Swept> {
  let [blocks, others] = [0, 0];
  const databases = openDatabases(root);
  for (let round = 0; round < MAX_ROUNDS; round += 1) {
    const swept = await sweepOnce(root, databases);
    blocks += swept.blocks;
    others += swept.others;
    if (swept.removals === 0) return { ...swept, blocks, others };
  }
  throw corrupt('what was removed from it');
}

async function sweepOnce(
  root: RootDatabase,
  databases: Databases,
): Promise<Swept & { readonly removals: number }> {
  const { headers, setAside, batches } = databases;
  const raw = (name: string): Raw => root.openDB({ name, keyEncoding: 'binary', encoding: 'binary' });
  const removals: Removal[] = [];
  const [rawHeaders, rawAside, rawPayloads] = [raw('headers'), raw('set_aside'), raw('payloads')];
  const waiting = soundKeys(rawHeaders, (key) => void decodeBlockRecord(storedValue(headers, numbered(key))));
  const aside = soundKeys(rawAside, (key) => void decodeBlockRecord(storedValue(setAside, numbered(key))));
  const payloads = soundKeys(rawPayloads, (key) => void numbered(key));
  const withPayload = new Set(payloads.sound.map(nameOf));
  const withHeader = new Set([...waiting.sound, ...aside.sound].map(nameOf));
  for (const key of [...waiting.broken, ...lonely(waiting.sound, withPayload)])
    removals.push({ database: rawHeaders, key });
  for (const key of [...aside.broken, ...lonely(aside.sound, withPayload)])
    removals.push({ database: rawAside, key });
  for (const key of [...payloads.broken, ...lonely(payloads.sound, withHeader)])
    removals.push({ database: rawPayloads, key });
  const left = new Set(waiting.sound.map(nameOf).filter((name) => withPayload.has(name)));
  const brokenBatches = soundKeys(raw('batches'), (key) =>
    checkBatch(key, storedValue(batches, numbered(key)), left),
  ).broken;
  for (const key of brokenBatches) removals.push({ database: raw('batches'), key });
  const others = brokenBatches.length + sweepKnown(databases, raw, removals);
  if (removals.length > 0)
    await root.batch(() => {
      for (const { database, key } of removals) write(database.remove(key));
    });
  const leftAside = aside.sound.length - lonely(aside.sound, withPayload).length;
  // Each block had one of both.
  const had = Math.max(countOf(waiting) + countOf(aside), countOf(payloads));
  const blocks = had - left.size - leftAside;
  return { blocks, others, left: left.size, leftAside, removals: removals.length };
}

function countOf({ sound, broken }: SoundKeys): number {
  return sound.length + broken.length;
}

/** What is known of the agents. Their keys are bytes already. */
function sweepKnown(databases: Databases, raw: (name: string) => Raw, removals: Removal[]): number {
  const { agents } = databases;
  const remembered = new Set<string>();
  const removed = removals.length;
  for (const key of raw('agents').getKeys()) {
    const stored = Buffer.from(key);
    const isSound = reads(() => {
      const { agentId, epoch } = decodeAgentKey(stored);
      decodeAgentRecord(storedValue(agents, stored));
      remembered.add(`${epoch}/${agentId}`);
    });
    if (!isSound) removals.push({ database: raw('agents'), key: stored });
  }
  for (const { key, value } of raw('known').getRange()) {
    const stored = Buffer.from(key);
    const isSound = reads(() => {
      const { agentId, epoch } = decodeChunk(stored, value);
      if (!remembered.has(`${epoch}/${agentId}`)) throw corrupt('what is known of an agent');
    });
    if (!isSound) removals.push({ database: raw('known'), key: stored });
  }
  return removals.length - removed;
}

/** A token says whose batch it is, in which lane and with which number: so it tells when another part of it is damaged. */
function checkBatch(key: StoredKey, value: unknown, blocks: ReadonlySet<string>): void {
  const { lane, number } = decodeNumberedKey(key);
  const { token, serverId, blockNumbers } = decodeBatchRecord(value);
  const isWhole = token.startsWith(`${serverId}/${lane}/${number}/`);
  if (!isWhole || !blockNumbers.some((block) => blocks.has(nameOf([lane, block])))) throw corrupt('a batch');
}

/**
 * Read as the journal reads all of them at its start: a single read is content with a value that has bytes left over. A range
 * whose decoder throws keeps its transaction for ever, unless it is ended.
 */
function storedValue<K extends NumberedKey | Buffer>(database: Database<unknown, K>, key: K): unknown {
  const iterator = database.getRange({ start: key, limit: 1 })[Symbol.iterator]();
  try {
    const result = iterator.next();
    return result.done === true ? undefined : result.value.value;
  } finally {
    iterator.return?.();
  }
}

function numbered(key: StoredKey): [number, number] {
  const { lane, number } = decodeNumberedKey(key);
  return [lane, number];
}

function nameOf(key: StoredKey): string {
  return keyBytes(key).toString('latin1');
}

/** Keys that are not among `others`. */
function lonely(keys: readonly StoredKey[], others: ReadonlySet<string>): Buffer[] {
  return keys.filter((key) => !others.has(nameOf(key))).map(keyBytes);
}

function reads(read: () => void): boolean {
  try {
    read();
    return true;
  } catch {
    // It is counted by the caller; what a damaged entry makes a decoder say helps nobody.
    return false;
  }
}
