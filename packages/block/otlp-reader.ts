/**
 * Makes the engine's columns of records that came as OpenTelemetry's protobuf (otlp.md): one `LogsData`, which is also what
 * an `ExportLogsServiceRequest` is on the wire. The fields are those of opentelemetry/proto/logs/v1/logs.proto.
 *
 * Invariants:
 * - Total: whatever the bytes are, the result is columns or SluiceError `block_malformed` with the place.
 * - A function of its arguments alone: a batch that is tried again has the same content.
 * - Never more than MAX_COLUMN_BYTES of columns and one record beyond, however small the bytes are of which they are made.
 * - Bytes are read in place; no object is made for a record or an attribute, only the strings that columns are looked up by.
 */
import { messageOf } from '@sluice/base/error';
import type { AgentId, UrgencyClass } from '@sluice/protocol/model';
import { malformed } from './compression.ts';
import { OTLP_BLOCK_FORMAT } from './formats.ts';
import { NO_ATTRIBUTES, OtlpAttributes, prepareList } from './otlp-attributes.ts';
import { OtlpBuilder, type Scope } from './otlp-builder.ts';
import { OtlpRecords } from './otlp-record.ts';
import { LENGTH_DELIMITED, ProtobufReader } from './protobuf-reader.ts';
import { AttributeList, type PreparedAttributes, RecordFields } from './record.ts';

/**
 * Most bytes of columns that one block may become: four of the largest native blocks. A resource stands once in a message
 * and with each of its records in the columns, so a small block could become one that no memory holds.
 */
const MAX_COLUMN_BYTES: number = 16 * 1024 * 1024;

/**
 * Most names of attributes in one block. Programs have some hundreds; names that are values in the wrong place would cost each
 * server a second for one block, and the store a dictionary as large.
 */
const MAX_KEYS = 65_536;

const SERVICE_ATTRIBUTE = 'service.name';

/** What the header of the block says. */
export interface OtlpHeader {
  readonly agentId: AgentId;
  readonly epoch: number;
  readonly sequence: number;
  readonly urgency: UrgencyClass;
  readonly recordCount: number;
}

/**
 * The columns of {@link OTLP_BLOCK_FORMAT}.
 *
 * @param bytes the content of the zstd frame
 * @throws SluiceError `block_malformed`
 */
export function columnsOfOtlp(bytes: Buffer, header: OtlpHeader): Buffer {
  const reading = new OtlpReading(bytes, header);
  try {
    return reading.columns();
  } catch (error) {
    // Reading is bounded by explicit checks; should one be missing, the block is still only malformed.
    throw malformed(`${reading.place} ${messageOf(error)}`);
  }
}

class OtlpReading {
  readonly #reader: ProtobufReader;
  readonly #attributes: OtlpAttributes;
  readonly #records: OtlpRecords;
  readonly #builder: OtlpBuilder;
  readonly #header: OtlpHeader;
  readonly #record = new RecordFields();
  /** Of the resource or scope that is being read. */
  readonly #shared = new AttributeList();
  /** Where in the message: numbers of what is being read, from 0; -1 for none. */
  #resourceIndex = -1;
  #scopeIndex = -1;
  #recordIndex = -1;
  /** The field of a resource or scope that is being read. */
  #part = '';

  constructor(bytes: Buffer, header: OtlpHeader) {
    this.#reader = new ProtobufReader(bytes);
    this.#attributes = new OtlpAttributes(this.#reader);
    this.#records = new OtlpRecords(this.#reader, this.#attributes);
    this.#builder = new OtlpBuilder(header.urgency);
    this.#header = header;
    this.#record.buffer = bytes;
  }

  /** For people, with the names of the .proto files. */
  get place(): string {
    const numbered = (name: string, index: number): string => (index < 0 ? '' : `${name}[${index}]`);
    const names = [
      numbered('resource_logs', this.#resourceIndex),
      numbered('scope_logs', this.#scopeIndex),
      numbered('log_records', this.#recordIndex),
      this.#part,
      this.#records.part,
      numbered('attributes', this.#attributes.index),
    ].filter((name) => name !== '');
    return names.length === 0 ? 'the message' : names.join('.');
  }

  columns(): Buffer {
    const reader = this.#reader;
    const { recordCount } = this.#header;
    while (reader.next()) {
      if (reader.field !== 1) continue;
      this.#resourceIndex += 1;
      this.#inside(() => this.#resourceLogs());
    }
    this.#resourceIndex = -1;
    const builder = this.#builder;
    if (builder.recordCount !== recordCount)
      throw reader.fault(`${builder.recordCount} records, the block's header says ${recordCount}`);
    return builder.seal(this.#header, OTLP_BLOCK_FORMAT, MAX_COLUMN_BYTES).raw;
  }

  /** Opens the message that was read last, and then the outer one again. */
  #inside<T>(read: () => T): T {
    const reader = this.#reader;
    reader.expect(LENGTH_DELIMITED);
    const { at, end } = reader;
    reader.open(reader.start, reader.stop);
    const result = read();
    reader.open(at, end);
    return result;
  }

  #resourceLogs(): void {
    const reader = this.#reader;
    const { at } = reader;
    let resource: PreparedAttributes | undefined;
    let schemaUrl = '';
    this.#record.serviceName = '';
    // The resource may stand behind the records: it is looked for first.
    while (reader.next()) {
      if (reader.field === 1) {
        this.#part = 'resource';
        if (resource !== undefined) throw reader.fault('a second resource');
        resource = this.#inside(() => this.#resource());
      } else if (reader.field === 3) {
        this.#part = 'schema_url';
        schemaUrl = reader.string();
      }
    }
    this.#part = '';
    this.#record.resource = resource ?? NO_ATTRIBUTES;
    reader.open(at, reader.end);
    while (reader.next()) {
      if (reader.field !== 2) continue;
      this.#scopeIndex += 1;
      this.#inside(() => this.#scopeLogs(schemaUrl));
    }
    this.#scopeIndex = -1;
  }

  #resource(): PreparedAttributes {
    const reader = this.#reader;
    const list = this.#beginShared();
    while (reader.next()) {
      if (reader.field === 1) this.#attributes.read(list);
      else if (reader.field === 2) this.#attributes.readDropped();
    }
    this.#attributes.finish(list);
    const at = list.keys.indexOf(SERVICE_ATTRIBUTE);
    if (at >= 0 && at < list.count)
      this.#record.serviceName =
        list.texts[at] ?? reader.bytes.toString('utf8', list.starts[at], list.ends[at]);
    return prepareList(list, reader.bytes);
  }

  #scopeLogs(resourceSchemaUrl: string): void {
    const reader = this.#reader;
    const { at } = reader;
    let scope: Scope | undefined;
    let schemaUrl = '';
    while (reader.next()) {
      if (reader.field === 1) {
        this.#part = 'scope';
        if (scope !== undefined) throw reader.fault('a second scope');
        scope = this.#inside(() => this.#scope());
      } else if (reader.field === 3) {
        this.#part = 'schema_url';
        schemaUrl = reader.string();
      }
    }
    this.#part = '';
    const found = { ...(scope ?? NO_SCOPE), resourceSchemaUrl, schemaUrl };
    reader.open(at, reader.end);
    while (reader.next()) {
      if (reader.field !== 2) continue;
      this.#recordIndex += 1;
      reader.expect(LENGTH_DELIMITED);
      const { at: behind, end } = reader;
      reader.open(reader.start, reader.stop);
      this.#records.read(this.#record);
      this.#append(found);
      reader.open(behind, end);
    }
    this.#recordIndex = -1;
  }

  #scope(): Scope {
    const reader = this.#reader;
    const list = this.#beginShared();
    let name = '';
    let version = '';
    while (reader.next()) {
      if (reader.field === 1) name = reader.string();
      else if (reader.field === 2) version = reader.string();
      else if (reader.field === 3) this.#attributes.read(list);
      else if (reader.field === 4) this.#attributes.readDropped();
    }
    this.#attributes.finish(list);
    return { ...NO_SCOPE, name, version, attributes: prepareList(list, reader.bytes) };
  }

  #beginShared(): AttributeList {
    this.#shared.clear();
    this.#attributes.begin();
    return this.#shared;
  }

  #append(scope: Scope): void {
    const builder = this.#builder;
    const { recordCount } = this.#header;
    if (builder.recordCount === recordCount)
      throw this.#reader.fault(`more records than the ${recordCount} of the block's header`);
    builder.appendOf(scope, this.#record);
    if (builder.keyCount > MAX_KEYS)
      throw this.#reader.fault(`more than ${MAX_KEYS} different names of attributes in one block`);
    if (builder.rawBytes > MAX_COLUMN_BYTES)
      throw this.#reader.fault(`the records so far make more than ${MAX_COLUMN_BYTES} bytes of columns`);
  }
}

const NO_SCOPE: Scope = {
  resourceSchemaUrl: '',
  schemaUrl: '',
  name: '',
  version: '',
  attributes: NO_ATTRIBUTES,
};
