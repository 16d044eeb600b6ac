/** The fields of a record as the detail panel lists them, and the record as JSON. Pure. */

import { timestampOriginOf } from '@sluice/protocol/timestamp-origin';
import { FIELD_NAMES } from '@sluice/query/fields';
import type { LogRecord } from '@sluice/wire/gen/query_pb';
import { UrgencyClass } from '@sluice/wire/gen/uplink_pb';
import { formatInstant } from '../format/format.ts';

export interface Field {
  readonly name: string;
  readonly value: string;
  /** Name of the field in a query; undefined when it cannot be searched by. */
  readonly queryName: string | undefined;
  /** What to search for when it is not the value shown. */
  readonly queryValue?: string;
}

const URGENCY_NAMES = {
  [UrgencyClass.UNSPECIFIED]: 'unspecified',
  [UrgencyClass.URGENT]: 'urgent',
  [UrgencyClass.ELEVATED]: 'elevated',
  [UrgencyClass.NORMAL]: 'normal',
  [UrgencyClass.BULK]: 'bulk',
} as const;
export type UrgencyName = (typeof URGENCY_NAMES)[UrgencyClass];

/** The word for an urgency class; `unspecified` for one that this page does not know. */
export function urgencyName(urgency: UrgencyClass): UrgencyName {
  return URGENCY_NAMES[urgency] ?? 'unspecified';
}

/** Attributes (or resource attributes) sorted by name, in the order of code points: the same everywhere. */
export function sortedFields(
  map: Readonly<Record<string, string>>,
  scope: 'attributes' | 'resource',
): Field[] {
  return Object.entries(map)
    .sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0))
    .map(([name, value]) => ({ name, value, queryName: attributeQueryName(name, scope) }));
}

/** An attribute is searched for by its bare name, unless the language gives that name another meaning. */
function attributeQueryName(name: string, scope: 'attributes' | 'resource'): string {
  const ambiguous = FIELD_NAMES.includes(name.toLowerCase()) || /^(attributes|resource)\./.test(name);
  return scope === 'resource' || ambiguous ? `${scope}.${name}` : name;
}

/** The record as indented JSON, with the names that `./sluice search --json` uses. */
export function recordJson(record: LogRecord): string {
  return JSON.stringify(
    {
      id: record.id,
      timestamp: formatInstant(record.timestampUnixNanos),
      observed: formatInstant(record.observedUnixNanos),
      severity: record.severityText,
      severityNumber: record.severityNumber,
      service: record.serviceName,
      host: record.hostName,
      body: record.body,
      attributes: record.attributes,
      resource: record.resource,
      traceId: record.traceId,
      spanId: record.spanId,
      urgency: urgencyName(record.urgency),
      serverId: record.serverId,
      channelPriority: record.channelPriority,
      offsetBytes: record.offsetBytes === undefined ? null : Number(record.offsetBytes),
      timestampOrigin: timestampOriginOf(record.timestampOrigin),
    },
    null,
    2,
  );
}
