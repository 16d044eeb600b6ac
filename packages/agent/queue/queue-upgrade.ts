/**
 * How a queue of an older format becomes one of the present format (packages/durable/lmdb/format-upgrade.ts).
 *
 * Format 1: one epoch for the whole queue, blocks without digests. Formats 1 and 2: values of JSON, without checksums.
 */
import { blockDigest } from '@sluice/block/digest';
import type { DurableEnvironment, Transaction } from '@sluice/durable/lmdb/environment';
import { type FormatUpgrade, rewriteEntries } from '@sluice/durable/lmdb/format-upgrade';
import { z } from 'zod';
import { openQueueDatabases } from './queue-databases.ts';
import { asAgentId, headerSchema, loadHeader, metaSchema } from './stored.ts';

/** Stands in a header of format 1 until its digest is made. */
const NO_DIGEST = '0'.repeat(32);

const looseHeader = z.looseObject({});
const looseAside = z.looseObject({ header: looseHeader });

/** Gives a header what the present format asks for. */
type Complete = (payloads: 'payloads' | 'aside-payloads', sequence: number, header: object) => object;

export const QUEUE_UPGRADES: readonly FormatUpgrade[] = [
  {
    from: 1,
    stored: Buffer.from('1'),
    apply: (environment, write) => rewriteAll(environment, write, withDigest(environment)),
  },
  {
    from: 2,
    stored: Buffer.from('2'),
    apply: (environment, write) => rewriteAll(environment, write, (_payloads, _sequence, header) => header),
  },
];

function rewriteAll(environment: DurableEnvironment, write: Transaction, complete: Complete): void {
  const { headers, asideHeaders, checkpoints, inDoubt } = openQueueDatabases(environment);
  rewriteEntries<string>(write, { older: environment.older('meta', 'json'), newer: environment.meta });
  rewriteEntries<number>(
    write,
    { older: environment.older('headers', 'json'), newer: headers },
    (key, value) => complete('payloads', key, looseHeader.parse(value)),
  );
  rewriteEntries<number>(
    write,
    { older: environment.older('aside-headers', 'json'), newer: asideHeaders },
    (key, value) => {
      const found = looseAside.parse(value);
      return { ...found, header: complete('aside-payloads', key, found.header) };
    },
  );
  rewriteEntries<string>(write, { older: environment.older('checkpoints', 'json'), newer: checkpoints });
  rewriteEntries<number>(write, { older: environment.older('in-doubt', 'json'), newer: inDoubt });
}

/** Gives a header of format 1 the epoch of the queue and a digest of what its payload is now. */
function withDigest(environment: DurableEnvironment): Complete {
  const { payloads, asidePayloads } = openQueueDatabases(environment);
  const meta = environment.older<string>('meta', 'json');
  const identity = metaSchema.safeParse({
    format: read(() => meta.get('format')),
    agentId: read(() => meta.get('agentId')),
    epoch: read(() => meta.get('epoch')),
    nextSequence: read(() => meta.get('nextSequence')),
  });
  return (name, sequence, found) => {
    if (!identity.success) return found;
    const { agentId, epoch } = identity.data;
    const stored = headerSchema.parse({ ...found, epoch, digest: NO_DIGEST });
    const payload = (name === 'payloads' ? payloads : asidePayloads).get(sequence);
    if (payload === undefined) return found;
    return { ...stored, digest: blockDigest(loadHeader(asAgentId(agentId), sequence, stored), payload) };
  };
}

function read(value: () => unknown): unknown {
  try {
    return value();
  } catch {
    // Damaged: the queue does not say whose it is, and its headers are left as they are.
    return undefined;
  }
}
