/**
 * Brings a queue of an older format to the present one, before anything else reads its blocks.
 *
 * Format 1: one epoch for the whole queue, blocks without digests. A digest made now says what the payload is now: damage
 * from before the upgrade is not seen by it. What cannot be read is left as it is, for the sweep that counts it (sweep.ts).
 */
import { blockDigest } from '@sluice/wire/block-digest';
import { z } from 'zod';
import { commit, type Environment } from './environment.ts';
import { asAgentId, loadHeader, metaSchema, parseStoredHeader, QUEUE_FORMAT } from './stored.ts';

const FORMAT_WITHOUT_DIGESTS = 1;
/** Stands in a header of format 1 until its digest is made. */
const NO_DIGEST = '0'.repeat(32);

const header = z.looseObject({});
const aside = z.looseObject({ header });

/** Does nothing when the format is present, newer (identity.ts refuses it) or not there yet. Throws SluiceError `disk_full`. */
export async function upgradeFormat(environment: Environment): Promise<void> {
  const { meta, headers, payloads, asideHeaders, asidePayloads, file } = environment;
  if (meta.get('format') !== FORMAT_WITHOUT_DIGESTS) return;
  const identity = metaSchema.safeParse({
    format: FORMAT_WITHOUT_DIGESTS,
    agentId: meta.get('agentId'),
    epoch: meta.get('epoch'),
    nextSequence: meta.get('nextSequence'),
  });
  const upgraded = (sequence: number, value: object, payload: Buffer): object => {
    if (!identity.success) return value;
    const { agentId, epoch } = identity.data;
    const stored = parseStoredHeader({ ...value, epoch, digest: NO_DIGEST }, file);
    return { ...stored, digest: blockDigest(loadHeader(asAgentId(agentId), sequence, stored), payload) };
  };
  await commit(environment, (write) => {
    for (const key of headers.getKeys()) {
      unlessDamaged(() => {
        const payload = payloads.get(key);
        const found = header.parse(headers.get(key));
        if (payload !== undefined) write.put(headers, key, upgraded(key, found, payload));
      });
    }
    for (const key of asideHeaders.getKeys()) {
      unlessDamaged(() => {
        const payload = asidePayloads.get(key);
        const found = aside.parse(asideHeaders.get(key));
        if (payload === undefined) return;
        write.put(asideHeaders, key, { ...found, header: upgraded(key, found.header, payload) });
      });
    }
    write.put(meta, 'format', QUEUE_FORMAT);
  });
}

function unlessDamaged(action: () => void): void {
  try {
    action();
  } catch {
    // Left as it is: without a digest it is no header of the present format, and the sweep counts it.
  }
}
