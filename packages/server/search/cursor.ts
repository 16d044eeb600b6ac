/**
 * The place of a record in the order of a search, as an opaque word. Invariant: the order is total, so a page that
 * begins behind a cursor repeats and misses nothing, whatever arrives in between.
 */
import { Buffer } from 'node:buffer';
import { SluiceError } from '@sluice/base/error';
import { sqlString } from '@sluice/query/sql-text';
import { z } from 'zod';
import { momentSql } from './time-range.ts';

/**
 * The order of every search: newest first. Records of one time stand as in their file, the last line first: their agent read
 * them in that order, and those that it read at one moment are told apart by where they begin. The moment comes before the
 * place, because a file that was rotated begins at 0 again. The rest makes the order total; blocks from before there were
 * places have nothing else.
 */
export const SEARCH_ORDER: string =
  'Timestamp DESC, AgentId DESC, ObservedTimestamp DESC, RecordOffset DESC, ' +
  'BlockEpoch DESC, BlockSequence DESC, RecordNumber DESC, BlockDigest DESC';

/** Longest cursor that is looked at: an agent's name has 128 bytes at most. */
const MAX_CURSOR_LENGTH = 1024;

export interface Place {
  readonly timestampNanos: bigint;
  readonly agentId: string;
  readonly observedNanos: bigint;
  /** Where the record begins in its source, in bytes. */
  readonly offsetBytes: bigint;
  readonly epoch: bigint;
  readonly sequence: bigint;
  readonly record: number;
  /** Tells records of one id apart, which two blocks in conflict have; empty of blocks from before there were digests. */
  readonly digest: string;
}

const DIGITS = z.string().regex(/^\d{1,19}$/);
const NANOS = z.string().regex(/^-?\d{1,18}$|^\d{19}$/);
const CURSOR = z.tuple([
  NANOS,
  z.string(),
  NANOS,
  DIGITS,
  DIGITS,
  DIGITS,
  z.number().int().nonnegative(),
  z.string(),
]);

export function writeCursor(place: Place): string {
  const { timestampNanos, agentId, observedNanos, offsetBytes, epoch, sequence, record, digest } = place;
  const moment = [`${timestampNanos}`, agentId, `${observedNanos}`, `${offsetBytes}`];
  return Buffer.from(JSON.stringify([...moment, `${epoch}`, `${sequence}`, record, digest])).toString(
    'base64url',
  );
}

/** @throws SluiceError `query_invalid` for anything that no search gave out */
export function readCursor(cursor: string): Place {
  try {
    if (cursor.length > MAX_CURSOR_LENGTH) throw new Error('it is too long');
    const [timestamp, agentId, observed, offset, epoch, sequence, record, digest] = CURSOR.parse(
      JSON.parse(Buffer.from(cursor, 'base64url').toString()),
    );
    return {
      timestampNanos: BigInt(timestamp),
      agentId,
      observedNanos: BigInt(observed),
      offsetBytes: BigInt(offset),
      epoch: BigInt(epoch),
      sequence: BigInt(sequence),
      record,
      digest,
    };
  } catch (error) {
    throw new SluiceError('query_invalid', 'the cursor is not one that a search of this version gave out', {
      cause: error,
      hint: 'Start again without a cursor.',
    });
  }
}

/** SQL condition: behind the place in {@link SEARCH_ORDER}. */
export function behindSql(place: Place): string {
  const at = momentSql(place.timestampNanos);
  return (
    `Timestamp <= ${at} AND (Timestamp < ${at} OR ` +
    '(toString(AgentId), ObservedTimestamp, RecordOffset, BlockEpoch, BlockSequence, RecordNumber, toString(BlockDigest)) < ' +
    `(${sqlString(place.agentId)}, ${momentSql(place.observedNanos)}, ${place.offsetBytes}, ` +
    `${place.epoch}, ${place.sequence}, ${place.record}, ${sqlString(place.digest)}))`
  );
}
