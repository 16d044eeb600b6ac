/**
 * From lines to blocks: reads time, severity, service and host out of each line and appends it to the block builder of
 * its class of urgency.
 *
 * Invariants:
 * - A line's bytes are read in place and copied once, into the builder's column; no object is made per line (JSON lines
 *   are the exception).
 * - Each line becomes one record, whatever it is: one that cannot be read (too deep, or an error of ours) becomes a plain
 *   record of the whole line with a mark (marks.ts), and is counted.
 * - No builder grows past MAX_BLOCK_RAW_BYTES: one that could with the next line is put aside for the next cut, and
 *   another takes its place. Within a class the order of reading is kept.
 */
import { SluiceError } from '@sluice/base/error';
import { BlockBuilder, type SealedRawBlock } from '@sluice/block/builder';
import type { BlockFormat } from '@sluice/block/formats';
import { type PreparedAttributes, prepareAttributes, type RecordFields } from '@sluice/block/record';
import type { BlockPosition } from '@sluice/protocol/model';
import { MAX_BLOCK_RAW_BYTES, URGENCY_CLASSES } from '@sluice/protocol/model';
import type { Consumers, FieldsConsumer, LineConsumer, Stream } from '@sluice/source/consumer';
import { Calendar, TimeZone } from './calendar.ts';
import { serviceFromPath } from './file-names.ts';
import { MAX_JSON_ATTRIBUTES, MAX_JSON_KEY_LENGTH } from './json-line.ts';
import { LineContext } from './line-context.ts';
import { candidateFormats, type LineFormat } from './line-formats.ts';
import { FILE_PATH } from './marks.ts';
import { checkFields, checkPlace, sourceBytesOf } from './record-check.ts';
import { FileUrgency, RANK_OF_SEVERITY, type UrgencyRule } from './urgency.ts';

/** Hosts whose resource is kept encoded; a relay sees more and pays for the rest. */
const MAX_PREPARED_HOSTS = 1024;
/**
 * A record takes at most this many times its line: body and values both come from the line, a broken byte becomes three
 * in text, and a number such as 1e20 is written out (4 bytes become 21).
 */
const MAX_RECORD_GROWTH = 7;
/** What a record takes beyond that: columns of fixed width, and as many attribute names as may be, as UTF-8. */
const MAX_RECORD_OVERHEAD_BYTES: number = 4096 + MAX_JSON_ATTRIBUTES * (3 * MAX_JSON_KEY_LENGTH + 16);
/** Longest line that is certain to fit into a block of its own. Sources split long before. */
const MAX_RECORD_LINE_BYTES: number = Math.floor(
  (MAX_BLOCK_RAW_BYTES - 2 * MAX_RECORD_OVERHEAD_BYTES) / MAX_RECORD_GROWTH,
);

const NO_ATTRIBUTES: PreparedAttributes = prepareAttributes({});

/** Of the words of an error, what fits into a mark. */
const MAX_REASON_LENGTH = 200;

export interface RecorderOptions {
  /** The host of lines that name none. */
  readonly hostName: string;
  /** IANA name of the zone of times that state none; default: the zone of this computer. */
  readonly timeZone?: string;
  readonly urgencyRules?: readonly UrgencyRule[];
}

export interface FileOptions {
  /** The service of lines that name none; default: from the file's name. */
  readonly service?: string;
  readonly attributes?: Readonly<Record<string, string>>;
}

export class Recorder implements Consumers {
  readonly #options: RecorderOptions;
  readonly #line: LineContext;
  readonly #ownResource: PreparedAttributes;
  readonly #resources = new Map<string, PreparedAttributes>();
  readonly #builders: BlockBuilder[] = URGENCY_CLASSES.map((urgency) => new BlockBuilder(urgency));
  /** Builders that were full before the cut, oldest first. */
  #full: BlockBuilder[] = [];

  /** @throws SluiceError `config_invalid` when there is no such time zone. */
  constructor(options: RecorderOptions) {
    this.#options = options;
    this.#line = new LineContext(new Calendar(timeZone(options.timeZone)));
    this.#ownResource = prepareAttributes({ 'host.name': options.hostName });
  }

  /** A consumer for the lines of one file; `path` becomes an attribute of its records. */
  forFile(path: string, options: FileOptions = {}): LineConsumer {
    const constantAttributes = prepareAttributes({ [FILE_PATH]: path, ...options.attributes });
    const urgency = new FileUrgency(this.#options.urgencyRules ?? [], path);
    return new FileLines(
      this,
      this.#line,
      constantAttributes,
      urgency,
      options.service ?? serviceFromPath(path),
    );
  }

  /** A consumer for the lines of a stream; the path of a file becomes an attribute, and names a service. */
  forLines({ kind, name }: Stream): LineConsumer {
    if (kind === 'file') return this.forFile(name);
    return new FileLines(
      this,
      this.#line,
      NO_ATTRIBUTES,
      new FileUrgency(this.#options.urgencyRules ?? [], name),
      '',
    );
  }

  /** A consumer for records whose fields a source knows already. */
  forFields({ name }: Stream): FieldsConsumer {
    const urgency = new FileUrgency(this.#options.urgencyRules ?? [], name);
    return {
      record: (fields) => {
        checkFields(fields);
        const rank = urgency.rank(fields.serviceName, fields.severityNumber);
        this.append(rank, fields, sourceBytesOf(fields));
      },
    };
  }

  get pendingRecords(): number {
    return this.#sum((builder) => builder.recordCount);
  }

  /** Whether an urgent record waits. */
  get urgentPending(): boolean {
    return (this.#builders[0]?.recordCount ?? 0) > 0 || this.#full.some((full) => full.urgency === 'urgent');
  }

  get largestBuilderRawBytes(): number {
    let largest = 0;
    for (const builder of this.#builders) largest = Math.max(largest, builder.weightBytes);
    for (const builder of this.#full) largest = Math.max(largest, builder.weightBytes);
    return largest;
  }

  /** Seals all builders that hold something, most urgent first. `nextPosition` is called once per block, in order. */
  cut(nextPosition: () => BlockPosition, format?: BlockFormat): SealedRawBlock[] {
    const full = this.#full;
    this.#full = [];
    const blocks: SealedRawBlock[] = [];
    for (const builder of this.#builders) {
      for (const earlier of full) {
        if (earlier.urgency === builder.urgency) blocks.push(earlier.seal(nextPosition(), format));
      }
      if (builder.recordCount > 0) blocks.push(builder.seal(nextPosition(), format));
    }
    return blocks;
  }

  /** Appends the record that the line context holds; for the consumers of this module. */
  appendLine(rank: number): void {
    const line = this.#line;
    line.fields.resource = line.host === '' ? this.#ownResource : this.#resource(line.host);
    this.append(rank, line.fields, line.end - line.start);
  }

  /**
   * @param sourceBytes of what the record was made of; it takes at most MAX_RECORD_GROWTH times as much
   * @throws SluiceError `internal`, `limit_exceeded` for a record that no block can hold, which would keep all others from being cut
   */
  append(rank: number, fields: RecordFields, sourceBytes: number): void {
    let builder = this.#builders[rank];
    if (builder === undefined) throw new SluiceError('internal', `no urgency class has rank ${rank}`);
    checkPlace(fields);
    const mostBytes = MAX_RECORD_GROWTH * sourceBytes + MAX_RECORD_OVERHEAD_BYTES;
    if (mostBytes > MAX_BLOCK_RAW_BYTES)
      throw new SluiceError(
        'limit_exceeded',
        `a record of ${sourceBytes} bytes is above ${MAX_RECORD_LINE_BYTES}`,
      );
    if (builder.weightBytes + mostBytes > MAX_BLOCK_RAW_BYTES && builder.recordCount > 0) {
      this.#full.push(builder);
      builder = new BlockBuilder(builder.urgency);
      this.#builders[rank] = builder;
    }
    builder.append(fields);
  }

  #resource(host: string): PreparedAttributes {
    let resource = this.#resources.get(host);
    if (resource === undefined) {
      resource = prepareAttributes({ 'host.name': host });
      if (this.#resources.size < MAX_PREPARED_HOSTS) this.#resources.set(host, resource);
    }
    return resource;
  }

  #sum(value: (builder: BlockBuilder) => number): number {
    let sum = 0;
    for (const builder of this.#builders) sum += value(builder);
    for (const builder of this.#full) sum += value(builder);
    return sum;
  }
}

class FileLines implements LineConsumer {
  readonly #recorder: Recorder;
  readonly #line: LineContext;
  readonly #constantAttributes: PreparedAttributes;
  readonly #urgency: FileUrgency;
  readonly #service: string;
  unparsedRecords = 0;
  lastUnparsedReason = '';
  /** The format of the line before, which is most often that of the next. */
  #format: LineFormat | undefined;

  constructor(
    recorder: Recorder,
    line: LineContext,
    constantAttributes: PreparedAttributes,
    urgency: FileUrgency,
    service: string,
  ) {
    this.#recorder = recorder;
    this.#line = line;
    this.#constantAttributes = constantAttributes;
    this.#urgency = urgency;
    this.#service = service;
  }

  line(buffer: Buffer, start: number, end: number, observedMs: number, offsetBytes: number): void {
    const line = this.#line;
    // One that is longer than any source hands out is cut, so that it still makes a block.
    line.begin(buffer, start, Math.min(end, start + MAX_RECORD_LINE_BYTES), observedMs, offsetBytes);
    line.fields.constantAttributes = this.#constantAttributes;
    let rank: number;
    try {
      rank = this.#classify(line);
    } catch (error) {
      // Nothing that a line says may stop the lines behind it.
      line.begin(buffer, start, line.end, observedMs, offsetBytes);
      line.fields.serviceName = this.#service;
      line.markUnparsed(reasonOf(error));
      rank = RANK_OF_SEVERITY[0] ?? 0;
    }
    if (line.unparsed !== undefined) this.#noteUnparsed(line.unparsed);
    this.#recorder.appendLine(rank);
  }

  /** Reads the line; returns the rank of its class of urgency. */
  #classify(line: LineContext): number {
    this.#read(line);
    const fields = line.fields;
    if (fields.serviceName === '') fields.serviceName = this.#service;
    return this.#urgency.rank(fields.serviceName, fields.severityNumber);
  }

  #noteUnparsed(reason: string): void {
    this.unparsedRecords += 1;
    this.lastUnparsedReason = reason;
  }

  #read(line: LineContext): void {
    const last = this.#format;
    if (last?.(line)) return;
    for (const format of candidateFormats(line.buffer, line.start, line.end)) {
      if (format !== last && format(line)) {
        this.#format = format;
        return;
      }
    }
  }
}

/** What a reader threw, in one short line. */
function reasonOf(error: unknown): string {
  return `reader failed: ${SluiceError.from(error).message.slice(0, MAX_REASON_LENGTH)}`;
}

function timeZone(name: string | undefined): TimeZone {
  try {
    return new TimeZone(name);
  } catch (error) {
    throw new SluiceError('config_invalid', `there is no time zone '${name}'`, {
      cause: error,
      hint: "Use a name of the IANA database such as 'Europe/Berlin' or 'UTC'.",
    });
  }
}
