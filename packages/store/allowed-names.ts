/**
 * What a statement may name. Each list is of what is taken: a name that is on none is refused, so that a newer engine's
 * functions, engines, formats and settings are closed until somebody has judged them (judged-names.test.ts).
 */

/** The tables of Sluice; all others, `system` among them, are closed. */
export function isOwnTable(name: string): boolean {
  return OWN_TABLE.test(name);
}
const OWN_TABLE = /^(?:otel_logs|sluice_[a-z_]+)$/;

/** Makes numbers, and reads nothing. Of the others, none is needed. */
export const TABLE_FUNCTIONS: ReadonlySet<string> = new Set(['numbers']);

/**
 * Functions that compute from their arguments alone. Not here, on purpose: what reads files (`file`), other tables and
 * dictionaries (`dictGet`, `joinGet`), models, programs, addresses and settings of the server, or waits (`sleep`).
 */
export const FUNCTIONS: ReadonlySet<string> = new Set(
  `any anyLast argMax argMin avg avgIf count countIf countDistinct groupArray groupUniqArray max maxIf min minIf quantile quantiles
  quantileExact row_number sum sumIf topK uniq uniqCombined uniqExact uniqExactIf uniqIf
  abs ceil divide floor intDiv least greatest minus modulo multiply negate plus pow round
  and coalesce equals if ifNull isNotNull isNull lessOrEquals multiIf not nullIf or xor
  toBool toDate toDateTime toDateTime64 toFloat64 toFloat64OrNull toInt32 toInt64 toLowCardinality toNullable toString toUInt16
  toUInt32 toUInt64 toUInt64OrNull toUInt64OrZero toUInt8
  dateDiff fromUnixTimestamp64Milli fromUnixTimestamp64Nano now now64 today toHour toMinute toSecond toStartOfDay
  toStartOfFiveMinutes toStartOfHour toStartOfInterval toStartOfMinute toUnixTimestamp toUnixTimestamp64Milli
  toUnixTimestamp64Nano toYYYYMMDD
  concat empty endsWith extract hasAllTokens hasAnyTokens hasPhrase hasToken hex isValidUTF8 left length lengthUTF8 like ilike
  lower lowerUTF8 match notEmpty position positionCaseInsensitive positionCaseInsensitiveUTF8 positionUTF8 replaceAll
  replaceRegexpAll repeat right splitByNonAlpha splitByChar startsWith substring substringUTF8 toValidUTF8 trim upper upperUTF8
  array arrayConcat arrayDistinct arrayElement arrayExists arrayFilter arrayFlatten arrayJoin arrayMap arraySlice arraySort arrayStringConcat
  has hasAll hasAny indexOf range tuple tupleElement
  map mapApply mapConcat mapContains mapFilter mapFromArrays mapKeys mapValues
  byteSize cityHash64 sipHash64 sipHash128 xxHash64 xxh3 ignore identity materialize version`
    .trim()
    .split(/\s+/),
);

/** Written by the engine from the rows alone; `Template`, `CapnProto` and their like read files. */
export const OUTPUT_FORMATS: ReadonlySet<string> = new Set([
  'TabSeparated',
  'TabSeparatedRaw',
  'TSV',
  'CSV',
  'JSON',
  'JSONCompact',
  'JSONEachRow',
  'JSONCompactEachRow',
  'JSONStringsEachRow',
  'Native',
  'RowBinary',
]);

/** In which an insert's data comes: values, nothing of which is evaluated as `Values` and `CSV` may be. */
export const INSERT_FORMATS: ReadonlySet<string> = new Set(['Native', 'JSONEachRow']);

/** Settings that a request may set: bounds, and how an insert is divided and recognized. */
export const SETTINGS: ReadonlySet<string> = new Set([
  'async_insert',
  'distributed_foreground_insert',
  'insert_deduplicate',
  'insert_deduplication_token',
  'max_block_size',
  'max_bytes_before_external_group_by',
  'max_bytes_before_external_sort',
  'max_bytes_to_read',
  'max_execution_time',
  'max_insert_threads',
  'max_memory_usage',
  'max_query_size',
  'max_result_bytes',
  'max_result_rows',
  'max_rows_to_read',
  'max_threads',
  'min_insert_block_size_bytes',
  'min_insert_block_size_rows',
  'optimize_throw_if_noop',
  'output_format_json_quote_64bit_integers',
  'priority',
  'read_overflow_mode',
  'result_overflow_mode',
  'short_circuit_function_evaluation',
  'timeout_overflow_mode',
]);

export const TABLE_ENGINES: ReadonlySet<string> = new Set(['MergeTree', 'ReplacingMergeTree']);

/** Settings of a table; `disk` and `storage_policy`, which lead elsewhere, are not among them. */
export const TABLE_SETTINGS: ReadonlySet<string> = new Set([
  'fsync_after_insert',
  'fsync_part_directory',
  'index_granularity',
  'min_bytes_for_wide_part',
  'non_replicated_deduplication_window',
]);

export const DATA_TYPES: ReadonlySet<string> = new Set(
  `Array Bool Date Date32 DateTime DateTime64 FixedString Float32 Float64 Int8 Int16 Int32 Int64 IPv4 IPv6 LowCardinality Map
  Nullable String Tuple UInt8 UInt16 UInt32 UInt64 UUID`
    .trim()
    .split(/\s+/),
);

export const CODECS: ReadonlySet<string> = new Set(['Delta', 'DoubleDelta', 'LZ4', 'NONE', 'T64', 'ZSTD']);

export const INDEX_TYPES: ReadonlySet<string> = new Set(['bloom_filter', 'minmax', 'set', 'text']);

/** Words that begin or join clauses: never the name of a column here, so that every reader of the text reads it alike. */
export const RESERVED_WORDS: ReadonlySet<string> = new Set(
  `ALL ALTER AND ANTI ANY APPEND APPLY ARRAY AS ASC ASOF BETWEEN BY CASE CAST COLUMNS CROSS CUBE DELETE DESC DISTINCT ELSE END
  EXCEPT EXISTS FETCH FILTER FINAL FORMAT FROM FULL GLOBAL GROUP HAVING ILIKE IN INFILE INNER INSERT INTERPOLATE INTERSECT INTERVAL INTO
  IS JOIN LEFT LIKE LIMIT NOT OFFSET ON OR ORDER OUTER OUTFILE OVER PARALLEL PARTITION PASTE PREWHERE QUALIFY REPLACE RIGHT
  ROLLUP SAMPLE SELECT SEMI SETTINGS TABLE THEN TOTALS TRUNCATE UNION USING VALUES WHEN WHERE WINDOW WITH`
    .trim()
    .split(/\s+/),
);
