/**
 * The fields that messages of a peer are made of: ids, numbers, texts, classes.
 *
 * Invariants: whatever a `read...` function returns is within the protocol's limits (id lengths, safe integers, known
 * enums, counts); everything else throws SluiceError('protocol_violation') that names the field. Nothing here keeps state.
 */
import { SluiceError } from '@sluice/base/error';
import type { AgentId, ChannelNumber, GrantId, ServerId, UrgencyClass } from '@sluice/protocol/model';
import { MAX_CHANNELS_PER_GRANT, MAX_ID_BYTES, URGENCY_CLASSES, urgencyRank } from '@sluice/protocol/model';
import type { UrgencyClass as WireUrgency } from '@sluice/wire/gen/uplink_pb';

/** Longest free text from a peer that is kept (reasons, versions, host names), in UTF-16 units; the rest is cut. */
const MAX_TEXT_LENGTH = 1024;

const encoder = new TextEncoder();

/** Throws SluiceError('protocol_violation'): what was wrong with which field. */
export function violation(field: string, problem: string): never {
  throw new SluiceError('protocol_violation', `${field}: ${problem}`, {
    hint: 'The peer does not speak this protocol as described in packages/protocol/SPEC.md; compare versions.',
  });
}

/** A checked id: 1..MAX_ID_BYTES bytes without control characters (ids go into logs and metric labels). */
export function readId(field: string, value: string): string {
  if (value.length === 0) violation(field, 'is empty');
  if (value.length > MAX_ID_BYTES || encoder.encode(value).length > MAX_ID_BYTES) {
    violation(field, `is longer than ${MAX_ID_BYTES} bytes`);
  }
  for (let index = 0; index < value.length; index += 1) {
    const unit = value.charCodeAt(index);
    if (unit < 0x20 || unit === 0x7f) violation(field, 'contains a control character');
  }
  return value;
}

/** A uint64 of the wire as a number. */
export function readSafe(
  field: string,
  value: bigint,
  least: number,
  most: number = Number.MAX_SAFE_INTEGER,
): number {
  if (value < BigInt(least) || value > BigInt(most)) {
    violation(field, `${value} is outside ${least}..${most}`);
  }
  return Number(value);
}

/** A number of the wire, checked to be whole and within bounds. */
export function readInteger(field: string, value: number, least: number, most: number): number {
  if (!Number.isInteger(value) || value < least || value > most) {
    violation(field, `${value} is outside ${least}..${most}`);
  }
  return value;
}

/** Checks how many entries a list has. */
export function readCount(field: string, count: number, most: number): void {
  if (count > most) violation(field, `${count} entries, at most ${most} are allowed`);
}

// The casts below are where the brands of protocol/model.ts are made: right after the check that earns them.

/** A checked server id. Throws protocol_violation. */
export function readServerId(value: string, field = 'server_id'): ServerId {
  return readId(field, value) as ServerId;
}

/** A checked agent id. Throws protocol_violation. */
export function readAgentId(value: string, field = 'agent_id'): AgentId {
  return readId(field, value) as AgentId;
}

/** A checked grant id. Throws protocol_violation. */
export function readGrantId(value: string, field = 'grant_id'): GrantId {
  return readId(field, value) as GrantId;
}

/** A checked channel number, 1..MAX_CHANNELS_PER_GRANT. Throws protocol_violation. */
export function readChannelNumber(value: number, field = 'channel'): ChannelNumber {
  return readInteger(field, value, 1, MAX_CHANNELS_PER_GRANT) as ChannelNumber;
}

/** A checked epoch. Throws protocol_violation. */
export function readEpoch(value: bigint, field = 'epoch'): number {
  return readSafe(field, value, 0);
}

/** A checked `settled_below_sequence`; 0 says nothing. Throws protocol_violation. */
export function readSettledBelow(value: bigint): number {
  return readSafe('settled_below_sequence', value, 0);
}

/** A checked mark of a queue, a count or a sequence; 0 says nothing. Throws protocol_violation. */
export function readMark(value: bigint, field: string): number {
  return readSafe(field, value, 0);
}

/** Free text of a peer, cut to {@link MAX_TEXT_LENGTH}. */
export function readText(value: string): string {
  return value.length > MAX_TEXT_LENGTH ? value.slice(0, MAX_TEXT_LENGTH) : value;
}

/** Class -> its number on the wire. */
export function writeUrgency(urgency: UrgencyClass): WireUrgency {
  return urgencyRank(urgency) + 1;
}

/** Number on the wire -> class. Throws protocol_violation for an unknown one. */
export function readUrgency(value: WireUrgency, field = 'urgency'): UrgencyClass {
  const urgency = URGENCY_CLASSES[value - 1];
  if (urgency === undefined) violation(field, `unknown urgency class ${value}`);
  return urgency;
}
