/**
 * Brings a queue of an older format to the present one, before anything else reads its blocks.
 *
 * Format 1: one epoch for the whole queue, blocks without digests. Formats 1 and 2: values without checksums. What is made now
 * says what the file says now: damage from before the upgrade is not seen by it. What cannot be read is left as it is, for the
 * judge that counts it (queue-judge.ts).
 */
import { blockDigest } from '@sluice/block/digest';
import { z } from 'zod';
import { commit, DATABASE_NAMES, type Environment, openEnvironment } from './environment.ts';
import { asAgentId, loadHeader, metaSchema, parseStoredHeader, QUEUE_FORMAT } from './stored.ts';

/** Stands in a header of format 1 until its digest is made. */
const NO_DIGEST = '0'.repeat(32);
const META_NAMES = ['agentId', 'epoch', 'nextSequence', 'blockFormat'];

const header = z.looseObject({});
const aside = z.looseObject({ header });

/** The file is of format 1 or 2, and its structure is sound. Throws SluiceError `disk_full`, `state_corrupt`. */
export async function upgradeQueue(file: string): Promise<void> {
  const environment = openEnvironment(file);
  try {
    await upgrade(environment);
  } finally {
    await environment.root.close();
  }
}

async function upgrade(environment: Environment): Promise<void> {
  const { root, meta, headers, inDoubt, checkpoints, asideHeaders } = environment;
  const files = new Map(
    DATABASE_NAMES.map((name) => [name, root.openDB<Buffer, string | number>({ name, encoding: 'binary' })]),
  );
  const older = (name: string, key: string | number): unknown => {
    const bytes = files.get(name)?.get(key);
    return bytes === undefined ? undefined : JSON.parse(bytes.toString());
  };
  const withDigest = digestMaker(environment, (name) => unlessDamaged(() => older('meta', name)));
  await commit(environment, (write) => {
    for (const name of META_NAMES)
      unlessDamaged(() => {
        const value = older('meta', name);
        if (value !== undefined) write.put(meta, name, value);
      });
    for (const key of headers.keys())
      unlessDamaged(() => {
        const found = header.parse(older('headers', key));
        write.put(headers, key, withDigest('payloads', key, found));
      });
    for (const key of asideHeaders.keys())
      unlessDamaged(() => {
        const found = aside.parse(older('aside-headers', key));
        write.put(asideHeaders, key, { ...found, header: withDigest('aside-payloads', key, found.header) });
      });
    for (const key of checkpoints.keys())
      unlessDamaged(() => write.put(checkpoints, key, older('checkpoints', key)));
    for (const key of inDoubt.keys()) unlessDamaged(() => write.put(inDoubt, key, older('in-doubt', key)));
    write.put(meta, 'format', QUEUE_FORMAT);
  });
}

/** Gives a header of format 1 the epoch of the queue and a digest; one of format 2 has them. */
function digestMaker(
  environment: Environment,
  metaOf: (name: string) => unknown,
): (payloads: 'payloads' | 'aside-payloads', sequence: number, header: object) => object {
  const identity = metaSchema.safeParse({
    format: metaOf('format'),
    agentId: metaOf('agentId'),
    epoch: metaOf('epoch'),
    nextSequence: metaOf('nextSequence'),
  });
  return (payloads, sequence, found) => {
    if (!identity.success || 'digest' in found) return found;
    const { agentId, epoch } = identity.data;
    const stored = parseStoredHeader({ ...found, epoch, digest: NO_DIGEST }, environment.file);
    const payload = (payloads === 'payloads' ? environment.payloads : environment.asidePayloads).get(
      sequence,
    );
    if (payload === undefined) return found;
    return { ...stored, digest: blockDigest(loadHeader(asAgentId(agentId), sequence, stored), payload) };
  };
}

function unlessDamaged<T>(action: () => T): T | undefined {
  try {
    return action();
  } catch {
    // Left as it is: without a checksum it is no value of the present format, and the judge counts it.
    return undefined;
  }
}
