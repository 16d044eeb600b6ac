/**
 * Makes the branded numbers and names that the machines themselves produce.
 *
 * Invariants of this module: pure; the only place of the machines where a brand is put on.
 */
import type { BlockDigest, ChannelNumber, GrantId, RequestId, TimeMs } from './model.ts';

/** A point in time computed from an event's time, in ms since 1970. */
export function timeMs(value: number): TimeMs {
  return value as TimeMs; // A brand has no other way on.
}

/** A request's number, from 1. */
export function requestId(value: number): RequestId {
  return value as RequestId; // A brand has no other way on.
}

/** A grant's name. */
export function grantId(value: string): GrantId {
  return value as GrantId; // A brand has no other way on.
}

/** A digest of content that is not bytes: of simulated blocks. */
export function contentDigest(value: string): BlockDigest {
  return value as BlockDigest; // A brand has no other way on.
}

/** A channel's number within its grant, from 1. */
export function channelNumber(value: number): ChannelNumber {
  return value as ChannelNumber; // A brand has no other way on.
}
