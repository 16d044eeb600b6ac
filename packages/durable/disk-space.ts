/**
 * Tells before a write whether the disk will take it.
 *
 * LMDB can be told only afterwards that the disk was full, and its native code does not survive many such failures (the
 * heap was seen damaged after some hundred). So journal and queue ask first and leave a reserve for what must always be
 * possible: removing blocks and noting batches.
 *
 * Invariant: no write that adds a block is begun unless it fits into pages that the file has already, or on the disk
 * beyond the reserve.
 */
import { statfsSync, statSync } from 'node:fs';
import path from 'node:path';
import { MAX_BLOCK_RAW_BYTES } from '@sluice/protocol/model';
import { diskFull } from './lmdb/library-errors.ts';

/** Never used for new blocks: some hundred removals' worth of copied pages. */
const DISK_RESERVE_BYTES: number = 1024 * 1024;
/** LMDB writes pages, their parents and its list of free pages too: a write takes at most this much more than its data. */
const WRITE_FACTOR = 2;
/** Of the file's pages, this much beyond the blocks' own size is in use by keys, headers and the known blocks. */
const OVERHEAD_FACTOR = 1.25;
const OVERHEAD_BYTES: number = 512 * 1024;

/** How often a full disk is looked at; who frees space should not wait long. */
const DISK_LOOK_INTERVAL_MS = 500;
/** A full disk counts as free again when a large compressed block fits. */
const FREE_AGAIN_BYTES: number = MAX_BLOCK_RAW_BYTES / 4;

export interface DiskSpaceOptions {
  /** For the reader: "the journal". */
  readonly what: string;
  /** The environment's data file. */
  readonly file: string;
  /** Never used for what is added. Default {@link DISK_RESERVE_BYTES}. */
  readonly reserveBytes?: number;
  /** Payload bytes that the file holds. */
  readonly heldBytes: () => number;
  /** Told when the disk became full or free again. */
  readonly onChanged: () => void;
}

export class DiskSpace {
  readonly #options: DiskSpaceOptions;
  /** Payload bytes on their way to the disk. */
  #writingBytes = 0;
  /** Runs only while the disk is full. */
  #lookTimer: NodeJS.Timeout | undefined;

  constructor(options: DiskSpaceOptions) {
    this.#options = options;
  }

  /** The last look found no space. */
  get isFull(): boolean {
    return this.#lookTimer !== undefined;
  }

  /**
   * Looks whether this many payload bytes fit, and counts them as being written until `written` is called.
   *
   * @throws SluiceError `disk_full`
   */
  reserve(bytes: number): void {
    this.#look(bytes);
    if (this.isFull) throw diskFull(this.#options.what, path.dirname(this.#options.file));
    this.#writingBytes += bytes;
  }

  /** What was reserved is written, or will not be. */
  written(bytes: number): void {
    this.#writingBytes -= bytes;
  }

  /** Ends the looking. */
  stop(): void {
    clearInterval(this.#lookTimer);
  }

  #look(bytes: number): void {
    const fits = this.#fits(this.#writingBytes + bytes);
    if (fits !== this.isFull) return;
    clearInterval(this.#lookTimer);
    this.#lookTimer = fits
      ? undefined
      : setInterval(() => this.#look(this.#freeAgainBytes()), DISK_LOOK_INTERVAL_MS);
    this.#options.onChanged();
  }

  /** An empty journal gets no emptier: then whatever fits may come, and what does not is told so again. */
  #freeAgainBytes(): number {
    return this.#options.heldBytes() === 0 ? 0 : FREE_AGAIN_BYTES;
  }

  #fits(bytes: number): boolean {
    const neededBytes = bytes * WRITE_FACTOR;
    const { bavail, bsize } = statfsSync(path.dirname(this.#options.file));
    const freeOnDiskBytes = bavail * bsize - (this.#options.reserveBytes ?? DISK_RESERVE_BYTES);
    if (freeOnDiskBytes >= neededBytes) return true;
    const heldBytes = this.#options.heldBytes();
    const fileBytes = statSync(this.#options.file, { throwIfNoEntry: false })?.size ?? 0;
    const freeInFileBytes = fileBytes - heldBytes * OVERHEAD_FACTOR - OVERHEAD_BYTES;
    if (freeInFileBytes >= neededBytes) return true;
    // A block's pages stand in one piece: pieces between blocks and the disk's do not add up, those of an empty file do.
    return heldBytes === 0 && Math.max(0, freeInFileBytes) + freeOnDiskBytes >= neededBytes;
  }
}
