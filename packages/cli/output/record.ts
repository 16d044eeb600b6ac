/**
 * One record as the `--json` line of `sluice search` (a stable format) and as a line for people.
 */

import { type TimestampOrigin, timestampOriginOf } from '@sluice/protocol/timestamp-origin';
import type { LogRecord } from '@sluice/wire/gen/query_pb';
import { printable, styled } from './terminal.ts';

/** The stable shape of one line of `--json`. */
export interface JsonRecord {
  readonly id: string;
  /** RFC 3339 in UTC with nine decimals. */
  readonly timestamp: string;
  readonly observed: string;
  readonly severity: string;
  readonly severityNumber: number;
  readonly service: string;
  readonly host: string;
  readonly body: string;
  readonly attributes: Record<string, string>;
  readonly resource: Record<string, string>;
  readonly traceId: string;
  readonly spanId: string;
  readonly server: string;
  readonly channelPriority: number;
  /** Where it begins in its source, in bytes; null when nobody said. */
  readonly offsetBytes: number | null;
  /** How `timestamp` came to be. */
  readonly timestampOrigin: TimestampOrigin;
}

/** @returns the record in the shape of `--json` */
export function jsonRecord(record: LogRecord): JsonRecord {
  return {
    id: record.id,
    timestamp: formatNanos(record.timestampUnixNanos),
    observed: formatNanos(record.observedUnixNanos),
    severity: record.severityText,
    severityNumber: record.severityNumber,
    service: record.serviceName,
    host: record.hostName,
    body: record.body,
    attributes: record.attributes,
    resource: record.resource,
    traceId: record.traceId,
    spanId: record.spanId,
    server: record.serverId,
    channelPriority: record.channelPriority,
    offsetBytes: record.offsetBytes === undefined ? null : Number(record.offsetBytes),
    timestampOrigin: timestampOriginOf(record.timestampOrigin),
  };
}

/** @returns one line: time, severity, service, host, body */
export function recordLine(record: LogRecord): string {
  const time = formatNanos(record.timestampUnixNanos).replace('T', ' ').slice(0, 23);
  const severity = severityName(record.severityNumber).padEnd(5);
  return [
    styled('dim', time),
    styled(severityStyle(record.severityNumber), severity),
    styled('cyan', printable(record.serviceName)),
    styled('dim', printable(record.hostName)),
    printable(record.body),
  ].join(' ');
}

/** @param nanos ns since 1970; @returns RFC 3339 in UTC with nine decimals */
function formatNanos(nanos: bigint): string {
  const million = 1_000_000n;
  const milliseconds = nanos / million - (nanos % million < 0n ? 1n : 0n);
  const rest = nanos - milliseconds * million;
  return new Date(Number(milliseconds)).toISOString().replace('Z', `${rest.toString().padStart(6, '0')}Z`);
}

/** OpenTelemetry's short name of a severity number's range; `-` when unspecified. */
function severityName(severityNumber: number): string {
  if (severityNumber < 1 || severityNumber > 24) return '-';
  return ['TRACE', 'DEBUG', 'INFO', 'WARN', 'ERROR', 'FATAL'][Math.floor((severityNumber - 1) / 4)] ?? '-';
}

function severityStyle(severityNumber: number): Parameters<typeof styled>[0] {
  if (severityNumber >= 17) return ['red', 'bold'];
  if (severityNumber >= 13) return 'yellow';
  if (severityNumber >= 9) return 'green';
  return 'dim';
}
