/**
 * The server's lanes: how large a grant is and how it is cut into channels (U8, U11, U17).
 *
 * Invariants: pure; the highest channel has room for the first block that waits; the reserve for urgent blocks never takes that room,
 * nor that of a full block where there is one.
 */

import { SluiceError } from '@sluice/base/error';
import { channelNumber } from './brand.ts';
import {
  HEADROOM_BYTES,
  IDLE_QUOTA_BYTES,
  IDLE_ROOM_FRACTION,
  LANE_QUOTA_BYTES,
  LEAST_IDLE_QUOTA_BYTES,
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

/** Quota for an agent that has nothing waiting: little, and less when very many are connected. */
export function idleBytes(usableBytes: number, agentCount: number): number {
  const share = Math.floor((usableBytes * IDLE_ROOM_FRACTION) / Math.max(1, agentCount));
  return Math.max(LEAST_IDLE_QUOTA_BYTES, Math.min(IDLE_QUOTA_BYTES, share));
}

/** What waits, in raw bytes. */
export function waitingBytes(backlog: readonly ClassBacklog[]): number {
  return backlog.reduce((sum, { rawBytes }) => sum + rawBytes, 0);
}

/**
 * The block that is next: less on one channel could be useless, for blocks are not split, and more may lie idle until
 * the grant ends. When the agent does not say, the largest that may be first in its class.
 */
export function firstBlockBytes(backlog: readonly ClassBacklog[]): number {
  const named = backlog.find(({ nextBlockRawBytes = 0 }) => nextBlockRawBytes > 0)?.nextBlockRawBytes;
  const largest = backlog.reduce((most, { rawBytes }) => Math.max(most, rawBytes), 0);
  return Math.min(MAX_BLOCK_RAW_BYTES, named ?? largest);
}

/**
 * What would be of use to an agent: its backlog and some headroom, within the lanes, less what it already holds.
 *
 * @param shareBytes an equal part of what there is, for each agent that is connected: headroom stays within it, for what one
 * agent never uses is kept from the others until its grant ends.
 */
export function wantedBytes(
  lanes: readonly Lane[],
  backlog: readonly ClassBacklog[],
  heldBytes: number,
  idleQuotaBytes: number,
  shareBytes: number = HEADROOM_BYTES,
): number {
  const mostBytes = lanes.reduce((sum, { quotaBytes }) => sum + quotaBytes, 0);
  const waiting = waitingBytes(backlog);
  if (waiting === 0) return idleQuotaBytes;
  const headroomBytes = Math.min(HEADROOM_BYTES, Math.max(idleQuotaBytes, Math.min(waiting, shareBytes)));
  const usefulBytes = Math.min(mostBytes, waiting + headroomBytes);
  const leastBytes = Math.min(usefulBytes, firstBlockBytes(backlog) + idleQuotaBytes);
  return Math.max(leastBytes, usefulBytes - heldBytes);
}

/**
 * Cuts `totalBytes` into channels. With room for a full block on each lane: one each, highest first, then the rest.
 * With less: the first block that waits fits the highest lane, the others get a small part of what is left.
 *
 * @param needBytes what must fit the highest lane, its reserve left out; at most `totalBytes` and a full block.
 */
export function cutChannels(
  lanes: readonly Lane[],
  totalBytes: number,
  shift: number,
  needBytes: number = MAX_BLOCK_RAW_BYTES,
): GrantedChannel[] {
  const isSmall = totalBytes < lanes.length * MAX_BLOCK_RAW_BYTES;
  const spareBytes = Math.max(0, totalBytes - needBytes);
  const partBytes = isSmall
    ? Math.min(Math.floor(spareBytes / lanes.length), IDLE_QUOTA_BYTES)
    : MAX_BLOCK_RAW_BYTES;
  let restBytes = totalBytes - partBytes * lanes.length;
  const cut = lanes.map((lane, index) => {
    const moreBytes = Math.min(restBytes, lane.quotaBytes - partBytes);
    restBytes -= moreBytes;
    const quotaBytes = partBytes + moreBytes;
    return {
      channel: channelNumber(index + 1),
      priority: Math.min(lane.priority + shift, MAX_PRIORITY),
      quotaBytes,
      reservedForUrgentBytes: index === 0 ? reserveBytes(quotaBytes, needBytes) : 0,
    };
  });
  return cut.filter(({ quotaBytes }) => quotaBytes > 0);
}

function reserveBytes(quotaBytes: number, needBytes: number): number {
  const wanted = Math.min(Math.floor(quotaBytes * URGENT_RESERVE_FRACTION), MAX_URGENT_RESERVE_BYTES);
  const keptBytes = quotaBytes >= MAX_BLOCK_RAW_BYTES ? MAX_BLOCK_RAW_BYTES : needBytes;
  return Math.max(0, Math.min(wanted, quotaBytes - keptBytes));
}

/** How far the lanes move down so that the highest is below all priorities that the notice names (U11). */
export function yieldShift(lanes: readonly Lane[], notice: PriorityViolationNotice): number {
  const highest = lanes[0]?.priority ?? 1;
  let lowestNamed = 0;
  for (const { heldPriorities } of notice.outrankedBy) lowestNamed = Math.max(lowestNamed, ...heldPriorities);
  return Math.max(0, lowestNamed + 1 - highest);
}
