/**
 * Takes out of the queue what cannot be read back: entries whose key or value says nothing that could be, headers without a
 * payload, payloads without a header. Without it one damaged entry would stop the whole queue.
 *
 * Invariant: what is taken out is counted, by what it was.
 */
import { keyBytes, type SoundKeys, type StoredKey, soundKeys } from '@sluice/host/lmdb/sound-keys';
import type { Database } from 'lmdb';
import { corruptState } from './corrupt-state.ts';
import { commit, type Environment, rawDatabase } from './environment.ts';
import { parseServerId, parseStoredAside, parseStoredHeader } from './stored.ts';

/** What could not be read. */
export interface Swept {
  /** Blocks that waited. */
  readonly blocks: number;
  readonly setAside: number;
  readonly positions: number;
}

interface Removal {
  readonly database: Database<Buffer, Buffer>;
  readonly key: Buffer;
}

/** @throws SluiceError `disk_full`, `internal`, `state_corrupt` when what is damaged cannot be removed either */
export async function sweepDamaged(environment: Environment): Promise<Swept> {
  const { headers, inDoubt, checkpoints, asideHeaders, file } = environment;
  const removals: Removal[] = [];
  const blocks = sweepPair(environment, removals, ['headers', 'payloads'], (key) => {
    parseStoredHeader(headers.get(key), file);
  });
  const setAside = sweepPair(environment, removals, ['aside-headers', 'aside-payloads'], (key) => {
    parseStoredAside(asideHeaders.get(key), file);
  });
  const positions = sweepOne(environment, removals, 'checkpoints', (key) => {
    if (typeof key !== 'string') throw corruptState(file, 'a key of a read position is damaged');
    checkpoints.get(key);
  });
  sweepOne(environment, removals, 'in-doubt', (key) => {
    parseServerId(inDoubt.get(sequenceOf(key, file)), file);
  });
  if (removals.length > 0)
    await commit(environment, (write) => {
      for (const { database, key } of removals) write.remove(database, key);
    });
  return { blocks, setAside, positions };
}

/** Headers and payloads belong together. Returns how many blocks are gone: each had one of both. */
function sweepPair(
  environment: Environment,
  removals: Removal[],
  [headerName, payloadName]: readonly [string, string],
  read: (sequence: number) => void,
): number {
  const readSequence = (key: StoredKey): void => read(sequenceOf(key, environment.file));
  const checkSequence = (key: StoredKey): void => void sequenceOf(key, environment.file);
  const [rawHeaders, rawPayloads] = [
    rawDatabase(environment, headerName),
    rawDatabase(environment, payloadName),
  ];
  const headers = soundKeys(rawHeaders, readSequence);
  const payloads = soundKeys(rawPayloads, checkSequence);
  const withHeader = new Set(headers.sound);
  const withPayload = new Set(payloads.sound);
  const alone = [
    ...headers.sound.filter((key) => !withPayload.has(key)),
    ...payloads.sound.filter((key) => !withHeader.has(key)),
  ].map(keyBytes);
  for (const key of [...alone, ...headers.broken]) removals.push({ database: rawHeaders, key });
  for (const key of [...alone, ...payloads.broken]) removals.push({ database: rawPayloads, key });
  const had = Math.max(countOf(headers), countOf(payloads));
  return had - headers.sound.filter((key) => withPayload.has(key)).length;
}

function countOf({ sound, broken }: SoundKeys): number {
  return sound.length + broken.length;
}

function sweepOne(
  environment: Environment,
  removals: Removal[],
  name: string,
  read: (key: StoredKey) => void,
): number {
  const database = rawDatabase(environment, name);
  const { broken } = soundKeys(database, read);
  for (const key of broken) removals.push({ database, key });
  return broken.length;
}

function sequenceOf(key: StoredKey, file: string): number {
  if (typeof key === 'number' && Number.isSafeInteger(key) && key > 0) return key;
  throw corruptState(file, 'a sequence is damaged');
}
