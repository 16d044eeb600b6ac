/**
 * Whether what a source hands out can be a record. A value that no server takes would spoil the whole block that it comes into,
 * with the records of other sources.
 */
import { SluiceError } from '@sluice/base/error';
import type { PreparedAttributes, RecordFields } from '@sluice/block/record';
import { MAX_TIMESTAMP_ORIGIN_NUMBER } from '@sluice/protocol/timestamp-origin';

/** Of the OpenTelemetry log data model. */
const MAX_SEVERITY_NUMBER = 24;
const MAX_TRACE_FLAGS = 0xff;
const MAX_NANOS = 999_999_999;
const TRACE_ID = /^(?:[0-9a-f]{32})?$/;
const SPAN_ID = /^(?:[0-9a-f]{16})?$/;

/** What sources say of lines and of fields. @throws SluiceError `internal` that names the field */
export function checkPlace({ offsetBytes, observedMs }: RecordFields): void {
  // Written so that NaN fails too.
  if (!(offsetBytes >= 0 && offsetBytes <= Number.MAX_SAFE_INTEGER)) throw impossible('offset', offsetBytes);
  if (!(observedMs >= 0 && observedMs <= Number.MAX_SAFE_INTEGER))
    throw impossible('time of reading', observedMs);
}

/** What sources say of fields alone. @throws SluiceError `internal` that names the field */
export function checkFields(fields: RecordFields): void {
  const { severityNumber, traceFlags, timestampOrigin, timestampNanos, traceId, spanId } = fields;
  if (!isUpTo(MAX_SEVERITY_NUMBER, severityNumber)) throw impossible('severity number', severityNumber);
  if (!isUpTo(MAX_TRACE_FLAGS, traceFlags)) throw impossible('trace flags', traceFlags);
  if (!isUpTo(MAX_TIMESTAMP_ORIGIN_NUMBER, timestampOrigin))
    throw impossible('origin of the time', timestampOrigin);
  if (!isUpTo(MAX_NANOS, timestampNanos)) throw impossible('nanoseconds', timestampNanos);
  if (!TRACE_ID.test(traceId)) throw impossible('trace id', traceId);
  if (!SPAN_ID.test(spanId)) throw impossible('span id', spanId);
}

/** All text of a record, in UTF-16 units or bytes: also what many records may share. */
export function sourceBytesOf(fields: RecordFields): number {
  const { severityText, serviceName, eventName, resource, constantAttributes, attributes } = fields;
  const names = severityText.length + serviceName.length + eventName.length;
  const shared = sharedBytes(resource) + sharedBytes(constantAttributes);
  return fields.textBytes + attributes.count + names + shared;
}

/** One more for each: an empty attribute takes room too. */
function sharedBytes({ keys, encodedValues }: PreparedAttributes): number {
  return keys.reduce((sum, key) => sum + key.length + 1, encodedValues.length);
}

function isUpTo(most: number, value: number): boolean {
  return Number.isInteger(value) && value >= 0 && value <= most;
}

/** Of a text, what tells which it was. */
const MAX_SHOWN_LENGTH = 40;

function impossible(what: string, value: number | string): SluiceError {
  const shown = String(value).slice(0, MAX_SHOWN_LENGTH);
  return new SluiceError('internal', `a source gave a record whose ${what} cannot be: ${shown}`);
}
