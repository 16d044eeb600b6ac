/**
 * Follows the structure of a zstd stream (RFC 8878) as its bytes pass, without decompressing: frames one after the
 * other, each a header and blocks. The engine takes a stream that stops in the middle of a frame for its end and inserts
 * what came before, so that the store itself must see to it that an insert's body is whole.
 *
 * Invariant: `isWhole` is true exactly when what was pushed so far is zero or more whole frames.
 */

const FRAME_MAGIC = 0xfd2fb528;
const SKIPPABLE_MAGIC = 0x184d2a50;
const MAGIC_BYTES = 4;
const BLOCK_HEADER_BYTES = 3;
const CHECKSUM_BYTES = 4;

type Step = 'magic' | 'descriptor' | 'skippable size' | 'block';

export class ZstdFrames {
  private step: Step = 'magic';
  /** Bytes of the field that is being read; at most 4 count. */
  private value = 0;
  private valueBytes = 0;
  /** Bytes to pass over before the next field. */
  private skipBytes = 0;
  private hasChecksum = false;
  private broken = false;

  get isWhole(): boolean {
    return !this.broken && this.step === 'magic' && this.valueBytes === 0 && this.skipBytes === 0;
  }

  /** @returns false when the bytes are no zstd frames */
  push(bytes: Uint8Array): boolean {
    let position = 0;
    while (position < bytes.length && !this.broken) {
      if (this.skipBytes > 0) {
        const skipped = Math.min(this.skipBytes, bytes.length - position);
        this.skipBytes -= skipped;
        position += skipped;
        continue;
      }
      this.value += (bytes[position] ?? 0) * 2 ** (8 * this.valueBytes);
      this.valueBytes += 1;
      position += 1;
      if (this.valueBytes === this.fieldBytes()) {
        const { value } = this;
        this.value = 0;
        this.valueBytes = 0;
        this.finishField(value);
      }
    }
    return !this.broken;
  }

  private fieldBytes(): number {
    switch (this.step) {
      case 'descriptor':
        return 1;
      case 'block':
        return BLOCK_HEADER_BYTES;
      default:
        return MAGIC_BYTES;
    }
  }

  private finishField(value: number): void {
    switch (this.step) {
      case 'magic':
        if (value === FRAME_MAGIC) this.step = 'descriptor';
        else if (value >= SKIPPABLE_MAGIC && value < SKIPPABLE_MAGIC + 16) this.step = 'skippable size';
        else this.broken = true;
        return;
      case 'skippable size':
        this.skipBytes = value;
        this.step = 'magic';
        return;
      case 'descriptor':
        this.skipBytes = headerBytesAfter(value);
        this.hasChecksum = (value & 0b100) !== 0;
        this.step = 'block';
        return;
      case 'block':
        this.finishBlock(value);
        return;
      default:
        this.step satisfies never;
    }
  }

  private finishBlock(header: number): void {
    const type = (header >> 1) & 3;
    if (type === 3) {
      this.broken = true;
      return;
    }
    // A run-length block holds one byte, whatever its size.
    this.skipBytes = type === 1 ? 1 : header >> 3;
    const isLast = (header & 1) === 1;
    if (!isLast) return;
    if (this.hasChecksum) this.skipBytes += CHECKSUM_BYTES;
    this.step = 'magic';
  }
}

/** Bytes of the frame header behind its descriptor: window, dictionary id, content size. */
function headerBytesAfter(descriptor: number): number {
  const isSingleSegment = (descriptor & 0b10_0000) !== 0;
  const dictionaryBytes = [0, 1, 2, 4][descriptor & 3] ?? 0;
  const contentSizeBytes = [isSingleSegment ? 1 : 0, 2, 4, 8][descriptor >> 6] ?? 0;
  return (isSingleSegment ? 0 : 1) + dictionaryBytes + contentSizeBytes;
}
