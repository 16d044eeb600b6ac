/**
 * What a source feeds: the border between reading (this directory) and records (../record).
 *
 * Invariant: the bytes that a consumer is handed are valid only during the call; it copies what it keeps.
 */

/** Takes the lines of one stream, in order. */
export interface LineConsumer {
  /**
   * One line without its terminator (LF or CRLF).
   *
   * @param observedMs when the bytes were read, in milliseconds since 1970.
   * @param offsetBytes where the line begins in its stream: grows from line to line, until the stream begins anew.
   */
  line(buffer: Buffer, start: number, end: number, observedMs: number, offsetBytes: number): void;
  /** Lines that could not be read as what they seem to be and became plain records. Undefined: not counted. */
  readonly unparsedLines?: number;
  /** Why the latest of them could not; empty when there was none. */
  readonly lastUnparsedReason?: string;
}

/** Says what each file's lines become. */
export interface LineConsumers {
  /** A consumer for one file; called once per file that is followed. `path` is where the file was found. */
  forFile(path: string): LineConsumer;
}
