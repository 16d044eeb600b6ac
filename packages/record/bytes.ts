/**
 * Reading numbers and words out of bytes, without making strings.
 *
 * Invariant: offsets outside of the buffer read as 0, which is no digit and no letter; a caller bounds what belongs to
 * the line itself.
 */

export const TAB = 0x09;
export const SPACE = 0x20;
export const HYPHEN = 0x2d;
export const COLON = 0x3a;
export const LEFT_BRACKET = 0x5b;
export const RIGHT_BRACKET = 0x5d;

export function byteAt(buffer: Uint8Array, at: number): number {
  return buffer[at] ?? 0;
}

export function isDigit(byte: number): boolean {
  return byte >= 0x30 && byte <= 0x39;
}

export function isLetter(byte: number): boolean {
  const lower = byte | 0x20;
  return lower >= 0x61 && lower <= 0x7a;
}

/** Two digits as a number, or -1. */
export function twoDigits(buffer: Uint8Array, at: number): number {
  const tens = byteAt(buffer, at) - 0x30;
  const ones = byteAt(buffer, at + 1) - 0x30;
  return tens >= 0 && tens <= 9 && ones >= 0 && ones <= 9 ? tens * 10 + ones : -1;
}

/** Four digits as a number, or -1. */
export function fourDigits(buffer: Uint8Array, at: number): number {
  const high = twoDigits(buffer, at);
  const low = twoDigits(buffer, at + 2);
  return high < 0 || low < 0 ? -1 : high * 100 + low;
}

/** The offset behind the digits that begin at `at`. */
export function skipDigits(buffer: Uint8Array, at: number, end: number): number {
  let next = at;
  while (next < end && isDigit(byteAt(buffer, next))) next += 1;
  return next;
}

export function skipSpaces(buffer: Uint8Array, at: number, end: number): number {
  let next = at;
  while (next < end && byteAt(buffer, next) === SPACE) next += 1;
  return next;
}

/** Words that are kept at most by an interner: services, hosts and levels are few; what is not is no such word. */
const MAX_INTERNED = 4096;
/** Longer words are made anew each time. */
const MAX_INTERNED_BYTES = 64;

/** Gives the same string for the same bytes without making it again. */
export class Interner {
  readonly #slots: (Interned | undefined)[] = Array.from({ length: 2 * MAX_INTERNED });
  #count = 0;

  text(buffer: Buffer, start: number, end: number): string {
    if (end - start > MAX_INTERNED_BYTES) return buffer.toString('utf8', start, end);
    let hash = end - start;
    for (let at = start; at < end; at += 1) hash = (Math.imul(hash, 31) + byteAt(buffer, at)) | 0;
    const slots = this.#slots;
    let slot = (hash ^ (hash >>> 13)) & (2 * MAX_INTERNED - 1);
    for (;;) {
      const known = slots[slot];
      if (known === undefined) break;
      if (known.hash === hash && same(known.bytes, buffer, start, end)) return known.text;
      slot = (slot + 1) & (2 * MAX_INTERNED - 1);
    }
    const text = buffer.toString('utf8', start, end);
    if (this.#count < MAX_INTERNED) {
      this.#count += 1;
      slots[slot] = { hash, bytes: Buffer.from(buffer.subarray(start, end)), text };
    }
    return text;
  }
}

interface Interned {
  readonly hash: number;
  readonly bytes: Buffer;
  readonly text: string;
}

function same(bytes: Buffer, buffer: Buffer, start: number, end: number): boolean {
  if (bytes.length !== end - start) return false;
  for (let at = 0; at < bytes.length; at += 1) {
    if (bytes[at] !== buffer[start + at]) return false;
  }
  return true;
}
