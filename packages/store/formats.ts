/** What the store knows of output formats: their media types, and which can be handed over in pieces. */

/**
 * Formats whose result is the same whether its blocks are written one by one or all at once: no header, footer or
 * state between blocks. Only these are streamed; the others are computed as a whole, within the memory of a query.
 */
const PIECEWISE = new Set([
  'TabSeparated',
  'TabSeparatedRaw',
  'TSV',
  'TSVRaw',
  'CSV',
  'TSKV',
  'LineAsString',
  'RawBLOB',
  'JSONEachRow',
  'JSONLines',
  'NDJSON',
  'JSONStringsEachRow',
  'JSONCompactEachRow',
  'JSONCompactStringsEachRow',
  'RowBinary',
  'Native',
]);

export function isPiecewise(format: string): boolean {
  return PIECEWISE.has(format);
}

/** @returns the value of the Content-Type header, as ClickHouse sends it */
export function contentTypeOf(format: string): string {
  if (/^(JSONEachRow|JSONLines|NDJSON|JSONStringsEachRow|JSONCompact\w*EachRow)/.test(format))
    return 'application/x-ndjson; charset=UTF-8';
  if (format.startsWith('JSON')) return 'application/json; charset=UTF-8';
  if (format.startsWith('CSV'))
    return `text/csv; charset=UTF-8; header=${format.includes('WithNames') ? 'present' : 'absent'}`;
  if (/^(TabSeparated|TSV|TSKV)/.test(format)) return 'text/tab-separated-values; charset=UTF-8';
  if (/^(Native|RowBinary|Arrow|Parquet|ORC|Avro|MsgPack|BSON|RawBLOB|Npy|Protobuf|CapnProto)/.test(format))
    return 'application/octet-stream';
  return 'text/plain; charset=UTF-8';
}
