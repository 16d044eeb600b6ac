/**
 * How large a grant is, and how the server allocates it to channels (M4, M5, U8, U17).
 *
 * Invariants: pure; the highest channel has room for the first block that waits; the reserve for urgent blocks never takes
 * that room, nor that of a full block where there is one.
 */

import { SluiceError } from '@sluice/base/error';
import { channelNumber } from './brand.ts';
import {
  CHANNEL_QUOTA_BYTES,
  HEADROOM_BYTES,
  IDLE_QUOTA_BYTES,
  IDLE_ROOM_FRACTION,
  LEAST_IDLE_QUOTA_BYTES,
  MAX_URGENT_RESERVE_BYTES,
  URGENT_RESERVE_FRACTION,
} from './limits.ts';
import type { ClassBacklog, GrantedChannel } from './model.ts';
import { MAX_BLOCK_RAW_BYTES, MAX_CHANNELS_PER_GRANT, MAX_PRIORITY } from './model.ts';

/** One channel of each grant, as configured. */
export interface ConfiguredChannel {
  /** Before the server's rank is added (ranking.ts). */
  readonly priority: number;
  /** The most that one grant gives of it, in raw bytes. */
  readonly quotaBytes: number;
}

/** Two channels: the second one lets what is not urgent pass by the reserve of the first. */
export const DEFAULT_CHANNELS: readonly ConfiguredChannel[] = [
  { priority: 1, quotaBytes: CHANNEL_QUOTA_BYTES },
  { priority: 2, quotaBytes: CHANNEL_QUOTA_BYTES },
];

/**
 * The configured channels, highest first.
 * @throws SluiceError config_invalid: none or too many, a priority that is none or occurs twice, too little quota.
 */
export function checkChannels(channels: readonly ConfiguredChannel[]): readonly ConfiguredChannel[] {
  const priorities = new Set(channels.map(({ priority }) => priority));
  if (
    channels.length === 0 ||
    channels.length > MAX_CHANNELS_PER_GRANT ||
    priorities.size !== channels.length
  ) {
    throw new SluiceError(
      'config_invalid',
      `channels: ${channels.length} channels of ${priorities.size} different priorities`,
      {
        hint: `Configure 1 to ${MAX_CHANNELS_PER_GRANT} channels, each with a priority of its own.`,
      },
    );
  }
  for (const { priority, quotaBytes } of channels) {
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
  return [...channels].sort((a, b) => a.priority - b.priority);
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
 * What would be of use to an agent: its backlog and some headroom, within the configured channels, less what it holds; but a
 * block on each channel.
 *
 * @param shareBytes an equal part of what there is, for each agent that is connected: headroom stays within it, for what one
 * agent never uses is kept from the others until its grant ends.
 */
export function wantedBytes(
  channels: readonly ConfiguredChannel[],
  backlog: readonly ClassBacklog[],
  heldBytes: number,
  idleQuotaBytes: number,
  shareBytes: number = HEADROOM_BYTES,
): number {
  const mostBytes = channels.reduce((sum, { quotaBytes }) => sum + quotaBytes, 0);
  const waiting = waitingBytes(backlog);
  if (waiting === 0) return idleQuotaBytes;
  // A block on each lower channel, so that it is there when the higher ones are used up (U24).
  const lanesBytes = (channels.length - 1) * laneBlockBytes(backlog);
  const spareBytes = Math.min(Math.max(waiting, lanesBytes), shareBytes);
  const headroomBytes = Math.min(Math.max(HEADROOM_BYTES, lanesBytes), Math.max(idleQuotaBytes, spareBytes));
  const usefulBytes = Math.min(mostBytes, waiting + headroomBytes);
  const leastBytes = Math.min(usefulBytes, firstBlockBytes(backlog) + Math.max(idleQuotaBytes, lanesBytes));
  return Math.max(leastBytes, usefulBytes - heldBytes);
}

/**
 * What a lower channel must hold to be of use: the largest of the blocks that are next, for any class may come to it (U24). When
 * the agent does not say, a full block.
 */
export function laneBlockBytes(backlog: readonly ClassBacklog[]): number {
  let largest = 0;
  for (const { rawBytes, nextBlockRawBytes } of backlog) {
    largest = Math.max(largest, nextBlockRawBytes ?? Math.min(rawBytes, MAX_BLOCK_RAW_BYTES));
  }
  return Math.min(largest, MAX_BLOCK_RAW_BYTES);
}

/** What must fit the channels of a grant, in raw bytes. 0 for an agent with nothing waiting: then no block is next. */
export interface BlocksToFit {
  /** On the highest channel, its reserve left out; at most the whole of the grant, and a full block. */
  readonly firstBytes: number;
  /** On each other one, or it is left out. */
  readonly laneBytes: number;
}

/**
 * Allocates `totalBytes` to the configured channels. With room for a full block on each: one block each, then the rest, highest
 * first. With less: as many channels as can hold what must fit them, and what is left is the highest one's.
 *
 * @param shift what is added to all priorities (ranking.ts)
 * @returns the channels of the grant, highest first; those that could carry nothing are left out
 */
export function allocateChannels(
  configured: readonly ConfiguredChannel[],
  totalBytes: number,
  shift: number,
  fit: BlocksToFit,
): GrantedChannel[] {
  const laneBytes = laneShare(configured.length, totalBytes, fit);
  const laneCount = laneBytes === 0 ? 0 : Math.floor((totalBytes - fit.firstBytes) / laneBytes);
  const granted = configured.slice(0, 1 + Math.max(0, laneCount));
  let restBytes = totalBytes - laneBytes * (granted.length - 1);
  return granted.map((channel, index) => {
    const leastBytes = index === 0 ? 0 : laneBytes;
    const moreBytes = Math.min(restBytes, channel.quotaBytes - leastBytes);
    restBytes -= moreBytes;
    const quotaBytes = leastBytes + moreBytes;
    return {
      channel: channelNumber(index + 1),
      priority: Math.min(channel.priority + shift, MAX_PRIORITY),
      quotaBytes,
      reservedForUrgentBytes: index === 0 ? reserveBytes(quotaBytes, fit.firstBytes) : 0,
    };
  });
}

/** What each channel but the highest gets before the rest is given out. */
function laneShare(channelCount: number, totalBytes: number, { firstBytes, laneBytes }: BlocksToFit): number {
  if (totalBytes >= channelCount * MAX_BLOCK_RAW_BYTES) return MAX_BLOCK_RAW_BYTES;
  const isIdle = firstBytes === 0;
  return isIdle ? Math.min(Math.floor(totalBytes / channelCount), IDLE_QUOTA_BYTES) : laneBytes;
}

function reserveBytes(quotaBytes: number, needBytes: number): number {
  const wanted = Math.min(Math.floor(quotaBytes * URGENT_RESERVE_FRACTION), MAX_URGENT_RESERVE_BYTES);
  const keptBytes = quotaBytes >= MAX_BLOCK_RAW_BYTES ? MAX_BLOCK_RAW_BYTES : needBytes;
  return Math.max(0, Math.min(wanted, quotaBytes - keptBytes));
}
