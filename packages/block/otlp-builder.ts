/** Collects the records of an OpenTelemetry block as the engine's columns: the builder's, and those of the scope. */
import type { UrgencyClass } from '@sluice/protocol/model';
import { DictionaryColumn, MapColumn, writeUInt64 } from './buffer.ts';
import { BlockBuilder, type ColumnData } from './builder.ts';
import { LOW_CARDINALITY_VERSION, SCOPE_COLUMNS } from './columns.ts';
import type { PreparedAttributes, RecordFields } from './record.ts';

/** What the records of one scope share. */
export interface Scope {
  readonly resourceSchemaUrl: string;
  readonly schemaUrl: string;
  readonly name: string;
  readonly version: string;
  readonly attributes: PreparedAttributes;
}

const NO_BYTES = Buffer.alloc(0);
/** What a dictionary's version takes before its keys. */
const VERSION_BYTES = 8;

export class OtlpBuilder extends BlockBuilder {
  readonly #resourceSchemaUrls = new DictionaryColumn();
  readonly #scopeSchemaUrls = new DictionaryColumn();
  readonly #scopeNames = new DictionaryColumn();
  readonly #scopeVersions = new DictionaryColumn();
  readonly #scopeAttributes = new MapColumn();

  constructor(urgency: UrgencyClass) {
    super(urgency);
    const data = new Map<string, ColumnData>([
      ['ResourceSchemaUrl', dictionaryData(this.#resourceSchemaUrls)],
      ['ScopeSchemaUrl', dictionaryData(this.#scopeSchemaUrls)],
      ['ScopeName', dictionaryData(this.#scopeNames)],
      ['ScopeVersion', dictionaryData(this.#scopeVersions)],
      ['ScopeAttributes', this.#scopeAttributes],
    ]);
    for (const column of SCOPE_COLUMNS) {
      const collected = data.get(column.name);
      if (collected !== undefined) this.addColumn(column, collected);
    }
  }

  override get keyCount(): number {
    return super.keyCount + this.#scopeAttributes.keyCount;
  }

  /** Appends a copy of the record. */
  appendOf(scope: Scope, record: RecordFields): void {
    this.append(record);
    this.#resourceSchemaUrls.append(scope.resourceSchemaUrl);
    this.#scopeSchemaUrls.append(scope.schemaUrl);
    this.#scopeNames.append(scope.name);
    this.#scopeVersions.append(scope.version);
    this.#scopeAttributes.append(scope.attributes, undefined, NO_BYTES);
  }
}

function dictionaryData(column: DictionaryColumn): ColumnData {
  return {
    get encodedBytes() {
      return VERSION_BYTES + column.encodedBytes;
    },
    write: (target, offset) => column.write(target, writeUInt64(target, offset, LOW_CARDINALITY_VERSION)),
    clear: () => column.clear(),
  };
}
