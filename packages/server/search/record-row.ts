/** The columns of a found record, and a row of them as the API's message. */
import type { MessageInitShape } from '@bufbuild/protobuf';
import { defined } from '@sluice/base/defined';
import type { LogRecordSchema } from '@sluice/wire/gen/query_pb';
import { UrgencyClass } from '@sluice/wire/gen/uplink_pb';
import { z } from 'zod';
import type { Place } from './cursor.ts';

/** Columns of the table that a record is read from; RECORD_VALUES are made of these. */
export const RECORD_COLUMNS: string =
  'Timestamp, ObservedTimestamp, SeverityNumber, SeverityText, ServiceName, Body, TraceId, SpanId, ' +
  'LogAttributes, ResourceAttributes, UrgencyClass, AgentId, BlockEpoch, BlockSequence, RecordNumber, ' +
  'ServerId, ChannelPriority, BlockDigest, RecordOffset, TimestampOrigin';

/** The values of one row, in the order of {@link ROW}. Integers of 64 bits as text: JSON has only doubles. */
export const RECORD_VALUES: string =
  'toString(toUnixTimestamp64Nano(Timestamp)), toString(toUnixTimestamp64Nano(ObservedTimestamp)), ' +
  'SeverityNumber, SeverityText, ServiceName, Body, TraceId, SpanId, LogAttributes, ResourceAttributes, ' +
  'UrgencyClass, AgentId, toString(BlockEpoch), toString(BlockSequence), RecordNumber, ServerId, ChannelPriority, BlockDigest, ' +
  'toString(RecordOffset), TimestampOrigin';

/**
 * About how many bytes a record has, as SQL: all of its text. A function that looks at the text itself would have the engine write
 * out what stands in dictionaries.
 */
export const RECORD_BYTES =
  'byteSize(Body, SeverityText, ServiceName, LogAttributes, ResourceAttributes) + 256';

const ROW = z.tuple(
  [
    z.string(),
    z.string(),
    z.number(),
    z.string(),
    z.string(),
    z.string(),
    z.string(),
    z.string(),
    z.record(z.string(), z.string()),
    z.record(z.string(), z.string()),
    z.number(),
    z.string(),
    z.string(),
    z.string(),
    z.number(),
    z.string(),
    z.number(),
    z.string(),
    z.string(),
    z.number(),
  ],
  z.unknown(),
);

const URGENCY = [
  UrgencyClass.UNSPECIFIED,
  UrgencyClass.URGENT,
  UrgencyClass.ELEVATED,
  UrgencyClass.NORMAL,
  UrgencyClass.BULK,
];

export interface FoundRecord {
  readonly record: MessageInitShape<typeof LogRecordSchema>;
  readonly place: Place;
}

export function readRow(row: readonly unknown[]): FoundRecord {
  const [
    timestamp,
    observed,
    severityNumber,
    severityText,
    serviceName,
    body,
    traceId,
    spanId,
    attributes,
    resource,
    urgency,
    agentId,
    epoch,
    sequence,
    record,
    serverId,
    channelPriority,
    digest,
    offset,
    timestampOrigin,
  ] = ROW.parse(row);
  const timestampNanos = BigInt(timestamp);
  return {
    place: {
      ...{ timestampNanos, agentId, observedNanos: BigInt(observed), offsetBytes: BigInt(offset) },
      ...{ epoch: BigInt(epoch), sequence: BigInt(sequence), record, digest },
    },
    record: {
      id: `${agentId}.${epoch}.${sequence}.${record}`,
      timestampUnixNanos: timestampNanos,
      observedUnixNanos: BigInt(observed),
      severityNumber,
      severityText,
      serviceName,
      hostName: resource['host.name'] ?? '',
      body,
      attributes,
      resource,
      traceId,
      spanId,
      urgency: URGENCY[urgency] ?? UrgencyClass.UNSPECIFIED,
      serverId,
      channelPriority,
      // Who says where a record begins says how its time came to be as well.
      ...defined({ offsetBytes: timestampOrigin === 0 ? undefined : BigInt(offset) }),
      timestampOrigin,
    },
  };
}
