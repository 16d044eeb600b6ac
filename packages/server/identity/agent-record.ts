/**
 * What a server remembers of one agent id, and its form on disk.
 *
 * Invariant: what is read back passes the schema; every list in it is bounded by limits.ts.
 */
import type { AgentId } from '@sluice/protocol/model';
import { z } from 'zod';
import { MAX_OTHERS_PER_AGENT, MAX_PIN_CHANGES } from './limits.ts';

/** Version of the records on disk. A program never touches a newer one. */
export const RECORD_FORMAT = 1;

export type PinnedBy = 'first sight' | 'accepted';

/** Who an agent id belongs to. Times in ms since 1970. */
export interface Pin {
  readonly key: string | undefined;
  readonly certificate: string | undefined;
  readonly atMs: number;
  readonly by: PinnedBy;
  /** When it was written into the store, by the store's clock; undefined: not yet. */
  readonly storedMs: number | undefined;
}

export interface PinChange {
  readonly atMs: number;
  readonly identity: string;
  readonly by: PinnedBy;
}

/** What else came under the id. */
export interface OtherIdentity {
  readonly key: string | undefined;
  readonly certificate: string | undefined;
  readonly firstSeenMs: number;
  lastSeenMs: number;
  connections: number;
  hostName: string;
  address: string;
  serverId: string;
}

/** How far the agent's queue had come when it was seen last. */
export interface QueueMarks {
  readonly epoch: number;
  readonly nextSequence: number;
}

/** The agent came back with an earlier state of its queue. */
export interface Rollback {
  readonly firstMs: number;
  readonly lastMs: number;
  readonly times: number;
  /** The epoch of the run that came back. */
  readonly epoch: number;
  readonly fromSequence: number;
  readonly toSequence: number;
  /** Records of earlier runs at or above `toSequence` that the store had; undefined: not counted yet. */
  readonly records: number | undefined;
}

export interface AgentRecord {
  readonly agentId: AgentId;
  pin: Pin | undefined;
  changes: PinChange[];
  others: OtherIdentity[];
  marks: QueueMarks | undefined;
  rollback: Rollback | undefined;
  lastSeenMs: number;
}

const time = z.number().nonnegative();
const count = z.int().nonnegative();
const identity = { key: z.string().optional(), certificate: z.string().optional() };
const pinnedBy = z.enum(['first sight', 'accepted']);

const recordSchema = z.object({
  pin: z.object({ ...identity, atMs: time, by: pinnedBy, storedMs: time.optional() }).optional(),
  changes: z.array(z.object({ atMs: time, identity: z.string(), by: pinnedBy })).max(MAX_PIN_CHANGES),
  others: z
    .array(
      z.object({
        ...identity,
        firstSeenMs: time,
        lastSeenMs: time,
        connections: count,
        hostName: z.string(),
        address: z.string(),
        serverId: z.string(),
      }),
    )
    .max(MAX_OTHERS_PER_AGENT),
  marks: z.object({ epoch: count, nextSequence: count }).optional(),
  rollback: z
    .object({
      firstMs: time,
      lastMs: time,
      times: count,
      epoch: count,
      fromSequence: count,
      toSequence: count,
      records: count.optional(),
    })
    .optional(),
  lastSeenMs: time,
});

/** @returns undefined when the value is no record of this format */
export function parseRecord(agentId: AgentId, value: unknown): AgentRecord | undefined {
  const parsed = recordSchema.safeParse(value);
  if (!parsed.success) return undefined;
  const { pin, others, rollback, ...rest } = parsed.data;
  return {
    agentId,
    ...rest,
    marks: rest.marks,
    pin:
      pin === undefined
        ? undefined
        : { ...pin, key: pin.key, certificate: pin.certificate, storedMs: pin.storedMs },
    others: others.map((other) => ({ ...other, key: other.key, certificate: other.certificate })),
    rollback: rollback === undefined ? undefined : { ...rollback, records: rollback.records },
  };
}

export function newRecord(agentId: AgentId, nowMs: number): AgentRecord {
  return {
    ...{ agentId, pin: undefined, changes: [], others: [] },
    ...{ marks: undefined, rollback: undefined, lastSeenMs: nowMs },
  };
}
