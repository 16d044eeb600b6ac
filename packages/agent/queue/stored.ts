/**
 * The shapes that the durable queue keeps on disk, and their checks on the way back in: a process of another version,
 * or damage, must be told apart from a queue that is fine.
 *
 * Invariant: whatever is read passes a schema; nothing from disk is trusted to have a type.
 */

import { parseDigest } from '@sluice/block/digest';
import { corruptState, type StateName } from '@sluice/durable/corrupt-state';
import type { AgentId, BlockHeader, ServerId, TimeMs, UrgencyClass } from '@sluice/protocol/model';
import { MAX_ID_BYTES, URGENCY_CLASSES } from '@sluice/protocol/model';
import { z } from 'zod';

/**
 * Version of everything below. A higher one on disk belongs to a newer program. Format 1 had one epoch for the whole queue
 * and no digests, formats 1 and 2 had no checksums (queue-upgrade.ts). All values but payloads, which have digests, stand with a
 * checksum (packages/durable/lmdb/checked-value.ts).
 */
export const QUEUE_FORMAT = 3;

/** What the queue says of itself. */
export interface StoredMeta {
  readonly format: number;
  readonly agentId: string;
  /** Of the latest run. */
  readonly epoch: number;
  readonly nextSequence: number;
}

/** A block header without agent and sequence, which are the queue's and the key's. */
export interface StoredHeader {
  readonly epoch: number;
  readonly digest: string;
  readonly urgency: UrgencyClass;
  readonly rawBytes: number;
  readonly recordCount: number;
  readonly oldestObservedMs: number;
  readonly payloadBytes: number;
}

export interface StoredAside {
  readonly header: StoredHeader;
  readonly reason: string;
  readonly atMs: number;
}

export const metaSchema: z.ZodType<StoredMeta> = z.object({
  format: z.int(),
  agentId: z.string().min(1).max(MAX_ID_BYTES),
  epoch: z.int().min(1),
  nextSequence: z.int().min(1),
});

export const headerSchema: z.ZodType<StoredHeader> = z.object({
  epoch: z.int().min(1),
  digest: z.string().regex(/^[0-9a-f]{32}$/),
  urgency: z.enum(URGENCY_CLASSES),
  rawBytes: z.int().min(0),
  recordCount: z.int().min(0),
  oldestObservedMs: z.number(),
  payloadBytes: z.int().min(0),
});

export const asideSchema: z.ZodType<StoredAside> = z.object({
  header: headerSchema,
  reason: z.string(),
  atMs: z.number(),
});

/** What the headers database keeps for a block. */
export function storeHeader(header: BlockHeader, payloadBytes: number): StoredHeader {
  const { id, urgency, rawBytes, recordCount, oldestObservedMs } = header;
  const { epoch, digest } = id;
  return { epoch, digest, urgency, rawBytes, recordCount, oldestObservedMs, payloadBytes };
}

/** Reads a stored header. Throws SluiceError `state_corrupt`. */
export function parseStoredHeader(value: unknown, name: StateName): StoredHeader {
  const parsed = headerSchema.safeParse(value);
  if (!parsed.success) throw corruptState(name, `a block header is damaged (${parsed.error.message})`);
  return parsed.data;
}

/** Reads what was kept about a block set aside. Throws SluiceError `state_corrupt`. */
export function parseStoredAside(value: unknown, name: StateName): StoredAside {
  const parsed = asideSchema.safeParse(value);
  if (!parsed.success) throw corruptState(name, `a block set aside is damaged (${parsed.error.message})`);
  return parsed.data;
}

/** Reads the server of a block in doubt. Throws SluiceError `state_corrupt`. */
export function parseServerId(value: unknown, name: StateName): ServerId {
  if (typeof value !== 'string' || value.length === 0)
    throw corruptState(name, 'an in-doubt mark is damaged');
  // The brand: this string was a ServerId when it was stored.
  return value as ServerId;
}

/** The header as the scheduler knows it. */
export function loadHeader(agentId: AgentId, sequence: number, stored: StoredHeader): BlockHeader {
  return {
    id: { agentId, epoch: stored.epoch, sequence, digest: parseDigest(stored.digest) },
    urgency: stored.urgency,
    rawBytes: stored.rawBytes,
    recordCount: stored.recordCount,
    // The brand: this number was a TimeMs when it was stored.
    oldestObservedMs: stored.oldestObservedMs as TimeMs,
  };
}

/** The brand for an agent id that passed the schema or the configuration. */
export function asAgentId(text: string): AgentId {
  return text as AgentId;
}
