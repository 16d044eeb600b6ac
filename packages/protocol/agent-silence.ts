/** Silence on channels: when one counts as stalled (U13), when its blocks count as in doubt (U14), when to look again. */
import type { Channel } from './agent-state.ts';

export interface SilenceTimes {
  readonly stallTimeoutMs: number;
  readonly inDoubtTimeoutMs: number;
}

/** Whether blocks in flight have waited this long without any answer on the channel. */
export function isSilent(channel: Channel, timeoutMs: number, nowMs: number): boolean {
  return channel.inFlight.size > 0 && nowMs >= channel.progressAtMs + timeoutMs;
}

/** When the passing of time alone changes a channel next: it expires, stalls, is given up, or its pause is over. */
export function channelsDueMs(
  order: readonly Channel[],
  ending: ReadonlySet<Channel>,
  times: SilenceTimes,
  nowMs: number,
): number {
  let dueMs = Number.POSITIVE_INFINITY;
  for (const channel of order) {
    dueMs = Math.min(dueMs, channel.grant.expiresAtMs);
    if (channel.inFlight.size > 0) {
      const timeoutMs = channel.stalled ? times.inDoubtTimeoutMs : times.stallTimeoutMs;
      dueMs = Math.min(dueMs, channel.progressAtMs + timeoutMs);
    }
    if (channel.pausedUntilMs > nowMs) dueMs = Math.min(dueMs, channel.pausedUntilMs);
  }
  for (const channel of ending) {
    if (channel.inFlight.size > 0) dueMs = Math.min(dueMs, channel.progressAtMs + times.inDoubtTimeoutMs);
  }
  return dueMs;
}
