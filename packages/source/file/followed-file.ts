/**
 * One file that is followed, by its inode, whatever its name becomes: where reading stands and how the next piece is
 * read.
 *
 * Invariants: the position is that of the first byte that no consumer got, and the one that is kept that of the first byte
 * that no consumer has consumed; before bytes are read after a pause, the
 * fingerprint is checked, so a file that was truncated and written again is read from its beginning. One turn is
 * in progress at a time over all files (they share the read buffer).
 */
import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import type { LineConsumer } from '../consumer.ts';
import { ContainedLines } from '../contained-consumer.ts';
import type { FileCheckpoint, FileIdentity } from './file-checkpoint.ts';
import { fileKey } from './file-checkpoint.ts';
import { FileProgress } from './file-progress.ts';
import { EMPTY_FINGERPRINT, type Fingerprint, matchFingerprint } from './fingerprint.ts';
import { flushLine, type LinePosition, MAX_LINE_BYTES, splitLines } from './line-splitter.ts';

/**
 * One turn of one file: what is read before another file gets its turn. Larger than a line part with its terminator, so
 * that every full piece moves the position.
 */
export const READ_BYTES: number = 2 * MAX_LINE_BYTES;
/** While a file is read without pause, its identity is checked this often. */
const VERIFY_INTERVAL_MS = 1000;
/** Reading is never allowed to hang in a pipe that a pattern happens to name. */
const OPEN_FLAGS: number = constants.O_RDONLY | constants.O_NONBLOCK;

/** Opens a file for reading; replaceable so that tests can make it fail. */
export type OpenFile = (path: string) => Promise<FileHandle>;

export const openForReading: OpenFile = (path) => open(path, OPEN_FLAGS);

/** `more`: the piece was full. `caught_up`: the end was reached. `replaced`: the path names another file by now. */
export type TurnOutcome = 'more' | 'caught_up' | 'replaced';

export class FollowedFile {
  readonly key: string;
  readonly device: number;
  readonly inode: number;
  readonly birthtimeMs: number;
  readonly consumer: ContainedLines;
  readonly position: LinePosition = { offsetBytes: 0, midLine: false };
  readonly progress: FileProgress = new FileProgress();
  path: string;
  fingerprint: Fingerprint = EMPTY_FINGERPRINT;
  handle: FileHandle | undefined;
  /** Size when last looked at. */
  sizeBytes = 0;
  /** Modification time when last looked at; a change means that there is something to look for. */
  modifiedMs = 0;
  /** Offset of the end at the last read; behind the position when a line is unfinished. */
  endBytes = 0;
  /** When the last new bytes were seen. */
  grownMs = 0;
  /** Since when no path leads to it any more. */
  goneMs: number | undefined;
  /** Number of the last walk that found it. */
  seenInWalk = 0;
  /** Set until the first turn: begin at the last line start before this offset. */
  startBeforeBytes: number | undefined;
  /** The unfinished line is to be handed out as it is. */
  flushWanted = false;
  /** Found by inode alone, under a name that no pattern matches: with other content it is none of ours. */
  foundByInode = false;
  /** The next turn checks the identity even if one did a moment ago. */
  verifyWanted = true;
  /** All that is left is a carriage return that may be the first half of a terminator: nothing that could be read. */
  #halfTerminatorLeft = false;
  #verifiedMs = 0;

  /** @param onLineFailure is told what the consumer threw at a line; reading goes on behind it. */
  constructor(identity: FileIdentity, consumer: LineConsumer, onLineFailure: (error: unknown) => void) {
    this.key = fileKey(identity.device, identity.inode);
    this.device = identity.device;
    this.inode = identity.inode;
    this.birthtimeMs = identity.birthtimeMs;
    this.path = identity.path;
    this.consumer = new ContainedLines(consumer, onLineFailure, () => this.position.midLine);
  }

  /** Continues from a position that was kept. */
  resume(checkpoint: FileCheckpoint): void {
    this.position.offsetBytes = checkpoint.offsetBytes;
    this.position.midLine = checkpoint.midLine;
    this.endBytes = checkpoint.offsetBytes;
    this.fingerprint = checkpoint.fingerprint;
    this.verifyWanted = true;
  }

  /** Reads again from the first byte: the content is not what the position was about. */
  restart(): void {
    this.consumer.finish();
    this.position.offsetBytes = 0;
    this.position.midLine = false;
    this.position.inHole = false;
    this.endBytes = 0;
    this.fingerprint = EMPTY_FINGERPRINT;
    this.startBeforeBytes = undefined;
    this.flushWanted = false;
    this.verifyWanted = true;
  }

  checkpoint(nowMs: number): FileCheckpoint {
    const { heldFromBytes, heldMidLine } = this.consumer;
    return {
      path: this.path,
      device: this.device,
      inode: this.inode,
      birthtimeMs: this.birthtimeMs,
      fingerprint: this.fingerprint,
      offsetBytes: heldFromBytes ?? this.position.offsetBytes,
      midLine: heldFromBytes === undefined ? this.position.midLine : heldMidLine,
      seenMs: nowMs,
    };
  }

  /** Bytes that are there and were not handed out, as far as is known. */
  get unreadBytes(): number {
    const unread = Math.max(0, this.sizeBytes - this.position.offsetBytes);
    return unread === 1 && this.#halfTerminatorLeft ? 0 : unread;
  }

  /** Takes note of how far reading is. */
  noteProgress(nowMs: number): void {
    const { offsetBytes } = this.position;
    this.progress.look(offsetBytes, offsetBytes + this.unreadBytes, nowMs);
  }

  /** Whether a line without its end waits. */
  get hasUnfinishedLine(): boolean {
    return this.endBytes > this.position.offsetBytes;
  }

  /**
   * Reads one piece and hands out its lines.
   *
   * @param buffer at least {@link READ_BYTES} long, shared by all files.
   * @throws what opening and reading throw; the position is right all the same.
   */
  async turn(
    buffer: Buffer,
    openFile: OpenFile,
    nowMs: number,
    afterLine: (lineBytes: number) => void,
  ): Promise<TurnOutcome> {
    if (this.handle === undefined) {
      const handle = await openFile(this.path);
      const stats = await handle.stat();
      if (stats.ino !== this.inode || stats.dev !== this.device) {
        await handle.close();
        return 'replaced';
      }
      this.handle = handle;
      this.verifyWanted = true;
    }
    if (this.verifyWanted || nowMs - this.#verifiedMs >= VERIFY_INTERVAL_MS)
      await this.#verify(this.handle, nowMs);
    const offset = this.position.offsetBytes;
    const { bytesRead } = await this.handle.read(buffer, 0, READ_BYTES, offset);
    const end = offset + bytesRead;
    if (end > this.endBytes) {
      this.#halfTerminatorLeft = false;
      this.grownMs = nowMs;
      this.flushWanted = false;
    }
    this.endBytes = end;
    if (end > this.sizeBytes) this.sizeBytes = end;
    splitLines(buffer, bytesRead, this.position, this.consumer, nowMs, afterLine);
    if (this.flushWanted && bytesRead < READ_BYTES) {
      const from = this.position.offsetBytes - offset;
      flushLine(buffer.subarray(from, bytesRead), bytesRead - from, this.position, this.consumer, nowMs);
      afterLine(bytesRead - from);
      this.#halfTerminatorLeft = this.position.offsetBytes < end;
    }
    this.flushWanted = false;
    if (bytesRead === READ_BYTES) return 'more';
    this.verifyWanted = true;
    return 'caught_up';
  }

  async close(): Promise<void> {
    const handle = this.handle;
    this.handle = undefined;
    await handle?.close();
  }

  async #verify(handle: FileHandle, nowMs: number): Promise<void> {
    const { size } = await handle.stat();
    this.sizeBytes = size;
    if (size < this.position.offsetBytes) this.restart();
    let grown = await matchFingerprint(handle, this.fingerprint);
    if (grown === undefined) {
      this.restart();
      if (this.foundByInode) this.position.offsetBytes = size;
      grown = await matchFingerprint(handle, EMPTY_FINGERPRINT);
    }
    this.fingerprint = grown ?? EMPTY_FINGERPRINT;
    this.verifyWanted = false;
    this.#verifiedMs = nowMs;
    if (this.startBeforeBytes !== undefined) {
      this.position.offsetBytes = await lineStartBefore(handle, Math.min(size, this.startBeforeBytes));
      this.endBytes = this.position.offsetBytes;
      this.startBeforeBytes = undefined;
    }
  }
}

/** The start of the line that the byte at `offset` belongs to; `offset` itself when that is too far back. */
async function lineStartBefore(handle: FileHandle, offset: number): Promise<number> {
  const length = Math.min(offset, MAX_LINE_BYTES);
  const bytes = Buffer.alloc(length);
  const { bytesRead } = await handle.read(bytes, 0, length, offset - length);
  const feed = bytes.subarray(0, bytesRead).lastIndexOf(10);
  if (feed === -1) return offset <= MAX_LINE_BYTES ? 0 : offset;
  return offset - length + feed + 1;
}
