/** Counts over time by OpenTelemetry severity range: the SQL, and its rows as buckets without holes. */
import type { MessageInitShape } from '@bufbuild/protobuf';
import type { Condition } from '@sluice/query/condition';
import type { HistogramBucketSchema, HistogramResponseSchema } from '@sluice/wire/gen/query_pb';
import { z } from 'zod';
import { LogStatement, type Scope } from '../store/log-table.ts';
import type { Buckets } from './time-steps.ts';

/** @param where must keep the time within the buckets */
export function histogramStatement(scope: Scope, where: Condition, buckets: Buckets): LogStatement {
  return new LogStatement(
    scope,
    where,
    (from) =>
      `SELECT toUInt32(intDiv(toUnixTimestamp64Nano(Timestamp) - toInt64('${buckets.startNanos}'), ${buckets.stepNanos})) AS bucket, ` +
      // 0 unspecified, then one range per four severity numbers; what is beyond 24 is no severity.
      'toUInt8(if(SeverityNumber > 24, 0, intDiv(SeverityNumber + 3, 4))) AS severity, toString(count()) ' +
      `${from} GROUP BY bucket, severity`,
  );
}

const ROW = z.tuple([z.number(), z.number(), z.string()]);

export function fillBuckets(
  buckets: Buckets,
  rows: readonly unknown[][],
): MessageInitShape<typeof HistogramResponseSchema> {
  const counts = new BigUint64Array(buckets.count * SEVERITY_RANGES);
  let total = 0n;
  for (const row of rows) {
    const [bucket, severity, count] = ROW.parse(row);
    counts[bucket * SEVERITY_RANGES + severity] = BigInt(count);
    total += BigInt(count);
  }
  return {
    startUnixNanos: buckets.startNanos,
    stepNanos: buckets.stepNanos,
    total,
    buckets: Array.from({ length: buckets.count }, (_, index) => oneBucket(buckets, counts, index)),
  };
}

const SEVERITY_RANGES = 7;

function oneBucket(
  buckets: Buckets,
  counts: BigUint64Array,
  index: number,
): MessageInitShape<typeof HistogramBucketSchema> {
  const at = (severity: number): bigint => counts[index * SEVERITY_RANGES + severity] ?? 0n;
  return {
    startUnixNanos: buckets.startNanos + BigInt(index) * buckets.stepNanos,
    unspecified: at(0),
    trace: at(1),
    debug: at(2),
    info: at(3),
    warn: at(4),
    error: at(5),
    fatal: at(6),
  };
}
