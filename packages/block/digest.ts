/**
 * The digest of a block: the first 16 bytes of SHA-256 (FIPS 180-4) over its header and its compressed payload. It is made
 * once, when the block is sealed, and covers all that is sent and stored of it. So it serves twice: as a checksum wherever the
 * block was on a disk or on its way, and as the part of the identity that tells two blocks at one position apart.
 *
 * Text that is hashed, all numbers as UInt64 little-endian: "sluice block", 0, length of the agent id in bytes, agent id
 * (UTF-8), epoch, sequence, rank of the class, raw bytes, record count, oldest observed ms, payload.
 */
import { createHash } from 'node:crypto';
import { SluiceError } from '@sluice/base/error';
import type { BlockDigest, BlockHeader, BlockPosition } from '@sluice/protocol/model';
import { urgencyRank } from '@sluice/protocol/model';

/** Half of SHA-256: nobody finds a second content for a digest, and a remembered block costs a server little. */
export const DIGEST_BYTES = 16;

const DOMAIN = Buffer.from('sluice block\0');
const DIGEST_TEXT = /^[0-9a-f]{32}$/;

/** What is known of a block before its digest. */
export interface DraftHeader extends Omit<BlockHeader, 'id'> {
  readonly id: BlockPosition;
}

/** The digest of a block as 32 lower-case hex digits. A digest that the header already has is not looked at. */
export function blockDigest(header: DraftHeader, payload: Uint8Array): BlockDigest {
  const { id, urgency, rawBytes, recordCount, oldestObservedMs } = header;
  const agentId = Buffer.from(id.agentId, 'utf8');
  const numbers = [id.epoch, id.sequence, urgencyRank(urgency), rawBytes, recordCount, oldestObservedMs];
  const hash = createHash('sha256')
    .update(DOMAIN)
    .update(uint64s([agentId.length]))
    .update(agentId);
  const digest = hash.update(uint64s(numbers)).update(payload).digest();
  return readDigest(digest.subarray(0, DIGEST_BYTES));
}

/** The header with its digest. */
export function withDigest(header: DraftHeader, payload: Uint8Array): BlockHeader {
  return { ...header, id: { ...header.id, digest: blockDigest(header, payload) } };
}

/**
 * Whether a block is what was sealed.
 *
 * @returns what is wrong, undefined when nothing is
 */
export function digestProblem(header: BlockHeader, payload: Uint8Array): string | undefined {
  const found = blockDigest(header, payload);
  if (found === header.id.digest) return undefined;
  return `damaged: its content has the digest ${found}, it was sealed with ${header.id.digest}`;
}

/** The digest of {@link DIGEST_BYTES} bytes. Throws protocol_violation for another number of bytes. */
export function readDigest(bytes: Uint8Array): BlockDigest {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex');
  return parseDigest(text);
}

/** The digest that a text is. Throws protocol_violation when it is none. */
export function parseDigest(text: string): BlockDigest {
  if (!DIGEST_TEXT.test(text)) {
    throw new SluiceError('protocol_violation', `a digest has ${DIGEST_BYTES} bytes as lower-case hex`);
  }
  // The brand: this is where digests come from.
  return text as BlockDigest;
}

/** The bytes of a digest. */
export function digestBytes(digest: BlockDigest): Buffer {
  return Buffer.from(digest, 'hex');
}

function uint64s(numbers: readonly number[]): Buffer {
  const bytes = Buffer.allocUnsafe(8 * numbers.length);
  for (const [index, number] of numbers.entries()) {
    bytes.writeBigUInt64LE(BigInt(Math.max(0, Math.trunc(number))), 8 * index);
  }
  return bytes;
}
