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
 * What would be of use to an agent: its backlog and some headroom, within the configured channels, less what it holds.
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
  const headroomBytes = Math.min(HEADROOM_BYTES, Math.max(idleQuotaBytes, Math.min(waiting, shareBytes)));
  const usefulBytes = Math.min(mostBytes, waiting + headroomBytes);
  const leastBytes = Math.min(usefulBytes, firstBlockBytes(backlog) + idleQuotaBytes);
  return Math.max(leastBytes, usefulBytes - heldBytes);
}

/**
 * Allocates `totalBytes` to the configured channels. With room for a full block on each: one block each, then the rest,
 * highest first. With less: the first block that waits fits the highest channel, the others get a small part of what is left.
 *
 * @param shift what is added to all priorities (ranking.ts)
 * @param needBytes what must fit the highest channel, its reserve left out; at most `totalBytes` and a full block.
 * @returns the channels of the grant, highest first; those that get nothing are left out
 */
export function allocateChannels(
  configured: readonly ConfiguredChannel[],
  totalBytes: number,
  shift: number,
  needBytes: number = MAX_BLOCK_RAW_BYTES,
): GrantedChannel[] {
  const isSmall = totalBytes < configured.length * MAX_BLOCK_RAW_BYTES;
  const spareBytes = Math.max(0, totalBytes - needBytes);
  const partBytes = isSmall
    ? Math.min(Math.floor(spareBytes / configured.length), IDLE_QUOTA_BYTES)
    : MAX_BLOCK_RAW_BYTES;
  let restBytes = totalBytes - partBytes * configured.length;
  const allocated = configured.map((channel, index) => {
    const moreBytes = Math.min(restBytes, channel.quotaBytes - partBytes);
    restBytes -= moreBytes;
    const quotaBytes = partBytes + moreBytes;
    return {
      channel: channelNumber(index + 1),
      priority: Math.min(channel.priority + shift, MAX_PRIORITY),
      quotaBytes,
      reservedForUrgentBytes: index === 0 ? reserveBytes(quotaBytes, needBytes) : 0,
    };
  });
  return allocated.filter(({ quotaBytes }) => quotaBytes > 0);
}

function reserveBytes(quotaBytes: number, needBytes: number): number {
  const wanted = Math.min(Math.floor(quotaBytes * URGENT_RESERVE_FRACTION), MAX_URGENT_RESERVE_BYTES);
  const keptBytes = quotaBytes >= MAX_BLOCK_RAW_BYTES ? MAX_BLOCK_RAW_BYTES : needBytes;
  return Math.max(0, Math.min(wanted, quotaBytes - keptBytes));
}
