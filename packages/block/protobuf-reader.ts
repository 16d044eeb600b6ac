/**
 * Walks over bytes of protobuf (https://protobuf.dev/programming-guides/encoding) field by field, without an object for a
 * message or a field: the callers are handed ranges and numbers. For bytes that somebody else wrote.
 *
 * Invariants: nothing is read outside of the message that is open, whatever the lengths say; nothing is recursive here, and
 * the time is linear in the bytes.
 */
import { isUtf8 } from 'node:buffer';

/** How the value of a field lies in the bytes. */
export const VARINT = 0;
export const FIXED64 = 1;
export const LENGTH_DELIMITED = 2;
export const FIXED32 = 5;

const TWO_TO_32 = 0x1_0000_0000;
/** Of field numbers, by the language. */
const MAX_FIELD_NUMBER: number = 2 ** 29 - 1;
/** Longer strings are checked by the runtime: below, the call costs more than looking at each byte. */
const SHORT_STRING_BYTES = 64;

/** What is wrong with the bytes, and where; for people. */
export class ProtobufFault extends Error {
  override readonly name = 'ProtobufFault';
}

export class ProtobufReader {
  readonly bytes: Buffer;
  /** Where the next byte is read. */
  at = 0;
  /** Where the open message ends. */
  end: number;
  /** Of the field that was read last: its number and how its value lies. */
  field = 0;
  wireType = 0;
  /** The value of the varint or fixed number that was read last, in halves of 32 bits, each 0..2^32-1. */
  low = 0;
  high = 0;
  /** Where the value of the length-delimited field that was read last lies. */
  start = 0;
  stop = 0;

  constructor(bytes: Buffer) {
    this.bytes = bytes;
    this.end = bytes.length;
  }

  /** Opens the message in a range of the bytes; the caller keeps `at` and `end` of the outer one. */
  open(start: number, stop: number): void {
    this.at = start;
    this.end = stop;
  }

  /**
   * Reads the next field of the open message and its value: into `low` and `high`, or `start` and `stop`.
   *
   * @returns false at the end of the message
   * @throws ProtobufFault
   */
  next(): boolean {
    if (this.at === this.end) return false;
    this.#varint();
    const tag = this.low;
    this.field = tag >>> 3;
    this.wireType = tag & 7;
    if (this.high !== 0 || this.field === 0 || this.field > MAX_FIELD_NUMBER)
      throw this.fault('a field of an impossible number');
    switch (this.wireType) {
      case VARINT:
        this.#varint();
        return true;
      case FIXED64:
        this.#fixed(8);
        return true;
      case FIXED32:
        this.#fixed(4);
        return true;
      case LENGTH_DELIMITED:
        this.#delimited();
        return true;
      default:
        throw this.fault(
          `field ${this.field} has the wire type ${this.wireType}, which the encoding has not`,
        );
    }
  }

  /** @throws ProtobufFault when the field that was read last does not lie as its definition says */
  expect(wireType: number): void {
    if (this.wireType !== wireType)
      throw this.fault(`field ${this.field} has the wire type ${this.wireType}, not ${wireType}`);
  }

  /** The value read last as a number up to `most`, which is at most 2^53 - 1. @throws ProtobufFault */
  number(wireType: number, most: number): number {
    this.expect(wireType);
    const value = this.high * TWO_TO_32 + this.low;
    if (value > most) throw this.fault(`${this.unsigned()} is above ${most}`);
    return value;
  }

  /** The value read last, exactly. */
  unsigned(): bigint {
    return (BigInt(this.high) << 32n) | BigInt(this.low);
  }

  /** @throws ProtobufFault when the bytes in the range are no UTF-8 */
  checkUtf8(start: number, stop: number): void {
    const { bytes } = this;
    if (stop - start < SHORT_STRING_BYTES) {
      let at = start;
      while (at < stop && (bytes[at] ?? 0) < 0x80) at += 1;
      if (at === stop) return;
    }
    if (!isUtf8(bytes.subarray(start, stop))) throw this.fault('a string that is not UTF-8');
  }

  /** The value read last as a string. @throws ProtobufFault */
  string(): string {
    const { bytes, start, stop } = this;
    this.expect(LENGTH_DELIMITED);
    this.checkUtf8(start, stop);
    return bytes.toString('utf8', start, stop);
  }

  fault(reason: string): ProtobufFault {
    return new ProtobufFault(`at byte ${this.at}: ${reason}`);
  }

  /** At most ten bytes, the last of which has one bit; more bits than 64 are an error, as in all decoders. */
  #varint(): void {
    const { bytes } = this;
    let low = 0;
    let high = 0;
    for (let shift = 0; shift < 70; shift += 7) {
      if (this.at === this.end) throw this.fault('a number that is cut off');
      const byte = bytes[this.at] ?? 0;
      this.at += 1;
      const bits = byte & 0x7f;
      if (shift < 28) low += bits * 2 ** shift;
      else if (shift === 28) {
        low += (bits & 0x0f) * 2 ** 28;
        high = bits >>> 4;
      } else high += bits * 2 ** (shift - 32);
      if (byte < 0x80) {
        if (high >= TWO_TO_32) break;
        this.low = low;
        this.high = high;
        return;
      }
    }
    throw this.fault('a number of more than 64 bits');
  }

  #fixed(width: 4 | 8): void {
    if (width > this.end - this.at) throw this.fault(`a number of ${width} bytes that is cut off`);
    this.low = this.bytes.readUInt32LE(this.at);
    this.high = width === 4 ? 0 : this.bytes.readUInt32LE(this.at + 4);
    this.at += width;
  }

  #delimited(): void {
    this.#varint();
    const length = this.high * TWO_TO_32 + this.low;
    if (length > this.end - this.at)
      throw this.fault(`field ${this.field} of ${length} bytes, ${this.end - this.at} are left`);
    this.start = this.at;
    this.at += length;
    this.stop = this.at;
  }
}
