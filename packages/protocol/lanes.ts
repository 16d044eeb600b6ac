/**
 * The server's lanes: how large a grant is and how it is cut into channels (U8, U11, U17).
 *
 * Invariants: pure; every channel has room for one full block; the reserve for urgent blocks never takes that room.
 */
import { channelNumber } from './brand.ts';
import { SluiceError } from './error.ts';
import {
  HEADROOM_BYTES,
  LANE_QUOTA_BYTES,
  LEAST_URGENT_RESERVE_BYTES,
  MAX_URGENT_RESERVE_BYTES,
  URGENT_RESERVE_FRACTION,
} from './limits.ts';
import type { ClassBacklog, GrantedChannel, PriorityViolationNotice } from './model.ts';
import { MAX_BLOCK_RAW_BYTES, MAX_CHANNELS_PER_GRANT, MAX_PRIORITY } from './model.ts';

/** One lane as configured: its priority, and the most quota of one channel of it. */
export interface Lane {
  readonly priority: number;
  readonly quotaBytes: number;
}

/** Two lanes: a second one lets what is not urgent pass by the reserve of the first. */
export const DEFAULT_LANES: readonly Lane[] = [
  { priority: 1, quotaBytes: LANE_QUOTA_BYTES },
  { priority: 2, quotaBytes: LANE_QUOTA_BYTES },
];

/**
 * The lanes, highest first.
 * @throws SluiceError config_invalid: none or too many, a priority that is none or occurs twice, too little quota.
 */
export function checkLanes(lanes: readonly Lane[]): readonly Lane[] {
  const priorities = new Set(lanes.map(({ priority }) => priority));
  if (lanes.length === 0 || lanes.length > MAX_CHANNELS_PER_GRANT || priorities.size !== lanes.length) {
    throw new SluiceError(
      'config_invalid',
      `channels: ${lanes.length} lanes, of ${priorities.size} priorities`,
      {
        hint: `Configure 1 to ${MAX_CHANNELS_PER_GRANT} channels, each with a priority of its own.`,
      },
    );
  }
  for (const { priority, quotaBytes } of lanes) {
    if (!Number.isSafeInteger(priority) || priority < 1 || priority > MAX_PRIORITY) {
      throw new SluiceError('config_invalid', `channels: ${priority} is not a priority`, {
        hint: `Use whole numbers from 1 (highest) to ${MAX_PRIORITY}.`,
      });
    }
    if (!Number.isSafeInteger(quotaBytes) || quotaBytes < MAX_BLOCK_RAW_BYTES) {
      throw new SluiceError(
        'config_invalid',
        `channels: a quota of ${quotaBytes} bytes holds no full block`,
        {
          hint: `Use at least ${MAX_BLOCK_RAW_BYTES} bytes.`,
        },
      );
    }
  }
  return [...lanes].sort((a, b) => a.priority - b.priority);
}

/** What would be of use to an agent: its backlog and some headroom, within the lanes, less what it already holds. */
export function wantedBytes(
  lanes: readonly Lane[],
  backlog: readonly ClassBacklog[],
  heldBytes: number,
): number {
  const mostBytes = lanes.reduce((sum, { quotaBytes }) => sum + quotaBytes, 0);
  const waitingBytes = backlog.reduce((sum, { rawBytes }) => sum + rawBytes, 0);
  const spareBytes = (lanes[0]?.quotaBytes ?? 0) - MAX_BLOCK_RAW_BYTES;
  const leastBytes = lanes.length * MAX_BLOCK_RAW_BYTES + Math.min(spareBytes, LEAST_URGENT_RESERVE_BYTES);
  const usefulBytes = Math.max(leastBytes, Math.min(mostBytes, waitingBytes + HEADROOM_BYTES));
  return Math.max(leastBytes, usefulBytes - heldBytes);
}

/** Cuts `totalBytes` (at least one full block) into channels: one full block for each lane, highest first, then the rest. */
export function cutChannels(lanes: readonly Lane[], totalBytes: number, shift: number): GrantedChannel[] {
  const count = Math.min(lanes.length, Math.floor(totalBytes / MAX_BLOCK_RAW_BYTES));
  let restBytes = totalBytes - count * MAX_BLOCK_RAW_BYTES;
  return lanes.slice(0, count).map((lane, index) => {
    const moreBytes = Math.min(restBytes, lane.quotaBytes - MAX_BLOCK_RAW_BYTES);
    restBytes -= moreBytes;
    const quotaBytes = MAX_BLOCK_RAW_BYTES + moreBytes;
    return {
      channel: channelNumber(index + 1),
      priority: Math.min(lane.priority + shift, MAX_PRIORITY),
      quotaBytes,
      reservedForUrgentBytes: index === 0 ? reserveBytes(quotaBytes) : 0,
    };
  });
}

function reserveBytes(quotaBytes: number): number {
  const wanted = Math.min(Math.floor(quotaBytes * URGENT_RESERVE_FRACTION), MAX_URGENT_RESERVE_BYTES);
  return Math.min(wanted, quotaBytes - MAX_BLOCK_RAW_BYTES);
}

/** How far the lanes move down so that the highest is below all priorities that the notice names (U11). */
export function yieldShift(lanes: readonly Lane[], notice: PriorityViolationNotice): number {
  const highest = lanes[0]?.priority ?? 1;
  let lowestNamed = 0;
  for (const { heldPriorities } of notice.outrankedBy) lowestNamed = Math.max(lowestNamed, ...heldPriorities);
  return Math.max(0, lowestNamed + 1 - highest);
}
