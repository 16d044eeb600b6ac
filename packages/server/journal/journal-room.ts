/**
 * How many raw bytes the journal may still take, and who is told when that changes.
 *
 * Invariants: never negative; 0 while nothing can be written, since what cannot be written must not be granted.
 */
import { SluiceError } from '@sluice/base/error';
import { DiskSpace } from '@sluice/durable/disk-space';
import type { JournaledBlock } from './journal-records.ts';

/**
 * Beyond `maxRawBytes` by this factor an append is refused. Granted data is always taken, and grants never pass the
 * room; this bound is only ever met by a peer that breaks the rules.
 */
const MAX_OVERFILL_FACTOR = 2;

export interface JournalListener {
  /** The room is now this many raw bytes. */
  onRoomChanged?(roomBytes: number): void;
  /** A block is durable and waits to be loaded. */
  onAppended?(block: JournaledBlock): void;
}

export interface JournalRoomOptions {
  readonly maxRawBytes: number;
  /** The journal's file. */
  readonly file: string;
  /** Payload bytes that it holds. */
  readonly heldBytes: () => number;
  readonly isDamaged: () => boolean;
}

export class JournalRoom {
  readonly #options: JournalRoomOptions;
  /** A reserve on the disk keeps it free for removals: the journal has the disk of a server, which nothing else fills. */
  readonly #space: DiskSpace;
  readonly #listeners = new Set<JournalListener>();
  #costBytes = 0;

  constructor(options: JournalRoomOptions) {
    this.#options = options;
    const { file, heldBytes } = options;
    this.#space = new DiskSpace({ what: 'the journal', file, heldBytes, onChanged: () => this.tell() });
  }

  /** Raw bytes that may still come, beyond what is held and being written. */
  get bytes(): number {
    const { maxRawBytes, isDamaged } = this.#options;
    return this.#space.isFull || isDamaged() ? 0 : Math.max(0, maxRawBytes - this.#costBytes);
  }

  /** Whether the latest block found no space on the disk. */
  get isDiskFull(): boolean {
    return this.#space.isFull;
  }

  /** Calls `listener` on each change from now on; returns what ends that. */
  listen(listener: JournalListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** @throws SluiceError `limit_exceeded`, `disk_full` */
  reserve(costBytes: number, payloadBytes: number): void {
    if (this.#costBytes + costBytes > this.#options.maxRawBytes * MAX_OVERFILL_FACTOR) {
      throw new SluiceError(
        'limit_exceeded',
        `the journal holds ${this.#costBytes} bytes and takes no more`,
        { hint: 'Blocks must be sent within the quota that was granted.' },
      );
    }
    this.#space.reserve(payloadBytes);
  }

  /** What was reserved is written, or will not be. */
  written(payloadBytes: number): void {
    this.#space.written(payloadBytes);
  }

  /** Blocks came, or went, that count this many bytes. */
  change(costBytes: number): void {
    const before = this.bytes;
    this.#costBytes += costBytes;
    if (before !== this.bytes) this.tell();
  }

  /** A block is durable and waits. */
  tellAppended(block: JournaledBlock): void {
    for (const listener of this.#listeners) listener.onAppended?.(block);
  }

  tell(): void {
    for (const listener of this.#listeners) listener.onRoomChanged?.(this.bytes);
  }

  /** Ends the looking at the disk. */
  stop(): void {
    this.#space.stop();
  }

  /** Nobody is told any more. */
  close(): void {
    this.#listeners.clear();
  }
}
